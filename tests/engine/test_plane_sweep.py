"""The plane sweep against a ray-tracer of one plane, pixel by pixel; and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.contract import LatentShape
from anyview_ros.engine.plane_sweep import EMPTY, plane_sweep
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import look_at, rays

LATENT = LatentShape(12, 4, 4, 4)
CAMERA = Camera(32, 24, 20.0, 21.0, 15.0, 12.5)
WIDE = Camera(48, 32, 17.0, 18.0, 25.0, 14.0)
STAMPS = [10**8 * k for k in range(1, 6)]


def clip_at(poses: NDArray[np.float64], camera: Camera = WIDE, phase: float = 0.0) -> Clip:
    """Smooth colours, so that interpolation is near to the truth."""
    rows, columns = np.indices((camera.height, camera.width))
    waves = [np.sin(rows / 7 + phase), np.cos(columns / 9 + phase), np.sin((rows + columns) / 11)]
    image = np.rint(127.5 + 100 * np.stack(waves, -1)).astype(np.uint8)
    return Clip(
        tuple(
            Frame(s, image + k, camera, p)
            for k, (s, p) in enumerate(zip(STAMPS, poses, strict=True))
        )
    )


def moving(first: NDArray[np.float64], step: tuple[float, float, float]) -> NDArray[np.float64]:
    poses = np.repeat(first[None], 5, axis=0)
    poses[:, :3, 3] += np.arange(5)[:, None] * step
    return poses


SOURCE = moving(look_at((0, 0, 1.5), (5, 0, 1.2)), (0.3, 0, 0))
TARGET = moving(look_at((-1.0, 1.0, 2.5), (5, 0.5, 0.5)), (0.3, 0.1, 0))


def traced(clip: Clip, target: View, plane: float | None, t: int, row: int, column: int):  # type: ignore[no-untyped-def]
    """Colour and visibility of one pixel: ray, plane, projection, written out.

    `plane` is the inverse depth in front of the target; None is the ground z = 0.
    """
    world_from_cam = target.world_from_cam[t]
    direction = rays(target.camera)[row, column]
    direction = direction / direction[2]
    if plane is None:
        along = (world_from_cam[:3, :3] @ direction)[2]
        reach = -world_from_cam[2, 3] / along
        if reach <= 0:
            return None
        point = world_from_cam[:3, :3] @ direction * reach + world_from_cam[:3, 3]
    elif plane == 0:
        point = world_from_cam[:3, :3] @ direction * 1e9 + world_from_cam[:3, 3]
    else:
        point = world_from_cam[:3, :3] @ direction / plane + world_from_cam[:3, 3]
    frame = clip.frames[t]
    x, y, z = np.linalg.inv(frame.world_from_cam) @ [*point, 1.0] @ np.eye(4)[:, :3]
    if z <= 0:
        return None
    u = frame.camera.fx * x / z + frame.camera.cx
    v = frame.camera.fy * y / z + frame.camera.cy
    inside = 1 <= u <= frame.camera.width - 2 and 1 <= v <= frame.camera.height - 2
    if not inside:
        outside = u < -1 or v < -1 or u > frame.camera.width or v > frame.camera.height
        return None if outside else "border"
    u0, v0 = int(u), int(v)
    a, b = u - u0, v - v0
    box = frame.image[v0 : v0 + 2, u0 : u0 + 2].astype(float)
    return (1 - b) * ((1 - a) * box[0, 0] + a * box[0, 1]) + b * (
        (1 - a) * box[1, 0] + a * box[1, 1]
    )


@pytest.mark.parametrize("plane", [0, 1, 2, 3])
def test_every_pixel_is_where_its_ray_meets_the_plane(plane: int) -> None:
    depths = [0.0, 0.2, 0.6]
    clip, target = clip_at(SOURCE), View(CAMERA, TARGET)
    images = plane_sweep([clip], target, depths, LATENT).images
    seen = 0
    for t in (0, 3):
        for row in range(0, CAMERA.height, 3):
            for column in range(0, CAMERA.width, 3):
                expected = traced(clip, target, [None, *depths][plane], t, row, column)
                found = images[plane, t, row, column].astype(float)
                if expected is None:
                    assert (found == EMPTY).all()
                elif not isinstance(expected, str):
                    assert np.abs(found - expected).max() < 2.5
                    seen += 1
    assert seen > 10


def test_the_sources_own_camera_gets_its_own_images_over_every_plane() -> None:
    clip = clip_at(SOURCE)
    candidates = plane_sweep([clip], View(WIDE, SOURCE), [0.0, 0.5], LATENT)
    assert np.array_equal(candidates.images[1], clip.images)
    assert np.array_equal(candidates.images[2], clip.images)
    assert (candidates.marks[1:, 0] == 1).all()
    assert (candidates.marks[:, 1] == 0).all()


def test_marks_say_which_cells_are_seen_in_all_their_frames() -> None:
    clip, target = clip_at(SOURCE), View(CAMERA, TARGET)
    candidates = plane_sweep([clip], target, [0.0, 0.3], LATENT)
    assert candidates.marks.shape == (3, 2, 2, 6, 8)
    grey = (candidates.images == EMPTY).all(axis=-1)
    cells = grey.reshape(3, 5, 6, 4, 8, 4)
    first = cells[:, 0].any(axis=(2, 4))
    later = cells[:, 1:].any(axis=(1, 3, 5))
    seen = candidates.marks[:, 0] == 1
    assert not (seen[:, 0] & first).any()
    assert not (seen[:, 1] & later).any()
    assert 0.1 < seen.mean() < 0.9


def test_behind_a_source_nothing_is_seen() -> None:
    away = moving(look_at((0, 0, 1.5), (-5, 0, 1.2)), (0, 0, 0))
    candidates = plane_sweep([clip_at(away)], View(CAMERA, SOURCE), [0.0, 0.05], LATENT)
    assert (candidates.images[1:] == EMPTY).all()
    assert (candidates.marks[1:, 0] == 0).all()


def test_the_nearest_source_that_sees_a_pixel_gives_its_colour() -> None:
    near = clip_at(SOURCE, CAMERA)
    far = clip_at(moving(look_at((0, 4, 1.5), (5, 2, 1)), (0, 0, 0)), WIDE, 2.0)
    target = View(CAMERA, moving(look_at((0.1, 0, 1.5), (5, 2, 1.2)), (0.3, 0, 0)))
    alone = [plane_sweep([clip], target, [0.2], LATENT).images for clip in (near, far)]
    both = plane_sweep([far, near], target, [0.2], LATENT)
    assert np.array_equal(both.images, plane_sweep([near, far], target, [0.2], LATENT).images)
    from_near = (alone[0] != EMPTY).any(axis=-1)
    near_by = [np.roll(from_near, (i, j), (-2, -1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    inner = np.all(near_by, axis=0)  # not mixed with the colour of nothing at the border
    inner[..., [0, -1], :] = False
    assert np.array_equal(both.images[inner], alone[0][inner])
    filled = ~from_near & (alone[1] != EMPTY).any(axis=-1)
    assert filled.any()
    assert np.array_equal(both.images[filled], alone[1][filled])


def test_sources_disagree_where_the_plane_is_not_the_surface() -> None:
    """A wall at 4 m, seen by two cameras: over the plane at 4 m they agree."""

    def wall(x: float) -> Clip:
        """The wall's brightness is a function of its own x; the camera stands at (x, 0, 0)."""
        columns = (np.arange(48) - 23.5) / 24 * 4 + x
        image = np.repeat(np.rint(127 + 90 * np.sin(2 * columns))[None, :, None], 32, 0)
        image = image.repeat(3, 2).astype(np.uint8)
        pose = np.eye(4)
        pose[0, 3] = x
        camera = Camera(48, 32, 24.0, 24.0, 23.5, 15.5)
        return Clip(tuple(Frame(s, image, camera, pose) for s in STAMPS))

    pose = np.eye(4)
    pose[0, 3] = 0.4
    target = View(Camera(24, 24, 24.0, 24.0, 11.5, 11.5), np.repeat(pose[None], 5, axis=0))
    marks = plane_sweep([wall(0.0), wall(0.8)], target, [1 / 16, 1 / 4, 1.0], LATENT).marks
    beyond, right, before = marks[1:, 1].mean(axis=(1, 2, 3))
    assert right < 0.02
    assert beyond > 5 * right
    assert before > 5 * right

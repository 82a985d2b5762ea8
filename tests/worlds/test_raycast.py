"""The ray-caster against a slow reference and against laws of projection and sampling."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.frames import Camera
from anyview_ros.geometry import look_at, rays
from anyview_ros.worlds.render.raycast import render, render_clip, render_depth, render_with_depth
from anyview_ros.worlds.render.scene import (
    CENTER,
    GROUND,
    GROUP_CASTS,
    GROUP_CENTER,
    STANDS,
    SUN,
    Finish,
    Scene,
    box,
    ellipsoid,
)
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.world import make_world
from tests.worlds.reference import STEP, first_inside, inside, noon, random_primitive

CAMERA = Camera(36, 27, 30.0, 26.0, 15.5, 14.0)  # oblong pixels, principal point off the middle
POSE = look_at((0.0, 0.0, 1.5), (10.0, 1.0, 1.2))


def random_scene(seed: int) -> Scene:
    """Thirty primitives before the camera, in groups of one to four."""
    rng = np.random.default_rng(seed)
    rows, sizes = [], []
    for _ in range(12):
        sizes.append(int(rng.integers(1, 5)))
        middle = np.array([rng.uniform(4, 14), rng.uniform(-4, 5), rng.uniform(0.2, 3.5)])
        rows += [
            random_primitive(rng, middle + rng.normal(0, 0.4, 3), 0.8) for _ in range(sizes[-1])
        ]
    return noon(np.stack(rows), sizes)


def true_distances(scene: Scene, reach: float) -> np.ndarray:
    """(H, W) distance along each ray to the nearest primitive or the ground, by marching."""
    world_rays = rays(CAMERA) @ POSE[:3, :3].T
    origin = POSE[:3, 3]
    nearest = np.full((CAMERA.height, CAMERA.width), np.inf)
    down = world_rays[..., 2] < 0
    nearest[down] = -origin[2] / world_rays[down][:, 2]
    for y, x in np.ndindex(nearest.shape):
        for row in scene.primitives:
            nearest[y, x] = min(nearest[y, x], first_inside(row, origin, world_rays[y, x], reach))
    return nearest


def test_depth_is_that_of_marching_along_every_ray() -> None:
    scene = random_scene(3)
    reach = 20.0
    true = true_distances(scene, reach)
    depth = render_depth(scene, CAMERA, POSE)
    distance = depth / rays(CAMERA)[..., 2]
    wrong = np.abs(np.minimum(distance, reach) - np.minimum(true, reach)) > 2 * STEP
    # Marching steps over edges that a ray only grazes.
    assert wrong.mean() < 0.01
    assert (true < reach).mean() > 0.6  # the camera does look at something
    assert (true[true < reach] < 12).mean() > 0.3


def test_depth_of_the_sky_is_infinite_and_depth_is_along_the_optical_axis() -> None:
    wall = noon(np.stack([ellipsoid((8, 0, -100), (1, 1, 1), Finish())]), [1])
    level = look_at((0.0, 0.0, 2.0), (10.0, 0.0, 2.0))
    camera = Camera.from_fov(33, 33, 1.0)
    depth = render_depth(wall, camera, level)
    assert np.isinf(depth[:16]).all()
    # On the ground all pixels of a row are equally deep: z = height * fy / (y - cy).
    y = np.arange(18, 33)
    np.testing.assert_allclose(
        depth[18:], np.repeat((2.0 * camera.fy / (y - camera.cy))[:, None], 33, axis=1), rtol=1e-4
    )


def test_inverse_depth_beside_the_image_is_that_of_marching_where_a_pixel_sees_one_thing() -> None:
    scene, reach = random_scene(3), 20.0
    true = rays(CAMERA)[..., 2] ** -1 / true_distances(scene, reach)
    image, inverse_depth = render_with_depth(scene, CAMERA, POSE)
    np.testing.assert_array_equal(image, render(scene, CAMERA, POSE))
    near = true > 1 / reach
    wrong = np.abs(inverse_depth[near] / true[near] - 1) > 0.01
    assert near.mean() > 0.6
    assert wrong.mean() < 0.1  # edges, of which so small an image has many


def test_inverse_depth_of_the_ground_is_linear_in_the_image_and_none_in_the_sky() -> None:
    """However flat it is seen: 1 / z = (y - cy) / (height * fy)."""
    hidden = noon(np.stack([ellipsoid((8, 0, -100), (1, 1, 1), Finish())]), [1])
    level = look_at((0.0, 0.0, 2.0), (10.0, 0.0, 2.0))
    camera = Camera.from_fov(33, 33, 1.0)
    _, inverse_depth = render_with_depth(hidden, camera, level)
    below = np.maximum(np.arange(33) - camera.cy, 0)[:, None] / (2.0 * camera.fy)
    rows = np.arange(33) != 16  # the horizon runs through the middle of that one
    true = np.repeat(below, 33, axis=1)
    np.testing.assert_allclose(inverse_depth[rows], true[rows], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("share", "seen"), [(0.2, 0.0), (0.5, 0.25), (0.8, 0.25)])
def test_a_pixel_is_as_deep_as_what_fills_most_of_it(share: float, seen: float) -> None:
    """A wall 4 m away before the sky, its edge within the pixels of one column."""
    edge = 4.0 * (0.5 - share) / 16.0  # metres to the left of the axis
    wall = noon(np.stack([box((4.0, edge + 50.0, 0), (1e-4, 50.0, 50.0), Finish())]), [1])
    upwards = look_at((0.0, 0.0, 40.0), (10.0, 0.0, 40.0))
    camera = Camera(9, 9, 16.0, 16.0, 4.0, 8.0)
    _, inverse_depth = render_with_depth(wall, camera, upwards)
    np.testing.assert_allclose(inverse_depth[4], [0.25] * 4 + [seen] + [0.0] * 4, rtol=1e-4)


@pytest.mark.parametrize("x", [6.3, 60.0, 152.7])
@pytest.mark.parametrize("y", [7.6, 55.5, 111.2])
def test_a_small_ball_appears_where_it_projects(x: float, y: float) -> None:
    """Integer pixels are pixel centres; fx differs from fy; towards every corner."""
    camera = Camera(160, 120, 200.0, 170.0, 70.5, 64.0)
    ray = np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0])
    point = POSE[:3, :3] @ ray * 3.0 + POSE[:3, 3]
    dazzling = Finish((50.0, 50.0, 50.0))
    scene = noon(np.stack([ellipsoid(point, (0.05, 0.05, 0.05), dazzling)]), [1])
    rows, columns = np.nonzero((render(scene, camera, POSE, 1) == 255).all(axis=-1))
    assert 20 < len(rows) < 60  # a disc of about 3.3 by 2.8 pixels
    np.testing.assert_allclose((columns.mean(), rows.mean()), (x, y), atol=0.25)


def test_shadows_fall_where_the_reference_finds_the_sun_hidden() -> None:
    """An occluder out of view: pixels of the ground change exactly where it hides the sun."""
    rng = np.random.default_rng(5)
    rows = np.stack([random_primitive(rng, np.array([6.0, y, 4.5]), 1.0) for y in (-2, 0, 2)])
    down = look_at((6.0, 0.0, 2.5), (6.01, 0.0, 0.0))
    camera = Camera.from_fov(64, 64, 1.9)
    scene = noon(rows, [1, 1, 1])
    open_sky = noon(rows[:1] * 0 + ellipsoid((0, 0, -500), (1, 1, 1), Finish()), [1])
    darker = (render(open_sky, camera, down, 1).astype(int) - render(scene, camera, down, 1)).sum(
        axis=-1
    ) > 10
    direction = rays(camera) @ down[:3, :3].T
    ground = down[:3, 3] + direction * (-down[2, 3] / direction[..., 2])[..., None]
    sun = scene.environment[SUN : SUN + 3].astype(float)
    towards = ground[..., None, :] + np.arange(0, 12, 0.02)[:, None] * sun
    hidden = np.any([inside(row, towards).any(axis=-1) for row in rows], axis=0)
    assert (darker != hidden).mean() < 0.02
    assert 0.1 < hidden.mean() < 0.9


def test_a_group_that_casts_no_shadow_leaves_the_ground_as_it_was() -> None:
    rng = np.random.default_rng(5)
    rows = np.stack([random_primitive(rng, np.array([6.0, 0.0, 4.5]), 1.0)])
    down, camera = look_at((6.0, 0.0, 2.5), (6.01, 0.0, 0.0)), Camera.from_fov(64, 64, 1.9)
    casting = noon(rows, [1])
    groups = casting.groups.copy()
    groups[:, GROUP_CASTS] = 0.0
    lit = Scene(casting.primitives, groups, casting.environment)
    away = noon(rows[:1] * 0 + ellipsoid((0, 0, -500), (1, 1, 1), Finish()), [1])
    np.testing.assert_array_equal(render(lit, camera, down), render(away, camera, down))
    assert (render(casting, camera, down) != render(lit, camera, down)).mean() > 0.05


@pytest.mark.parametrize("height", [-0.7, 0.4])
def test_the_ground_has_a_height_and_shadows_reach_it(height: float) -> None:
    """Everything lifted by the same height, camera included, is the same picture."""
    scene = random_scene(2)
    primitives, groups = scene.primitives.copy(), scene.groups.copy()
    primitives[:, CENTER + 2] += height
    primitives[:, STANDS] = height
    groups[:, GROUP_CENTER + 2] += height
    environment = scene.environment.copy()
    environment[GROUND] = height
    lifted, pose = Scene(primitives, groups, environment), POSE.copy()
    pose[2, 3] += height
    one, other = render(scene, CAMERA, POSE), render(lifted, CAMERA, pose)
    assert np.mean(np.abs(one.astype(int) - other).max(axis=-1) > 2) < 0.01
    with_ground_at_0 = Scene(primitives, groups, scene.environment)
    assert np.mean(render(with_ground_at_0, CAMERA, pose) != one) > 0.1


def test_more_samples_at_least_halve_the_error_at_edges() -> None:
    scene = random_scene(8)
    true = render(scene, CAMERA, POSE, 12).astype(float)
    errors = [
        np.sqrt(np.mean((render(scene, CAMERA, POSE, samples) - true) ** 2))
        for samples in (1, 2, 4)
    ]
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]
    assert errors[0] > 2.0  # there are edges


def test_size_need_not_be_a_multiple_of_a_tile() -> None:
    """A crop of the camera sees the same pixels."""
    scene = make_world("street", 3).scene_at(10**9)
    full = Camera.from_fov(64, 48, 1.2)
    cropped = Camera(37, 29, full.fx, full.fy, full.cx - 11, full.cy - 7)
    image = render(scene, full, POSE)[7 : 7 + 29, 11 : 11 + 37].astype(int)
    difference = np.abs(image - render(scene, cropped, POSE))
    assert np.mean(difference > 1) < 1e-3  # tiles lie elsewhere: only rounding may differ


def test_a_clip_is_its_frames() -> None:
    world, camera = make_world("street", 2), Camera.from_fov(32, 24, 1.2)
    stamps = [10**9, 2 * 10**9, 3 * 10**9]
    poses = np.stack(
        [world.world_from_link("base", s) @ STREET_RIG[0].link_from_cam for s in stamps]
    )
    clip = render_clip(world, camera, poses, stamps)
    assert clip.shape == (3, 24, 32, 3)
    np.testing.assert_array_equal(clip[1], render(world.scene_at(stamps[1]), camera, poses[1]))
    with pytest.raises(ValueError, match=r"shorter|longer"):
        render_clip(world, camera, poses[:2], stamps)


def test_threads_may_render_at_the_same_time() -> None:
    world, camera = make_world("street", 6), Camera.from_fov(64, 40, 1.2)
    stamps = [k * 10**9 for k in range(8)]

    def frame(stamp: int) -> np.ndarray:
        pose = world.world_from_link("base", stamp) @ STREET_RIG[0].link_from_cam
        return render(world.scene_at(stamp), camera, pose)

    alone = [frame(stamp) for stamp in stamps]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(frame, stamps))
    np.testing.assert_array_equal(alone, together)


def street_digest() -> str:
    """sha256 of a rendered street, 2 cameras of the rig at 2 stamps."""
    world, camera = make_world("street", 11), Camera.from_fov(72, 40, 1.3)
    digest = hashlib.sha256()
    for stamp in (3_700_000_000, 95_000_000_000):
        base = world.world_from_link("base", stamp)
        digest.update(base.tobytes())
        for mounted in STREET_RIG[:2]:
            image = render(world.scene_at(stamp), camera, base @ mounted.link_from_cam)
            digest.update(image.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_fresh_process_with_any_number_of_threads_draws_the_same_bytes(threads: str) -> None:
    code = "from tests.worlds.test_raycast import street_digest; print(street_digest())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_NUM_THREADS": threads},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert found.stdout.strip() == street_digest()

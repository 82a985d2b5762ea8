"""Plane sweep: the sources warped into the target camera over a few planes. No depth is needed.

Collins, "A space-sweep approach to true multi-image matching", CVPR 1996. The planes are the
ground, z = 0 of the world, and planes that face the target camera. Where a plane lies on a surface
its candidate shows what the target would see; which one that is, the network decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import LatentShape
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.geometry import inverse

EMPTY = 128  # colour where no source sees the plane
NOTHING = np.array([EMPTY, EMPTY, EMPTY, 0], np.uint8).view(np.uint32)[0]  # in one word: RGBA
MARKS = 2  # channels beside the colours: whether a source sees the cell, how far sources disagree
GROUND_CLEARANCE = 1e-3  # metres above the ground below which a camera does not see it


@dataclass(frozen=True)
class Candidates:
    """P planes of T frames at the target's size.

    Args:
        images: (P, T, H, W, 3) uint8.
        marks: (P, 2, T', H', W') float32 of each latent cell: 1 where sources see all of it, else
            0; and the mean difference between two sources, 0..1, 0 where fewer see it.
    """

    images: NDArray[np.uint8]
    marks: NDArray[np.float32]

    def with_more(self, others: Candidates) -> Candidates:
        """Return these and others after them."""
        images = np.concatenate([self.images, others.images])
        return Candidates(images, np.concatenate([self.marks, others.marks]))


def plane_sweep(
    sources: Sequence[Clip], target: View, inverse_depths: Sequence[float], latent: LatentShape
) -> Candidates:
    """Over each plane what the nearest source that sees it saw; the ground comes first.

    Args:
        sources: clips of T frames each.
        inverse_depths: 1 / metres along the target's optical axis; 0 is a plane at infinity.
        latent: how many frames and pixels a latent cell stands for.
    """
    planes = planes_of(target.world_from_cam, inverse_depths)
    order = nearest_first(sources, target, inverse_depths)
    warped = [warp(sources[place], target, planes) for place in order]
    seen = np.stack([_in_cells(each[..., 3], latent) == 255 for each in warped])
    marks = np.zeros((len(planes), MARKS, *seen.shape[2:5]), np.float32)
    marks[:, 0] = seen.all(axis=-1).any(axis=0)
    if len(warped) > 1:
        marks[:, 1] = _disagreement([_in_cells(each[..., 1], latent) for each in warped], seen)
    return Candidates(_merged(warped)[..., :3], marks)


def nearest_first(
    sources: Sequence[Clip], target: View, inverse_depths: Sequence[float]
) -> list[int]:
    """Return the places of the sources, the one with the least parallax first."""
    parallaxes = [_parallax(clip, target, inverse_depths) for clip in sources]
    return sorted(range(len(sources)), key=parallaxes.__getitem__)


def _parallax(clip: Clip, target: View, inverse_depths: Sequence[float]) -> float:
    """Radians, about, by which a source's first frame sees things otherwise than the target's."""
    source_from_target = inverse(clip.world_from_cam[0]) @ target.world_from_cam[0]
    turn = np.arccos(np.clip(source_from_target[2, 2], -1, 1))
    return float(turn + np.linalg.norm(source_from_target[:3, 3]) * np.mean(inverse_depths))


def planes_of(
    world_from_cam: NDArray[np.float64], inverse_depths: Sequence[float]
) -> NDArray[np.float64]:
    """(P, T, 3) vectors g with g . X = 1 for the points X of a plane, in the target's frames.

    The ground comes first.
    """
    facing = np.array([[0.0, 0.0, rho] for rho in inverse_depths])
    height = world_from_cam[:, 2, 3, None]
    near = np.abs(height) < GROUND_CLEARANCE
    ground = np.where(near, np.nan, -world_from_cam[:, 2, :3] / np.where(near, 1.0, height))
    others = np.broadcast_to(facing[:, None], (len(facing), len(ground), 3))
    return np.concatenate([ground[None], others])


def warp(clip: Clip, target: View, planes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(P, T, H, W, 4) uint8 of `planes_of`: colours, and 255 where the source sees the plane."""
    camera = target.camera
    maps = plane_maps(clip, target, planes)
    ahead, depth = np.moveaxis(maps.signs @ _corner_pixels(camera), -2, 0)
    shape = camera.height, camera.width
    pixels = _all_pixels(camera)
    words = np.empty((*planes.shape[:2], *shape), np.uint32)
    opaque = [np.asarray(cv2.cvtColor(f.image, cv2.COLOR_RGB2RGBA), np.uint8) for f in clip.frames]
    for p, t in np.ndindex(planes.shape[:2]):
        # Both are linear over the image, so their extremes are at its corners.
        if not (ahead[p, t].max() > 0 and depth[p, t].max() > 0):
            words[p, t] = NOTHING
            continue
        _warp(opaque[t], maps.homographies[p, t], words[p, t].view(np.uint8).reshape(*shape, 4))
        if not (ahead[p, t].min() > 0 and depth[p, t].min() > 0):
            behind = (maps.signs[p, t] @ pixels).min(axis=0) <= 0
            words[p, t][behind.reshape(shape)] = NOTHING
    return words.view(np.uint8).reshape(*words.shape, 4)


@dataclass(frozen=True)
class PlaneMaps:
    """Map where a source sees what a target sees, over P planes at T frames.

    Args:
        homographies: (P, T, 3, 3), from pixels of the target to pixels of the source.
        signs: (P, T, 2, 3), whose products with a pixel (x, y, 1) are both positive where the plane
            is ahead of the target, and of the source.
    """

    homographies: NDArray[np.float64]
    signs: NDArray[np.float64]


def plane_maps(clip: Clip, target: View, planes: NDArray[np.float64]) -> PlaneMaps:
    """Return the maps of `planes_of`.

    A pixel's ray r meets a plane at X = r / (g . r), which the source sees at R X + s: in the
    direction (R + s g^T) r, if both g . r and that direction's depth are positive. A plane at
    infinity, g = 0, is ahead of every ray.
    """
    source_from_target = inverse(clip.world_from_cam) @ target.world_from_cam
    rotation, shift = source_from_target[:, :3, :3], source_from_target[:, :3, 3]
    induced = rotation + shift[:, :, None] * planes[..., None, :]
    ray_from_pixel = np.linalg.inv(target.camera.matrix)
    infinite = np.all(planes == 0, axis=-1)[..., None]
    ahead = np.where(infinite, [0.0, 0.0, 1.0], planes @ ray_from_pixel)
    depth = induced[..., 2, :] @ ray_from_pixel
    homographies = clip.frames[0].camera.matrix @ induced @ ray_from_pixel
    return PlaneMaps(homographies, np.stack([ahead, depth], axis=-2))


def _warp(
    image: NDArray[np.uint8], source_from_target: NDArray[np.float64], out: NDArray[np.uint8]
) -> None:
    cv2.warpPerspective(
        image,
        source_from_target,
        (out.shape[1], out.shape[0]),
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(EMPTY, EMPTY, EMPTY, 0),
    )


def _corner_pixels(camera: Camera) -> NDArray[np.float64]:
    right, bottom = camera.width - 1.0, camera.height - 1.0
    return np.array([[0.0, right, 0.0, right], [0.0, 0.0, bottom, bottom], [1.0, 1.0, 1.0, 1.0]])


def _all_pixels(camera: Camera) -> NDArray[np.float64]:
    """(3, H * W), row-major."""
    rows, columns = np.indices((camera.height, camera.width)).reshape(2, -1)
    return np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)


def _in_cells(values: NDArray[np.uint8], latent: LatentShape) -> NDArray[np.uint8]:
    """(..., T, H, W) -> (..., T', H', W', N): what a latent cell holds at its corners in space, at
    every frame; the first frame stands for a whole group, as in the causal latent."""
    *front, frames, height, width = values.shape
    groups, rows, columns = latent.of(frames, height, width)[1:]
    grid = values.reshape(*front, frames, rows, latent.height, columns, latent.width)
    corners = grid[..., :: latent.height - 1, :, :: latent.width - 1]
    first = np.repeat(corners[..., :1, :, :, :, :], latent.time - 1, axis=-5)
    causal = np.concatenate([first, corners], axis=-5)
    cells = causal.reshape(*front, groups, latent.time, rows, 2, columns, 2)
    moved = np.moveaxis(cells, (-5, -3, -1), (-3, -2, -1))
    return moved.reshape(*front, groups, rows, columns, -1)


def _merged(warped: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(..., 4) of each source -> (..., 4): the first source that sees a pixel; a mean would blur.

    The nearest source's array is written to.
    """
    merged = warped[0]
    for source in warped[1:]:
        np.copyto(merged.view(np.uint32), source.view(np.uint32), where=merged[..., 3:] != 255)
    return merged


def _disagreement(green: list[NDArray[np.uint8]], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(P, T', H', W') mean range of the green values over the sources that see a cell, 0..1.

    Args:
        green: (P, T', H', W', N) samples of each cell, of each source.
        seen: (S, P, T', H', W', N).
    """
    lowest = np.where(seen, green, 255).min(axis=0)
    highest = np.where(seen, green, 0).max(axis=0)
    shared = seen.sum(axis=0) > 1
    apart = np.where(shared, highest.astype(np.float32) - lowest, 0).sum(axis=-1)
    mean: NDArray[np.float32] = apart / (255 * np.maximum(shared.sum(axis=-1), 1))
    return mean

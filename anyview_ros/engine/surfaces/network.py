"""How far away the surface of each pixel of a source is, as the graph `surfaces` of a package says.

Matching costs say nothing where the camera stands, where things move and where there is no texture;
a network that sees them, raw and smoothed, beside the image and the ground does. Its answer takes
the place of the smoothed costs, on the source's own grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.onnx.runtime import Outputs
from anyview_ros.engine.plane_sweep import GROUND_CLEARANCE
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.engine.surfaces.finder import NATS, Surfaces, inverse_depths
from anyview_ros.engine.surfaces.photo_consistency import MOST, Costs, matching_costs, smoothed
from anyview_ros.frames import Camera, Frame

FEWEST = 2  # frames that costs are taken over: the two that agree best


def surfaces_by(
    graph: Callable[..., Outputs],
    surfaces: SurfaceRange,
    frame: Frame,
    others: Sequence[Frame],
    scene_scale: float,
) -> Surfaces:
    """Return what a network says of a frame; with the first two given, a `surfaces.Measure`.

    Args:
        graph: `surfaces` of a package.
        frame: whose pixels are asked for; its sides are multiples of 16.
        others: frames of any camera and time, or none.
    """
    costs = costs_or_none(surfaces, frame, others, scene_scale)
    ground = ground_inverse_depth(frame.camera, frame.world_from_cam, surfaces, scene_scale)
    (found,) = graph(
        image=image_tensor(frame.image[None]),
        costs=planar(costs),
        smooth=planar(smooth_costs(costs, frame.image)),
        ground=ground[None, None],
    ).values()
    scores = found[0]
    rounded = np.empty((*scores.shape[1:], len(scores)), np.uint8)
    _round_apart(scores, np.float32(1 / NATS), rounded)
    return Surfaces(frame, rounded, surfaces, scene_scale)


@compiled
def _round_apart(scores, steps, rounded):  # type: ignore[no-untyped-def]
    """Fill in (H, W, B) how far (B, H, W) scores are below the best of a pixel, rounded to steps,
    at most 255."""
    count, height, width = scores.shape
    best = np.empty(width, np.float32)
    half, most = np.float32(0.5), np.float32(255)
    for y in range(height):
        best[:] = scores[0, y]
        for b in range(1, count):
            for x in range(width):
                best[x] = max(best[x], scores[b, y, x])
        for b in range(count):
            for x in range(width):
                apart = (best[x] - scores[b, y, x]) * steps + half
                rounded[y, x, b] = np.uint8(min(apart, most))


def costs_or_none(
    surfaces: SurfaceRange, frame: Frame, others: Sequence[Frame], scene_scale: float
) -> Costs:
    """Return (H, W, B) matching costs; with fewer than two others, those of pixels unseen."""
    if len(others) < FEWEST:
        return np.full((*frame.image.shape[:2], surfaces.count), MOST, np.float32)
    return matching_costs(frame, others, inverse_depths(surfaces, scene_scale))


def smooth_costs(costs: Costs, image: NDArray[np.uint8]) -> Costs:
    """Return (H, W, B) smoothed costs, 0 for each pixel's best; all 0 where nothing is seen."""
    found = smoothed(costs, image)
    return np.minimum(found, np.float32(MOST), out=found)


def planar(costs: Costs) -> NDArray[np.float32]:
    """(H, W, B) -> (1, B, H, W)."""
    height, width, count = costs.shape
    turned = cv2.transpose(costs.reshape(-1, count))  # in a fifth of numpy's time
    return np.asarray(turned, np.float32).reshape(1, count, height, width)


def image_tensor(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) in [-1, 1]."""
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
    pixels /= np.float32(127.5)
    pixels -= 1
    return pixels


def ground_inverse_depth(
    camera: Camera, world_from_cam: NDArray[np.float64], surfaces: SurfaceRange, scene_scale: float
) -> NDArray[np.float32]:
    """Return (H, W) inverse depth over scene_scale of z = 0 of the world, at most the nearest.

    0 where a pixel's ray does not meet it ahead, or the camera is in it.
    """
    height = world_from_cam[2, 3]
    if abs(height) < GROUND_CLEARANCE:
        return np.zeros((camera.height, camera.width), np.float32)
    # It is linear over the image: a point at depth d of the ray r lies at height + d (R r)_z.
    right, down, ahead = -world_from_cam[2, :3] @ np.linalg.inv(camera.matrix) / height
    linear = right * np.arange(camera.width) + down * np.arange(camera.height)[:, None] + ahead
    return np.asarray((linear / scene_scale).clip(0, surfaces.nearest), np.float32)

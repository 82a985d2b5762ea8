"""Which pixels of a target its source shows at the same instant, from the true depth of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, rays

SKY_M = 1e6  # stands for an infinite depth: far enough for any rotation to matter alone
SLACK = 0.02  # share of its depth by which a point may lie behind the surface that is seen


def points(
    depth: NDArray[np.float32], camera: Camera, world_from_cam: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(H, W, 3), in the world, of z-depth (H, W) in metres; the sky's infinite depth is allowed."""
    direction = rays(camera)
    z = np.minimum(depth.astype(np.float64), SKY_M)
    in_camera = direction / direction[..., 2:] * z[..., None]
    placed: NDArray[np.float64] = in_camera @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    return placed


def project(
    world_points: NDArray[np.float64], camera: Camera, world_from_cam: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (..., 2) and z-depth (...) of points (..., 3); pixels are nan behind the camera."""
    cam_from_world = inverse(world_from_cam)
    x, y, z = np.moveaxis(world_points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3], -1, 0)
    ahead = np.where(z > 0, z, np.nan)
    pixels = [camera.fx * x / ahead + camera.cx, camera.fy * y / ahead + camera.cy]
    return np.stack(pixels, axis=-1), z


def inside(xy: NDArray[np.floating], camera: Camera) -> NDArray[np.bool_]:
    """Whether pixels (..., 2) lie in the image, whose borders are half a pixel out."""
    x, y = xy[..., 0], xy[..., 1]
    found: NDArray[np.bool_] = (
        (x >= -0.5) & (x <= camera.width - 0.5) & (y >= -0.5) & (y <= camera.height - 0.5)
    )
    return found


def covisible(
    world_points: NDArray[np.float64],
    source_depth: NDArray[np.float32],
    source_camera: Camera,
    world_from_source: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points (H, W, 3) lie in a source frame, (H, W, 2), and whether it shows them, (H, W).

    A point is shown if it falls into the image and is not behind the deepest of the four depths
    around its place: on slopes seen at a grazing angle one pixel's depth is not its neighbour's.
    """
    xy, z = project(world_points, source_camera, world_from_source)
    shown = inside(xy, source_camera)
    places = np.where(shown[..., None], xy, 0.0)
    left, top = np.floor(np.moveaxis(places, -1, 0)).astype(np.intp)
    columns = [np.clip(left + step, 0, source_camera.width - 1) for step in (0, 1)]
    rows = [np.clip(top + step, 0, source_camera.height - 1) for step in (0, 1)]
    around = np.stack([source_depth[row, column] for row in rows for column in columns])
    shown &= z <= around.max(axis=0) * (1 + SLACK)
    return xy.astype(np.float32), shown

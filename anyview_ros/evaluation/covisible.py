"""Which points a frame shows, from its true depth: what it sees now, and what it saw before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import inside, inverse, project, rays

SKY_M = 1e6  # stands for an infinite depth: far enough for any rotation to matter alone
SLACK = 0.02  # share of its depth by which a point may lie behind the surface that is seen


def points(
    depth: NDArray[np.float32], camera: Camera, world_from_cam: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return world points (H, W, 3) of z-depth (H, W) in metres; the sky's infinite depth is
    allowed."""
    direction = rays(camera)
    z = np.minimum(depth.astype(np.float64), SKY_M)
    in_camera = direction / direction[..., 2:] * z[..., None]
    placed: NDArray[np.float64] = in_camera @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    return placed


def project_from_world(
    world_points: NDArray[np.float64], camera: Camera, world_from_cam: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels (..., 2) and z-depth (...) of points (..., 3), see `geometry.project`."""
    cam_from_world = inverse(world_from_cam)
    in_camera = world_points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    return project(in_camera, camera), in_camera[..., 2]


def covisible(
    world_points: NDArray[np.float64],
    source_depth: NDArray[np.float32],
    source_camera: Camera,
    world_from_source: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return where points (H, W, 3) lie in a source frame, (H, W, 2), and whether it shows them,
    (H, W).

    A point is shown if it falls into the image and is not behind the deepest of the four depths
    around its place: on slopes seen at a grazing angle one pixel's depth is not its neighbour's.
    """
    xy, z = project_from_world(world_points, source_camera, world_from_source)
    shown = inside(xy, source_camera)
    shown &= z <= _around(xy, shown, source_depth).max(axis=0) * (1 + SLACK)
    return xy.astype(np.float32), shown


def was_there(
    world_points: NDArray[np.float64],
    old_depth: NDArray[np.float32],
    camera: Camera,
    world_from_cam: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return whether an older frame showed points (..., 3) where they are now, (...).

    As `covisible`, and the frame did not look through them: what has moved there since was not
    there yet.
    """
    xy, z = project_from_world(world_points, camera, world_from_cam)
    shown = inside(xy, camera)
    around = np.minimum(_around(xy, shown, old_depth), SKY_M / 10)  # along any ray of an image
    shown &= z <= np.where(around < SKY_M / 10, around, np.inf).max(axis=0) * (1 + SLACK)
    shown &= z >= around.min(axis=0) * (1 - SLACK)
    return shown


def _around(
    xy: NDArray[np.float64], shown: NDArray[np.bool_], depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (4, ...), the four depths around pixels (..., 2); those of a corner where not
    `shown`."""
    height, width = depth.shape
    left, top = np.floor(np.moveaxis(np.where(shown[..., None], xy, 0.0), -1, 0)).astype(np.intp)
    columns = [np.clip(left + step, 0, width - 1) for step in (0, 1)]
    rows = [np.clip(top + step, 0, height - 1) for step in (0, 1)]
    return np.stack([depth[row, column] for row in rows for column in columns])

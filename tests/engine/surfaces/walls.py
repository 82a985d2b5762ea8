"""A textured wall and what cameras see of it, ray by ray: a truth that needs no renderer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import rays, rigid

SIDE = 800  # pixels of the wall's picture
PIXELS_A_METRE = 40.0


def texture(seed: int, finest: float = 1.5) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) coloured noise of several sizes."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE, 3)), (0, 0), size) * size
        for size in (finest, 4 * finest, 16 * finest)
    ]
    total = sum(layers)
    return np.clip(128 + 60 * total / np.std(total), 0, 255).astype(np.uint8)


def sees_wall(
    camera: Camera, world_from_cam: NDArray[np.float64], wall: NDArray[np.uint8], x: float
) -> NDArray[np.uint8]:
    """(H, W, 3) of the wall at x metres ahead of the world's origin, centred on the x axis."""
    directions = rays(camera) @ world_from_cam[:3, :3].T
    along = (x - world_from_cam[0, 3]) / directions[..., 0]
    met = world_from_cam[:3, 3] + along[..., None] * directions
    columns = (SIDE / 2 - PIXELS_A_METRE * met[..., 1]).astype(np.float32)
    rows = (SIDE / 2 - PIXELS_A_METRE * met[..., 2]).astype(np.float32)
    return np.asarray(cv2.remap(wall, columns, rows, cv2.INTER_LINEAR), np.uint8)


def looking_ahead(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> NDArray[np.float64]:
    """world_from_cam of a camera at a place that looks along the world's x axis."""
    return rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], (x, y, z))


def frame_at(
    camera: Camera, pose: NDArray[np.float64], wall: NDArray[np.uint8], x: float, k: int = 0
) -> Frame:
    return Frame((k + 1) * 10**8, sees_wall(camera, pose, wall, x), camera, pose)

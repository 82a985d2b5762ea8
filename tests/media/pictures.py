"""Pictures that survive a lossy codec, and frames that carry them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import look_at

CAMERA = Camera(64, 48, 50.0, 51.0, 31.0, 24.5)
PERIOD_NS = 100_000_000


def ramp(k: int, camera: Camera = CAMERA) -> NDArray[np.uint8]:
    """(H, W, 3): brighter to the right in red, downwards in green, over time in blue."""
    rows, columns = np.mgrid[: camera.height, : camera.width]
    channels = 255 * columns / camera.width, 255 * rows / camera.height, np.full_like(rows, 9 * k)
    return np.stack(channels, axis=-1).astype(np.uint8)


def pose(k: int, side: float = 0.0) -> NDArray[np.float64]:
    """(4, 4) world_from_cam, on the way along y."""
    return look_at([side, 0.1 * k, 1.5], [10.0 + side, 0.1 * k, 1.0])


def frames(count: int, side: float = 0.0, camera: Camera = CAMERA) -> list[Frame]:
    """Frame k of a camera `side` metres off the first; stamps from 1 s on."""
    return [
        Frame(1_000_000_000 + k * PERIOD_NS, ramp(k, camera), camera, pose(k, side))
        for k in range(count)
    ]

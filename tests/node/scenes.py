"""Scenes that are a function of the ray, seen through any lens: the truth of rectification.

Lenses are undone here by OpenCV's solvers, which the code under test does not use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from anyview_ros.frames import Camera

Floats = NDArray[np.float64]
Scene = Callable[[Floats], Floats]

DISTORTIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "none": ("plumb_bob", ()),
    "plumb_bob": ("plumb_bob", (-0.32, 0.12, 0.0005, -0.0007, -0.02)),
    "rational_polynomial": (
        "rational_polynomial",
        (8.1, 4.2, 0.0002, -0.0003, 0.2, 8.4, 6.6, 1.1),
    ),
    "equidistant": ("equidistant", (0.02, -0.01, 0.003, -0.0008)),
}


def waves(rays: Floats) -> Floats:
    """(..., 3) colours in 0..255 of (..., 3) directions: smooth, and different everywhere."""
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    phases = np.stack([9 * x + 2 * y, 8 * y - 3 * x + 1, 6 * x + 7 * y + 2], axis=-1)
    return np.asarray(127.5 + 120 * np.sin(phases))


def camera_info(
    camera: Camera,
    lens: str,
    *,
    rectified: Camera | None = None,
    rectified_from_raw: Floats | None = None,
    window: tuple[int, int, int, int] = (0, 0, 0, 0),
    binning: int = 1,
) -> CameraInfo:
    """A calibration of the full image; window: x, y, width, height, zero for all of it."""
    model, d = DISTORTIONS[lens]
    info = CameraInfo(width=camera.width, height=camera.height, distortion_model=model)
    info.header.frame_id = "front_optical_frame"
    info.d = list(d)
    info.k = camera.matrix.ravel()
    info.r = (np.eye(3) if rectified_from_raw is None else rectified_from_raw).ravel()
    info.p = np.hstack([(rectified or camera).matrix, np.zeros((3, 1))]).ravel()
    x, y, width, height = window
    info.roi = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    info.binning_x = info.binning_y = binning
    return info


def raw_rays(info: CameraInfo, samples: int = 1) -> Floats:
    """Directions of the image that arrives, (H * samples, W * samples, 3), in the raw frame.

    A pixel has samples x samples rays, evenly in its area.
    """
    x0, y0 = info.roi.x_offset, info.roi.y_offset
    width, height = info.roi.width or info.width, info.roi.height or info.height
    binning = max(info.binning_x, 1)
    step = binning / samples
    u = x0 - 0.5 + (np.arange(width // binning * samples) + 0.5) * step
    v = y0 - 0.5 + (np.arange(height // binning * samples) + 0.5) * step
    pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 1, 2)
    k, d = np.array(info.k).reshape(3, 3), np.array([*info.d] or [0.0] * 4)
    if info.distortion_model == "equidistant":
        points = cv2.fisheye.undistortPoints(pixels, k, d)
    else:
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-10)
        if hasattr(cv2, "undistortPointsIter"):  # OpenCV 4
            points = cv2.undistortPointsIter(pixels, k, d, np.eye(3), np.eye(3), stop)
        else:
            points = cv2.undistortPoints(pixels, k, d, criteria=stop)
    flat = points.reshape(len(v), len(u), 2)
    return np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)


def seen_through(info: CameraInfo, scene: Scene, samples: int = 1) -> NDArray[np.uint8]:
    """(H, W, 3) the image that arrives of a scene around the raw camera."""
    return mean_of_blocks(scene(raw_rays(info, samples)), samples)


def seen_rectified(
    camera: Camera, rectified_from_raw: Floats, scene: Scene, samples: int = 1
) -> NDArray[np.uint8]:
    """(H, W, 3) what a pinhole camera that is turned so sees of the same scene."""
    fine = camera.resized(camera.width * samples, camera.height * samples)
    x = (np.arange(fine.width) - fine.cx) / fine.fx
    y = (np.arange(fine.height) - fine.cy) / fine.fy
    rays = np.stack([*np.meshgrid(x, y), np.ones((fine.height, fine.width))], axis=-1)
    return mean_of_blocks(scene(rays @ rectified_from_raw), samples)


def looked_up(image: NDArray[Any], info: CameraInfo, size: tuple[int, int], samples: int) -> Floats:
    """(h, w, C) the whole image rectified the slow way, for a window of all and no binning.

    Every pixel is the mean of samples x samples bilinear lookups, where OpenCV projects them.
    """
    return mean_of_lookups(image, projected(info, size, samples), samples)


def projected(info: CameraInfo, size: tuple[int, int], samples: int) -> Floats:
    """(h * samples, w * samples, 2) where OpenCV finds the rectified camera's pixels."""
    rows, columns = size[0] * samples, size[1] * samples
    u = (np.arange(columns) + 0.5) * info.width / columns - 0.5
    v = (np.arange(rows) + 0.5) * info.height / rows - 0.5
    grid = np.stack([*np.meshgrid(u, v), np.ones((rows, columns))], axis=-1).reshape(-1, 3)
    rays = grid @ np.linalg.inv(info.p.reshape(3, 4)[:, :3]).T @ info.r.reshape(3, 3)
    k, d = info.k.reshape(3, 3), np.array(info.d)
    if info.distortion_model == "equidistant":
        pixels = cv2.fisheye.distortPoints((rays[:, :2] / rays[:, 2:]).reshape(-1, 1, 2), k, d)
    else:
        pixels, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), k, d)
    return np.asarray(pixels.reshape(rows, columns, 2))


def mean_of_lookups(image: NDArray[Any], points: Floats, samples: int) -> Floats:
    """(h, w, C) of (H, W, C) and (h * samples, w * samples, 2) pixels x, y."""
    found = bilinear(image.astype(float), points[..., 0], points[..., 1])
    shape = len(points) // samples, samples, points.shape[1] // samples, samples, -1
    return np.asarray(found.reshape(shape).mean(axis=(1, 3)))


def bilinear(image: Floats, x: Floats, y: Floats) -> Floats:
    """(..., C) at pixels x, y; the border's pixels go on outside."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    columns = [np.clip(x0 + i, 0, image.shape[1] - 1) for i in (0, 1)]
    rows = [np.clip(y0 + i, 0, image.shape[0] - 1) for i in (0, 1)]
    above = image[rows[0], columns[0]] * (1 - fx) + image[rows[0], columns[1]] * fx
    below = image[rows[1], columns[0]] * (1 - fx) + image[rows[1], columns[1]] * fx
    return np.asarray(above * (1 - fy) + below * fy)


def mean_of_blocks(image: Floats, side: int) -> NDArray[np.uint8]:
    height, width = image.shape[0] // side, image.shape[1] // side
    blocks = image.reshape(height, side, width, side, -1).mean(axis=(1, 3))
    return np.rint(np.clip(blocks, 0, 255)).astype(np.uint8)


def psnr(image: NDArray[Any], truth: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Decibels; `where`: (H, W) pixels that count."""
    error = (image.astype(float) - truth)[
        np.ones(image.shape[:2], bool) if where is None else where
    ]
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)))

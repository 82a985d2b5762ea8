"""Lenses: where a ray of the rectified camera falls in the image that arrives.

The models are those of sensor_msgs/CameraInfo, with the formulas of OpenCV's calib3d and fisheye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera

Floats = NDArray[np.float64]
Rows = tuple[tuple[float, ...], ...]

# How many coefficients a model may have: image_geometry gives D to OpenCV under either of the first
# two names, and OpenCV goes by their number. 12 and 14 add thin prisms and a tilted sensor.
OPENCV_COUNTS = (4, 5, 8, 12, 14)
COEFFICIENTS = {
    "plumb_bob": OPENCV_COUNTS,
    "rational_polynomial": OPENCV_COUNTS,
    "equidistant": (4,),
}
FOLD_SAMPLES = 4096


@dataclass(frozen=True)
class RectifiedCamera:
    """A pinhole camera, and where its optical centre is in the frame that its header names.

    Args:
        camera: intrinsics of the image as it arrives: region of interest and binning applied.
        frame_from_cam: (4, 4) float64; identity unless the camera info has a rectifying rotation
            R or a shift in P (the right camera of a stereo pair).
    """

    camera: Camera
    frame_from_cam: NDArray[np.float64]


@dataclass(frozen=True)
class Lens:
    """A calibration as values that can be compared and hashed.

    Args:
        model: a key of COEFFICIENTS, or "" without distortion.
        coefficients: in the order of camera info's D.
        raw: camera of the image that arrives, but for its distortion; K after region of interest
            and binning.
        camera: the rectified camera, of the same size.
        rectified_from_raw: rows of the (3, 3) rotation R.
        frame_from_cam: rows of the (4, 4) pose of the rectified camera in the header's frame.
    """

    model: str
    coefficients: tuple[float, ...]
    raw: Camera
    camera: Camera
    rectified_from_raw: Rows
    frame_from_cam: Rows

    @property
    def rectified(self) -> RectifiedCamera:
        return RectifiedCamera(self.camera, np.array(self.frame_from_cam, np.float64))

    @property
    def is_pinhole(self) -> bool:
        """Whether the image that arrives is rectified already."""
        turned = self.rectified_from_raw != ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        return not self.model and not turned and self.raw == self.camera

    def source_pixels(self, grid: Camera) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Where the pixels of a camera are to be found in the image that arrives.

        Args:
            grid: the rectified camera at any size.

        Returns:
            (H, W) x, (H, W) y in pixels of the image that arrives, clipped to it, and (H, W)
            whether the lens sees the ray at all and inside of the image.
        """
        x = (np.arange(grid.width) - grid.cx) / grid.fx
        y = (np.arange(grid.height) - grid.cy) / grid.fy
        rays = np.stack([*np.meshgrid(x, y), np.ones((grid.height, grid.width))], axis=-1)
        bent, seen = bend(self.model, self.coefficients, rays @ np.array(self.rectified_from_raw))
        u = bent[..., 0] * self.raw.fx + self.raw.cx
        v = bent[..., 1] * self.raw.fy + self.raw.cy
        inside = (np.abs(u - (self.raw.width - 1) / 2) <= self.raw.width / 2) & (
            np.abs(v - (self.raw.height - 1) / 2) <= self.raw.height / 2
        )
        seen = seen & inside  # false for what is not a number
        return _clipped(u, self.raw.width), _clipped(v, self.raw.height), seen


def _clipped(values: Floats, side: int) -> Floats:
    return np.clip(np.nan_to_num(values), -0.5, side - 0.5)


def bend(
    model: str, coefficients: tuple[float, ...], rays: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Where rays fall on the image plane at distance 1.

    A polynomial is a lens only as far as it grows; beyond, it folds the image back onto itself,
    and image_proc shows things twice there. Rays beyond count as not seen.

    Args:
        model: a key of COEFFICIENTS, or "" for a pinhole.
        rays: (..., 3) directions in the optical frame, of any length.

    Returns:
        (..., 2) float64 x, y and (...) whether the lens sees the ray.
    """
    side = np.hypot(rays[..., 0], rays[..., 1])
    angle = np.arctan2(side, rays[..., 2])  # off the axis
    with np.errstate(all="ignore"):  # rays behind the lens give nonsense, and are marked so
        if model == "equidistant":
            scale = np.where(side > 0, _fisheye(coefficients, angle) / side, 1 / rays[..., 2])
            limit = fold(partial(_fisheye, coefficients), angle)
            ahead = (side > 0) | (rays[..., 2] > 0)
            return rays[..., :2] * scale[..., None], (angle < limit) & ahead
        flat, in_front = rays[..., :2] / rays[..., 2:], angle < np.pi / 2
        if not model:
            return flat, in_front
        padded = np.pad(np.array(coefficients), (0, 14 - len(coefficients)))
        limit = fold(partial(_radius, padded), angle[in_front])
        return _brown(padded, flat), in_front & (angle < limit)


def fold(curve: Callable[[Floats], Floats], angles: Floats) -> float:
    """The angle at which a function of the angle stops growing; infinity if beyond `angles`."""
    furthest = float(angles.max(initial=0.0))
    tried = np.linspace(0.0, furthest, FOLD_SAMPLES)
    shrinks = ~(np.diff(curve(tried)) > 0)  # not finite counts as shrinking
    return float(tried[np.argmax(shrinks)]) if furthest > 0 and shrinks.any() else np.inf


def _fisheye(k: tuple[float, ...], angle: Floats) -> Floats:
    square = angle * angle
    return angle * (1 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3]))))


def _radial(d: Floats, r2: Floats) -> Floats:
    above = 1 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))
    return np.asarray(above / (1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7]))))


def _radius(d: Floats, angle: Floats) -> Floats:
    radius = np.tan(angle)
    return radius * _radial(d, radius * radius)


def _brown(d: Floats, flat: Floats) -> Floats:
    """Radial, tangential, thin prism and tilt; d: (14,) k1 k2 p1 p2 k3..k6 s1..s4 tx ty."""
    x, y = flat[..., 0], flat[..., 1]
    r2 = x * x + y * y
    scale = _radial(d, r2)
    bent_x = x * scale + 2 * d[2] * x * y + d[3] * (r2 + 2 * x * x) + r2 * (d[8] + r2 * d[9])
    bent_y = y * scale + d[2] * (r2 + 2 * y * y) + 2 * d[3] * x * y + r2 * (d[10] + r2 * d[11])
    tilted = np.stack([bent_x, bent_y, np.ones_like(x)], axis=-1) @ _tilt(d[12], d[13]).T
    return np.asarray(tilted[..., :2] / tilted[..., 2:])


def _tilt(around_x: float, around_y: float) -> Floats:
    """(3, 3) homography onto a sensor that is turned around x, then y (Scheimpflug)."""
    (sx, sy), (cx, cy) = np.sin([around_x, around_y]), np.cos([around_x, around_y])
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
    onto_plane = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    return np.asarray(onto_plane @ turn)

"""Real pictures with a true second view: what one camera saw, and what another one saw there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Frame
from anyview_ros.media.stereo_pair import StereoPair


@dataclass(frozen=True)
class RealView:
    """A camera's frames, and the frame that another camera truly saw of the same still scene.

    Args:
        source: T frames in time order, or one.
        truth: the other camera's. Poses of both are in any one fixed frame.
        depth: (H, W) float32 metres along the other camera's axis, nan where it is not known.
    """

    source: tuple[Frame, ...]
    truth: Frame
    depth: NDArray[np.float32]


def left_of(pair: StereoPair, depth: NDArray[np.float32]) -> RealView:
    """Return the left eye's view, whose depth (H, W) is known, beside the right eye's picture."""
    right = Frame(0, pair.right, pair.right_camera, pair.left_from_right)
    return RealView((right,), Frame(0, pair.left, pair.left_camera, np.eye(4)), depth)


def depth_of_disparity(
    disparity: NDArray[np.float32], left: Camera, right: Camera, baseline_m: float
) -> NDArray[np.float32]:
    """Return (H, W) metres, nan where the disparity (left minus right column) is not positive."""
    pixels = disparity + np.float32(right.cx - left.cx)
    known = np.isfinite(disparity) & (disparity > 0)
    return np.where(known, left.fx * baseline_m / np.where(known, pixels, 1), np.nan).astype(
        np.float32
    )


def depth_of_points(points: NDArray[np.float64], camera: Camera) -> NDArray[np.float32]:
    """Return (H, W) depth of the nearest of points (N, 3) in each pixel; inf where there is none.

    Pixels between points have the nearest of their eight neighbours' depths: points lie as close
    as pixels, or a little less so.

    Args:
        points: in the camera's optical frame; those behind it do not count.
    """
    x, y, z = points[points[:, 2] > 0].T
    columns = np.rint(camera.fx * x / z + camera.cx).astype(np.intp)
    rows = np.rint(camera.fy * y / z + camera.cy).astype(np.intp)
    inside = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height)
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    np.minimum.at(depth, (rows[inside], columns[inside]), z[inside].astype(np.float32))
    around = cv2.erode(depth, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.where(np.isinf(depth), around, depth)

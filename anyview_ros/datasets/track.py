"""A camera over a clip, and what makes matrices on disk a camera that was somewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera

SKEW_TOLERANCE = 1e-5
RIGID_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Track:
    """A camera over a clip.

    Args:
        camera: native size, and the intrinsics of the first frame, which serve the whole clip.
        world_from_cam: (T, 4, 4) float64; x right, y down, z forward as K has it.
    """

    camera: Camera
    world_from_cam: NDArray[np.float64]


def camera_of(matrix: NDArray[np.float64], size: tuple[int, int], where: str) -> Camera:
    """A camera from K (3, 3) and its size (H, W).

    Raises:
        AnyviewError: `skewed_camera`, `invalid_camera`.
    """
    if abs(matrix[0, 1]) > SKEW_TOLERANCE:
        raise AnyviewError(
            "skewed_camera",
            f"{where}: cameras with skew are not supported, K[0][1] must be 0, "
            f"got {matrix[0, 1]:g}; rectify the images",
        )
    height, width = size
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    try:
        return Camera(width, height, fx, fy, cx, cy)
    except AnyviewError as error:
        raise AnyviewError(error.code, f"{where}: {error}") from None


def check_rigid(poses: NDArray[np.float64], where: str) -> None:
    """Raises AnyviewError `invalid_pose` unless every (4, 4) turns and moves, and nothing else."""
    rotation = poses[:, :3, :3]
    turned = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max(axis=(1, 2))
    bottom = np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1)
    # Written so that nan is refused.
    rigid = (turned <= RIGID_TOLERANCE) & (bottom <= RIGID_TOLERANCE)
    rigid &= np.isfinite(poses).all(axis=(1, 2))
    rigid[rigid] = np.linalg.det(rotation[rigid]) > 0
    if not rigid.all():
        first = int(np.argmin(rigid))
        raise AnyviewError(
            "invalid_pose",
            f"{where}: extrinsics must be rigid (a rotation and a translation), frame {first} is "
            f"{poses[first].round(4).tolist()}; scale and shear belong into the points",
        )

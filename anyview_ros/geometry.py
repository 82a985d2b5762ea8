"""Rigid transforms, quaternions and rays. `b_from_a` maps points of frame a into frame b."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d.quaternions import mat2quat, quat2mat

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera

QUATERNION_TOLERANCE = 1e-3

# Axes of the optical frame (x right, y down, z forward) in a body frame (x forward, y left, z up).
BODY_FROM_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)

SKYWARD = math.radians(60)  # few cameras look up so far
OPTICAL = ("_optical", "_optical_frame")  # REP 103's suffix, and the usual one


def rigid(rotation: ArrayLike, translation: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) transform from a (3, 3) rotation and a (3,) translation."""
    b_from_a = np.eye(4)
    b_from_a[:3, :3] = rotation
    b_from_a[:3, 3] = translation
    return b_from_a


def optical_doubt(frame_id: str, world_from_cam: NDArray[np.float64]) -> str:
    """Return a question about a frame that may not be optical; empty where nothing speaks for it.

    In a body frame the camera's axis z, along which it looks, is up.

    Args:
        frame_id: of the images.
        world_from_cam: (4, 4), in a world whose z is up.
    """
    elevation = math.asin(np.clip(world_from_cam[2, 2], -1, 1))
    if elevation < SKYWARD or frame_id.endswith(OPTICAL):
        return ""
    return (
        f"by TF it looks up, {math.degrees(elevation):.0f} degrees above the horizon; is "
        f"'{frame_id}' its optical frame (REP 103: x right, y down, z ahead)?"
    )


def inverse(b_from_a: NDArray[np.float64]) -> NDArray[np.float64]:
    """a_from_b of (..., 4, 4) rigid transforms, by transposing the rotation."""
    rotation = np.swapaxes(b_from_a[..., :3, :3], -1, -2)
    a_from_b = np.zeros_like(b_from_a)
    a_from_b[..., :3, :3] = rotation
    a_from_b[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation, b_from_a[..., :3, 3])
    a_from_b[..., 3, 3] = 1.0
    return a_from_b


def transform_from_pose(translation: ArrayLike, quaternion_xyzw: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) from a position and a ROS quaternion (x, y, z, w).

    Raises:
        AnyviewError: `invalid_pose` when a value is not finite or the quaternion's norm is more
            than 1e-3 from 1 (an unset quaternion is all zero).
    """
    position = np.asarray(translation, np.float64)
    quaternion = np.asarray(quaternion_xyzw, np.float64)
    if not (np.isfinite(position).all() and np.isfinite(quaternion).all()):
        raise AnyviewError(
            "invalid_pose",
            f"pose must be finite, got position {position.tolist()}, "
            f"orientation {quaternion.tolist()}",
        )
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1.0) > QUATERNION_TOLERANCE:
        raise AnyviewError(
            "invalid_pose",
            f"orientation must be a unit quaternion (x, y, z, w), got {quaternion.tolist()} "
            f"with norm {norm:.6g}; set w = 1 for no rotation",
        )
    x, y, z, w = quaternion / norm  # transforms3d orders them w, x, y, z
    return rigid(quat2mat([w, x, y, z]), position)


def quaternion_xyzw(b_from_a: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """ROS quaternion (x, y, z, w) of a rigid transform."""
    w, x, y, z = mat2quat(b_from_a[:3, :3])
    return float(x), float(y), float(z), float(w)


def slerp(
    before: NDArray[np.float64], after: NDArray[np.float64], fraction: float
) -> NDArray[np.float64]:
    """Rigid transform between two (4, 4): translation linear, rotation on the shorter arc."""
    q = slerp_wxyz(mat2quat(before[:3, :3]), mat2quat(after[:3, :3]), fraction)
    return rigid(quat2mat(q), (1 - fraction) * before[:3, 3] + fraction * after[:3, 3])


def slerp_wxyz(
    q0: NDArray[np.float64], q1: NDArray[np.float64], fraction: float
) -> NDArray[np.float64]:
    """Return the unit quaternion (4,), w first, between two of them, on the shorter arc."""
    cosine = float(q0 @ q1)
    if cosine < 0:
        q1, cosine = -q1, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        q = (1 - fraction) * q0 + fraction * q1
    else:
        q = (np.sin((1 - fraction) * angle) * q0 + np.sin(fraction * angle) * q1) / np.sin(angle)
    return np.asarray(q / np.linalg.norm(q))


def look_at(
    position: ArrayLike, point: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)
) -> NDArray[np.float64]:
    """world_from_cam of an optical frame at `position` that looks at `point`, image up = `up`."""
    origin = np.asarray(position, np.float64)
    forward = np.asarray(point, np.float64) - origin
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(up, np.float64))
    right = right / np.linalg.norm(right)
    return rigid(np.stack([right, np.cross(forward, right), forward], axis=1), origin)


def rays(camera: Camera) -> NDArray[np.float64]:
    """(H, W, 3) float64, unit directions through the pixel centres, in the optical frame."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    direction = np.empty((camera.height, camera.width, 3))
    direction[..., 0] = x
    direction[..., 1] = y[:, None]
    direction[..., 2] = 1.0
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return direction


def project(points: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """Return pixels (..., 2) of points (..., 3) in the optical frame; nan for those not ahead."""
    x, y, z = np.moveaxis(points, -1, 0)
    ahead = np.where(z > 0, z, np.nan)
    pixels = [camera.fx * x / ahead + camera.cx, camera.fy * y / ahead + camera.cy]
    return np.stack(pixels, axis=-1)


def inside(pixels: NDArray[np.floating], camera: Camera) -> NDArray[np.bool_]:
    """Return whether pixels (..., 2) lie in the image, whose borders are half a pixel out."""
    x, y = pixels[..., 0], pixels[..., 1]
    found: NDArray[np.bool_] = (
        (x >= -0.5) & (x <= camera.width - 0.5) & (y >= -0.5) & (y <= camera.height - 0.5)
    )
    return found


def frustum_sides(camera: Camera) -> NDArray[np.float64]:
    """Return (4, 3) inward normals in the optical frame: left, right, top, bottom.

    A point ahead of the camera lies on the inner side of all of them where `inside` holds.
    """
    left, top = (-0.5 - camera.cx) / camera.fx, (-0.5 - camera.cy) / camera.fy
    right = (camera.width - 0.5 - camera.cx) / camera.fx
    bottom = (camera.height - 0.5 - camera.cy) / camera.fy
    return np.array([[1, 0, -left], [-1, 0, right], [0, 1, -top], [0, -1, bottom]])


def plucker(camera: Camera, anchor_from_cam: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plücker coordinates of every pixel's ray, AnyView (arXiv 2601.16982) section 3.

    Args:
        camera: intrinsics.
        anchor_from_cam: (T, 4, 4) poses in the anchor frame.

    Returns:
        (T, H, W, 6) float64: unit direction d, then moment o x d, in the anchor frame.
    """
    direction = np.einsum("tij,hwj->thwi", anchor_from_cam[:, :3, :3], rays(camera))
    origin = anchor_from_cam[:, None, None, :3, 3]
    return np.concatenate([direction, np.cross(origin, direction)], axis=-1)


# Footage without poses: a camera that looks ahead at eye height over the ground of the fixed frame.
STANDING_CAMERA = rigid(BODY_FROM_OPTICAL[:3, :3], (0.0, 0.0, 1.6))

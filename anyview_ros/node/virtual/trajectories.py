"""Makers of trajectories: functions of the share of the way, and their way into a message."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import ArrayLike, NDArray

from anyview_ros.clips.placements import MAX_POSES, FramePose
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import look_at, rigid, slerp
from anyview_ros.node.messages import pose_message, time_message

POSE_PERIOD_S = 0.1

Path = Callable[[float], NDArray[np.float64]]
"""From the share of the way, 0 to 1, to the (4, 4) pose of the optical frame in its frame."""


def orbit(
    point: ArrayLike, radius: float, height: float, turns: float = 1.0, start: float = 0.0
) -> Path:
    """Return a path around a point at a constant height, looking at it; z of the frame is up.

    Args:
        point: (3,) metres.
        radius: metres, horizontally from the point.
        height: metres above the point.
        turns: how often around, counter-clockwise seen from above; negative: clockwise.
        start: radians from the frame's x axis.

    Raises:
        AnyviewError: `invalid_trajectory` when the radius is not positive: looking straight down
            has no image up.
    """
    if not radius > 0:
        raise AnyviewError("invalid_trajectory", f"an orbit needs a radius above 0, got {radius}")
    centre = np.asarray(point, np.float64)

    def path(share: float) -> NDArray[np.float64]:
        angle = start + 2 * math.pi * turns * share
        arm = (radius * math.cos(angle), radius * math.sin(angle), height)
        return look_at(centre + arm, centre)

    return path


def dolly(start: NDArray[np.float64], move: ArrayLike, point: ArrayLike | None = None) -> Path:
    """Return a path along a line.

    Args:
        start: (4, 4) pose at the beginning.
        move: (3,) metres from there to the end, in the camera's own axes: z is ahead.
        point: (3,) in the frame, that the camera keeps looking at (z of the frame is up); None: it
            keeps its direction.
    """
    step = start[:3, :3] @ np.asarray(move, np.float64)

    def path(share: float) -> NDArray[np.float64]:
        position = start[:3, 3] + share * step
        return rigid(start[:3, :3], position) if point is None else look_at(position, point)

    return path


def between(*poses: NDArray[np.float64]) -> Path:
    """Return a path through poses (4, 4), linear and slerp, each stretch in the same time.

    Raises:
        AnyviewError: `invalid_trajectory` for fewer than two poses.
    """
    if len(poses) < 2:
        raise AnyviewError("invalid_trajectory", f"a way needs 2 poses at least, got {len(poses)}")

    def path(share: float) -> NDArray[np.float64]:
        stretch = min(int(share * (len(poses) - 1)), len(poses) - 2)
        return slerp(poses[stretch], poses[stretch + 1], share * (len(poses) - 1) - stretch)

    return path


def pose_messages(
    path: Path, start_ns: int, duration_s: float, frame: str = "", period_s: float = POSE_PERIOD_S
) -> list[PoseStamped]:
    """Return the path at equal steps of time, for `VirtualCamera.trajectory`.

    Args:
        start_ns: stamp of the first pose, on the cameras' clock.
        frame: of the poses; empty: the camera's parent_frame.
        period_s: between two poses at most; between them the camera is interpolated.

    Raises:
        AnyviewError: `invalid_trajectory` when the poses are more than a trajectory may have.
    """
    finite = 0 < duration_s < math.inf and period_s > 0
    steps = math.ceil(duration_s / period_s) if finite else 0
    if not 1 <= steps < MAX_POSES:
        raise AnyviewError(
            "invalid_trajectory",
            f"a trajectory has 2 to {MAX_POSES} poses, got {duration_s} s at {period_s} s",
        )
    shares: Sequence[float] = [k / steps for k in range(steps + 1)]
    return [
        _stamped(FramePose(frame, path(share)), start_ns + round(share * duration_s * 1e9))
        for share in shares
    ]


def _stamped(pose: FramePose, stamp_ns: int) -> PoseStamped:
    message = PoseStamped(pose=pose_message(pose.frame_from_cam))
    message.header.frame_id = pose.frame
    message.header.stamp = time_message(stamp_ns)
    return message

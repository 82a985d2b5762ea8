"""Where a virtual camera is to be, from the fields of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.placements import MAX_POSES, FramePose, Standing, Trajectory
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import transform_from_pose
from anyview_ros.imaging.message_fields import seconds, stamp_ns


def requested_placement(message: Any) -> Standing | Trajectory:
    """Check where a virtual camera is to be.

    Raises:
        AnyviewError: `invalid_pose`, `invalid_trajectory`.
    """
    if message.trajectory:
        return _trajectory(message)
    return Standing(FramePose(message.parent_frame, _transform(message.pose)))


def stamped_pose(message: Any, parent_frame: str) -> FramePose:
    """Check one pose; without a frame_id it is in the parent frame.

    Raises:
        AnyviewError: `invalid_pose`.
    """
    return FramePose(message.header.frame_id or parent_frame, _transform(message.pose))


def _trajectory(message: Any) -> Trajectory:
    if _is_set(message.pose):
        raise _invalid("pose and trajectory exclude each other; leave pose at its default")
    if not 2 <= len(message.trajectory) <= MAX_POSES:
        raise _invalid(f"2 to {MAX_POSES} poses are needed, got {len(message.trajectory)}")
    stamps = [stamp_ns(pose.header.stamp) for pose in message.trajectory]
    _check_increasing(stamps)
    poses = []
    for k, pose in enumerate(message.trajectory):
        try:
            poses.append(stamped_pose(pose, message.parent_frame))
        except AnyviewError as error:
            raise AnyviewError(error.code, f"trajectory[{k}]: {error.message}") from None
    return Trajectory(tuple(stamps), tuple(poses))


def _check_increasing(stamps: Sequence[int]) -> None:
    before = 0
    for k, stamp in enumerate(stamps):
        if stamp <= before:
            raise _invalid(
                f"stamps must be above 0 and increase, got {seconds(stamp)} at trajectory[{k}] "
                f"after {seconds(before)}"
            )
        before = stamp


def _is_set(pose: Any) -> bool:
    p, q = pose.position, pose.orientation
    if any((p.x, p.y, p.z, q.x, q.y, q.z)):
        return True
    return q.w not in (0.0, 1.0)  # 0 from clients that zero what they leave out


def _transform(pose: Any) -> NDArray[np.float64]:
    p, q = pose.position, pose.orientation
    return transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def _invalid(text: str) -> AnyviewError:
    return AnyviewError("invalid_trajectory", f"a trajectory is poses at times: {text}")

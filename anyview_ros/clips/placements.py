"""Where a virtual camera is, over time: it stands, follows a trajectory, or is steered by hand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import slerp
from anyview_ros.imaging.message_fields import JUMP_NS, seconds

MAX_POSES = 10_000  # of a trajectory: 15 minutes at 10 Hz
HISTORY_NS = 130_000_000_000  # of a steered camera: longer than any frame buffer
HISTORY_STEP_NS = 10_000_000  # what is steered faster is thinned

WorldFrom = Callable[[str, int], NDArray[np.float64]]


@dataclass(frozen=True)
class FramePose:
    """A pose of the optical frame in a TF frame, which may move and carry it.

    Args:
        frame: empty = the fixed frame.
        frame_from_cam: (4, 4).
    """

    frame: str
    frame_from_cam: NDArray[np.float64]

    def world_from_cam(self, world_from: WorldFrom, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose in the fixed frame, given where the frame is at that time."""
        return world_from(self.frame, stamp_ns) @ self.frame_from_cam


class Placement(Protocol):
    """Where a camera is. Immutable: a request keeps the one that it began with."""

    @property
    def frames(self) -> tuple[str, ...]:
        """Return the TF frames that it needs; empty = the fixed frame."""
        ...

    def world_from_cam(self, world_from: WorldFrom, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose of the optical frame.

        Args:
            world_from: (4, 4) pose of a frame at a time; its errors are passed on.

        Raises:
            AnyviewError: `outside_trajectory`.
        """
        ...


@dataclass(frozen=True)
class Standing:
    """One pose for all times."""

    pose: FramePose

    @property
    def frames(self) -> tuple[str, ...]:
        return (self.pose.frame,)

    def world_from_cam(self, world_from: WorldFrom, stamp_ns: int) -> NDArray[np.float64]:
        return self.pose.world_from_cam(world_from, stamp_ns)


@dataclass(frozen=True)
class Trajectory:
    """Poses at times, interpolated between, never extrapolated.

    Two neighbours are brought to the fixed frame by where their frames are at that time,
    and mixed there: in one frame that is the same as mixing in it, whatever its motion.

    Args:
        stamps_ns: two or more, increasing.
        poses: one for each stamp.
    """

    stamps_ns: tuple[int, ...]
    poses: tuple[FramePose, ...]

    @property
    def frames(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pose.frame for pose in self.poses))

    def world_from_cam(self, world_from: WorldFrom, stamp_ns: int) -> NDArray[np.float64]:
        first, last = self.stamps_ns[0], self.stamps_ns[-1]
        if not first <= stamp_ns <= last:
            raise AnyviewError(
                "outside_trajectory",
                f"need a pose at {seconds(stamp_ns)}, the trajectory goes from {seconds(first)} to "
                f"{seconds(last)} and is not extrapolated; ask for a time within, or update the "
                "camera with poses that reach further",
            )
        i = bisect_right(self.stamps_ns, stamp_ns) - 1
        before = self.poses[i].world_from_cam(world_from, stamp_ns)
        if stamp_ns == self.stamps_ns[i]:
            return before
        after = self.poses[i + 1].world_from_cam(world_from, stamp_ns)
        fraction = (stamp_ns - self.stamps_ns[i]) / (self.stamps_ns[i + 1] - self.stamps_ns[i])
        return slerp(before, after, fraction)


@dataclass(frozen=True)
class Steered:
    """Poses that steer: each holds until the next one, the newest from then on.

    They are not interpolated: a pose that comes after a minute moves the camera then, not
    all the minute long, and the pose of a stamp does not change after it was used.

    Args:
        stamps_ns: increasing; the first pose holds before them too.
        poses: one for each stamp.
    """

    stamps_ns: tuple[int, ...]
    poses: tuple[FramePose, ...]

    @property
    def frames(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pose.frame for pose in self.poses))

    @property
    def newest(self) -> FramePose:
        return self.poses[-1]

    def world_from_cam(self, world_from: WorldFrom, stamp_ns: int) -> NDArray[np.float64]:
        i = bisect_right(self.stamps_ns, stamp_ns) - 1
        return self.poses[max(i, 0)].world_from_cam(world_from, stamp_ns)

    def with_pose(self, stamp_ns: int, pose: FramePose) -> Steered:
        """Return it with one more pose, which holds from a time on.

        A stamp that jumps back begins a new history, from the newest pose.

        Raises:
            AnyviewError: `late_pose` when its stamp is not after the newest one's, and no jump.
        """
        newest = self.stamps_ns[-1]
        if stamp_ns < newest - JUMP_NS:
            return Steered((0, stamp_ns), (self.newest, pose))
        if stamp_ns < newest:
            raise AnyviewError(
                "late_pose",
                f"a pose of {seconds(stamp_ns)} came after that of {seconds(newest)}; send poses "
                "in order of their stamps, or with stamp 0: from now on",
            )
        crowded = len(self.stamps_ns) > 1 and stamp_ns - self.stamps_ns[-2] <= HISTORY_STEP_NS
        begin = max(0, bisect_right(self.stamps_ns, stamp_ns - HISTORY_NS) - 1)
        end = len(self.stamps_ns) - (stamp_ns == newest or crowded)
        return Steered((*self.stamps_ns[begin:end], stamp_ns), (*self.poses[begin:end], pose))

    def hold_newest(self) -> Steered:
        """Return the newest pose for all times, to be used after a clock jump."""
        return Steered((0,), (self.newest,))

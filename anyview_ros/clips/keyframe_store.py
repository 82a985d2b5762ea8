"""What one camera saw before: single frames that outlive the frame buffer.

Everything follows from the stamps and poses of the frames, nothing from when they came or when
they are requested: what a clip of some time may use is the same however late it is made.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Frame

SPACING_NS = 500_000_000  # one keyframe in each half second of stamps
AROUND_NS = 200_000_000  # and small frames more often: they give the distance of what it shows
REACH_NS = 500_000_000  # from a keyframe to the small frames around it
LEAST_AGE_NS = 500_000_000  # before a clip's first frame: younger ones show what the clip does
MARGIN_NS = 1_000_000_000  # by which a clip may begin before the buffer, which moves on meanwhile
SAME_PLACE_M, SAME_ANGLE = 0.02, 0.01  # metres and radians within which a camera stands
JUMP_ANGLE = np.radians(30)  # of what its motion does not explain
MOTION_NS = 500_000_000  # frames farther apart do not show how the camera moves

_stamp_of = attrgetter("stamp_ns")


@dataclass(frozen=True)
class MemoryLimits:
    """How much of the past is remembered.

    Args:
        max_age_ns: of a keyframe, before the first frame of a clip.
        max_bytes: of the keyframes that a clip may choose from.
        jump_m: how far from where its motion would have brought it a camera may be; if it is
            farther away the fixed frame jumped.
        small: makes a frame of the size that the network reads, for those around keyframes.
    """

    max_age_ns: int
    max_bytes: int
    jump_m: float
    small: Callable[[Frame], Frame] = lambda frame: frame


NO_MEMORY = MemoryLimits(0, 0, 0.0)


class KeyframeStore:
    """Keyframes of one camera in order of their stamps. Not thread-safe: the buffer has the lock.

    A keyframe is the first frame in each half second of stamps; while the camera stands, the
    newest takes the place of the one before. Where the fixed frame jumps, as by a loop closure, a
    new epoch begins: no clip after it uses keyframes from before.
    """

    def __init__(self, limits: MemoryLimits) -> None:
        self._limits = limits
        self._frames: list[Frame] = []
        self._around: list[Frame] = []
        self._places: list[int] = []  # where the camera stood at each, counted
        self._anchor: Frame | None = None  # the first keyframe at the last place
        self._motion = Motion(limits.jump_m)
        self._jumps: list[int] = []  # stamps of the first frame after each
        self.dropped_early = 0  # keyframes that left for their bytes, before their age

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self) -> tuple[Frame, ...]:
        """Return all keyframes, oldest first."""
        return tuple(self._frames)

    def add(self, frame: Frame) -> str:
        """Consider a frame; return how far the fixed frame jumped with it, in words, or nothing."""
        before_ns = self._motion.newest_ns
        if not self._limits.max_age_ns or frame.stamp_ns <= before_ns:  # one that came late
            return ""
        jump = self._motion.follow(frame)
        if jump:
            self._jumps.append(frame.stamp_ns)
            self._anchor = None
        if frame.stamp_ns // AROUND_NS > before_ns // AROUND_NS:
            self._around.append(self._limits.small(frame))
        if frame.stamp_ns // SPACING_NS > before_ns // SPACING_NS:
            moved = self._anchor is None or not _is_same_place(self._anchor, frame)
            self._anchor = frame if moved else self._anchor
            self._places.append((self._places[-1] if self._places else 0) + moved)
            self._frames.append(frame)
        return jump

    def holds(self, frame: Frame) -> bool:
        """Return whether this very frame is a keyframe."""
        k = bisect_left(self._frames, frame.stamp_ns, key=_stamp_of)
        return k < len(self._frames) and self._frames[k] is frame

    def around(self, frame: Frame) -> tuple[Frame, ...]:
        """Return small frames from about the time of a keyframe, without itself, oldest first.

        All of one size.
        """
        begin_ns, end_ns = frame.stamp_ns - REACH_NS, frame.stamp_ns + REACH_NS
        k = bisect_right(self._jumps, frame.stamp_ns)
        if k:
            begin_ns = max(begin_ns, self._jumps[k - 1])
        if k < len(self._jumps):
            end_ns = min(end_ns, self._jumps[k] - 1)
        begin = bisect_left(self._around, begin_ns, key=_stamp_of)
        end = bisect_right(self._around, end_ns, key=_stamp_of)
        found = [f for f in self._around[begin:end] if f.stamp_ns != frame.stamp_ns]
        if len({f.image.shape for f in found}) > 1:  # the camera's images changed their shape
            shape = self._limits.small(frame).image.shape
            found = [f for f in found if f.image.shape == shape]
        return tuple(found)

    def usable(self, first_ns: int, last_ns: int) -> list[Frame]:
        """Return the keyframes that a clip may use, oldest first.

        Args:
            first_ns, last_ns: stamps of the clip's first and last frame.
        """
        remembered = self._remembered(first_ns, last_ns)
        return [self._frames[k] for k in self._within_bytes(remembered)]

    def usable_after(self, last_ns: int) -> list[Frame]:
        """Return the keyframes of the time after a clip that are known already, oldest first.

        As many and as far away as those before it: the first of each place, up to the next jump.

        Args:
            last_ns: stamp of the clip's last frame.
        """
        begin = bisect_left(self._frames, last_ns + LEAST_AGE_NS, key=_stamp_of)
        until_ns = last_ns + self._limits.max_age_ns
        k = bisect_right(self._jumps, last_ns)
        if k < len(self._jumps):
            until_ns = min(until_ns, self._jumps[k] - 1)
        end = bisect_right(self._frames, until_ns, key=_stamp_of)
        places = self._places
        numbers = [k for k in range(begin, end) if k == begin or places[k] != places[k - 1]]
        sizes = itertools.accumulate(self._frames[k].image.nbytes for k in numbers)
        count = sum(size <= self._limits.max_bytes for size in sizes)
        return [self._frames[k] for k in numbers[:count]]

    def drop_unusable(self, oldest_ns: int) -> list[Frame]:
        """Forget what no clip in the buffer can use; return those keyframes.

        Args:
            oldest_ns: stamp of the buffer's oldest frame.
        """
        begin_ns = oldest_ns - MARGIN_NS
        remembered = self._remembered(begin_ns, begin_ns)
        within = self._within_bytes(remembered)
        self.dropped_early += len(remembered) - len(within)
        stay = [*within, *range(self._end(begin_ns), len(self._frames))]
        dropped = [self._frames[k] for k in sorted(set(range(len(self._frames))) - set(stay))]
        if dropped:
            self._frames = [self._frames[k] for k in stay]
            self._places = [self._places[k] for k in stay]
            self._jumps = self._jumps[max(0, bisect_right(self._jumps, begin_ns) - 1) :]
            since_ns = (self._frames[0].stamp_ns if self._frames else begin_ns) - REACH_NS
            del self._around[: bisect_left(self._around, since_ns, key=_stamp_of)]
        return dropped

    def _end(self, first_ns: int) -> int:
        return bisect_right(self._frames, first_ns - LEAST_AGE_NS, key=_stamp_of)

    def _remembered(self, first_ns: int, last_ns: int) -> list[int]:
        """Return numbers of the keyframes since the last jump, the newest of each place."""
        jumps = self._jumps[: bisect_right(self._jumps, last_ns)]
        since_ns = max([first_ns - self._limits.max_age_ns, *jumps[-1:]])
        begin, end = bisect_left(self._frames, since_ns, key=_stamp_of), self._end(first_ns)
        places = self._places
        return [k for k in range(begin, end) if k + 1 == end or places[k] != places[k + 1]]

    def _within_bytes(self, numbers: list[int]) -> list[int]:
        """Return the newest of these keyframes, as many as the limit holds."""
        sizes = itertools.accumulate(self._frames[k].image.nbytes for k in reversed(numbers))
        count = sum(size <= self._limits.max_bytes for size in sizes)
        return numbers[len(numbers) - count :]


class Motion:
    """How a camera moves from frame to frame, to tell when its fixed frame jumps.

    Args:
        jump_m: see `MemoryLimits`.
    """

    def __init__(self, jump_m: float) -> None:
        self._jump_m = jump_m
        self._newest: Frame | None = None
        self._velocity: NDArray[np.float64] | None = None  # (3,) m/s; None = not known
        self._turn_rate = 0.0  # rad/s

    @property
    def newest_ns(self) -> int:
        """Return the stamp of the newest frame; before the first -1."""
        return self._newest.stamp_ns if self._newest is not None else -1

    def follow(self, frame: Frame) -> str:
        """Take the next frame; return what of its step no motion explains, in words, or nothing."""
        before, velocity, turn_rate = self._newest, self._velocity, self._turn_rate
        self._newest, self._velocity = frame, None
        if before is None or frame.stamp_ns - before.stamp_ns > MOTION_NS:
            return ""
        dt = (frame.stamp_ns - before.stamp_ns) / 1e9
        step = frame.world_from_cam[:3, 3] - before.world_from_cam[:3, 3]
        turn = _angle(before, frame)
        if velocity is not None:
            moved = float(np.linalg.norm(step - velocity * dt))
            turned = turn - turn_rate * dt
            if moved > self._jump_m or turned > JUMP_ANGLE:
                return f"{moved:.1f} m and {np.degrees(turned):.0f} degrees"
        self._velocity, self._turn_rate = step / dt, turn / dt
        return ""


def _is_same_place(one: Frame, other: Frame) -> bool:
    apart = one.world_from_cam[:3, 3] - other.world_from_cam[:3, 3]
    return float(np.linalg.norm(apart)) < SAME_PLACE_M and _angle(one, other) < SAME_ANGLE


def _angle(one: Frame, other: Frame) -> float:
    """Return radians from one camera's orientation to the other's."""
    turn = one.world_from_cam[:3, :3].T @ other.world_from_cam[:3, :3]
    sine = np.linalg.norm((turn - turn.T)[[2, 0, 1], [1, 2, 0]])  # twice it, as is the cosine
    return float(np.arctan2(sine, np.trace(turn) - 1))

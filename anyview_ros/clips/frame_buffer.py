"""The past of one camera: clips that can be cut from it, and keyframes that outlive them."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from statistics import median

from anyview_ros.clips.keyframe_store import NO_MEMORY, KeyframeStore, MemoryLimits
from anyview_ros.clips.ledger import Ledger
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.imaging.message_fields import seconds
from anyview_ros.time_grid import reach_ns, times_before

PAUSE = 1.5  # usual intervals: a longer one is a pause
SLOW = 1.25  # periods of a clip: a camera whose usual interval is longer cannot fill one
CAMERA_TOLERANCE = 0.01  # of the image's width: what autofocus may do to the intrinsics of a clip

_stamp_of = attrgetter("stamp_ns")


@dataclass(frozen=True)
class BufferLimits:
    """When the oldest frames are retired; all three hold at any time.

    Args:
        max_age_ns: older than the newest frame by more than this.
        max_frames, max_bytes: number of frames, bytes of their pixels.
    """

    max_age_ns: int
    max_frames: int
    max_bytes: int

    def __post_init__(self) -> None:
        if min(self.max_age_ns, self.max_frames, self.max_bytes) <= 0:
            raise AnyviewError("invalid_parameter", f"buffer limits must be positive, got {self}")


class FrameBuffer:
    """Frames of one camera in order of their stamps, bounded. Thread-safe: one lock.

    Args:
        topic: the camera's image topic, for the texts of errors.
        limits: see `BufferLimits`.
        ledger: counts every frame that is stored or leaves.
        memory: of the keyframes, which stay when the frames around them leave.
        note: called with problems of the memory.
    """

    def __init__(
        self,
        topic: str,
        limits: BufferLimits,
        ledger: Ledger,
        memory: MemoryLimits = NO_MEMORY,
        note: Callable[[AnyviewError], None] = lambda trouble: None,
    ) -> None:
        self._topic = topic
        self._limits = limits
        self._ledger = ledger
        self._memory_limits = memory
        self._note = note
        self._keyframes = KeyframeStore(memory)
        self._lock = threading.Lock()
        self._frames: list[Frame] = []
        self._used: set[int] = set()
        self._bytes = 0
        self._limit_reached = ""  # which limit let frames go, if any: waiting makes no clip longer
        self._epoch = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._frames)

    @property
    def epoch(self) -> int:
        """Return the number of clock jumps: a job of an earlier epoch must not be answered."""
        with self._lock:
            return self._epoch

    @property
    def oldest_ns(self) -> int | None:
        with self._lock:
            return self._frames[0].stamp_ns if self._frames else None

    @property
    def newest_ns(self) -> int | None:
        with self._lock:
            return self._frames[-1].stamp_ns if self._frames else None

    def add(self, frame: Frame) -> bool:
        """Store a frame whose stamp is new; retire the oldest while a limit is exceeded.

        Returns whether the camera changed with it: no clip holds it and the frame before.
        """
        with self._lock:
            before = self._before(frame.stamp_ns)
            insort(self._frames, frame, key=_stamp_of)
            self._bytes += frame.image.nbytes
            self._ledger.store()
            if jump := self._keyframes.add(frame):
                self._note(_jumped(jump, frame.stamp_ns))
            while limit := self._exceeded():
                self._retire_oldest()
                self._limit_reached = limit
            self._retire_keyframes()
            return before is not None and bool(difference(before.camera, frame.camera))

    def clear(self) -> None:
        """Retire everything and start a new epoch."""
        with self._lock:
            while self._frames:
                self._retire_oldest()
            for frame in self._keyframes.frames():
                self._retire(frame)
            self._keyframes = KeyframeStore(self._memory_limits)
            self._limit_reached = ""
            self._epoch += 1

    def clip(self, end_ns: int, num_frames: int, period_ns: int, hold_before_ns: int = 0) -> Clip:
        """Return the clip whose frame k from its end is nearest to `end_ns - k * period_ns`.

        Args:
            end_ns: 0 for the newest frame.
            num_frames: T = 1 + 4k.
            period_ns: of the grid.
            hold_before_ns: earlier times show the frame that is nearest to this one, standing
                still, with the times as stamps; 0 = none does.

        Raises:
            AnyviewError: `empty_buffer`; `not_yet` and `too_old` when the end is outside of what
                is stored; `too_few_frames`; `clip_gap` and `clip_duplicate` when a grid time
                has no frame within half a period, or none of its own; `calibration_changed`;
                those of `Clip`.
        """
        with self._lock:
            if not self._frames:
                raise AnyviewError(
                    "empty_buffer",
                    f"need {num_frames} frames, have none of '{self._topic}'; check that its "
                    "images, camera info and TF arrive (anyview check)",
                )
            end = end_ns or self._frames[-1].stamp_ns
            self._check_end(end, period_ns)
            held = times_before(hold_before_ns, end, num_frames, period_ns)
            moving = num_frames - len(held)
            self._check_start(end, moving, period_ns, waiting_helps=end_ns == 0)
            frames = tuple(self._on_grid(end, moving, period_ns))
            self._check_camera(frames)
            self._used.update(frame.stamp_ns for frame in frames)
            standing = (replace(frames[0], stamp_ns=time) for time in held)
            return Clip((*standing, *frames))

    def keyframes(self, first_ns: int, last_ns: int, after: bool = False) -> list[Frame]:
        """Return what a clip may use of the time before it, oldest first; see `KeyframeStore`.

        The same at any time, as long as a clip of these stamps can be cut.

        Args:
            first_ns, last_ns: stamps of the clip's first and last frame.
            after: whether of the time after it too, as far as it was read already.
        """
        with self._lock:
            usable = self._keyframes.usable(first_ns, last_ns)
            return [*usable, *self._keyframes.usable_after(last_ns)] if after else usable

    def held(self, keyframe: Frame, count: int) -> Clip:
        """Return a keyframe as a clip of `count` instants, and count it as used."""
        with self._lock:
            if self._keyframes.holds(keyframe):
                self._used.add(keyframe.stamp_ns)
            return Clip.held(keyframe, count, self._keyframes.around(keyframe))

    @property
    def remembered(self) -> int:
        """Return how many keyframes there are, those in the buffer included."""
        with self._lock:
            return len(self._keyframes)

    def nearest(self, stamp_ns: int) -> Frame | None:
        """Return the frame nearest to a time, None if there is no frame."""
        with self._lock:
            return self._nearest(stamp_ns) if self._frames else None

    def _check_camera(self, frames: Sequence[Frame]) -> None:
        """Refuse a clip of two cameras: the model is given the rays of one."""
        for before, after in itertools.pairwise(frames):
            if change := difference(before.camera, after.camera):
                raise AnyviewError(
                    "calibration_changed",
                    f"the camera of '{self._topic}' changed at {seconds(after.stamp_ns)} "
                    f"({change} at the size it is kept at): ask for a clip that ends before or "
                    "begins after that",
                )

    def _check_end(self, end_ns: int, period_ns: int) -> None:
        oldest, newest = self._frames[0].stamp_ns, self._frames[-1].stamp_ns
        if end_ns > newest + reach_ns(period_ns):
            raise AnyviewError(
                "not_yet",
                f"need frames until {seconds(end_ns)}, the newest of '{self._topic}' is of "
                f"{seconds(newest)}; wait {seconds(end_ns - newest)} or ask for an earlier "
                "end_time",
            )
        if end_ns < oldest - reach_ns(period_ns):
            raise AnyviewError(
                "too_old",
                f"need frames until {seconds(end_ns)}, the oldest kept of '{self._topic}' is of "
                f"{seconds(oldest)}; ask for a later end_time or {self._buffer_remedy()}",
            )

    def _check_start(
        self, end_ns: int, num_frames: int, period_ns: int, waiting_helps: bool
    ) -> None:
        oldest = self._frames[0].stamp_ns
        have = 1 + (end_ns + reach_ns(period_ns) - oldest) // period_ns
        if have >= num_frames:
            return
        span = (num_frames - 1) * period_ns
        if self._limit_reached or span > self._limits.max_age_ns:
            remedy = f"{self._buffer_remedy()} (the clip is {seconds(span)} long)"
        elif waiting_helps:
            remedy = f"wait {(num_frames - have) * period_ns / 1e9:.1f} s"
        else:
            remedy = f"ask for an end_time from {seconds(oldest + span)} on"
        raise AnyviewError(
            "too_few_frames",
            f"need {num_frames} frames until {seconds(end_ns)}, have {have} of "
            f"'{self._topic}'; {remedy}",
        )

    def _on_grid(self, end_ns: int, num_frames: int, period_ns: int) -> Iterator[Frame]:
        """Yield frames in time order, the nearest to each grid time."""
        before: Frame | None = None
        for k in reversed(range(num_frames)):
            grid_ns = end_ns - k * period_ns
            frame = self._nearest(grid_ns)
            if abs(frame.stamp_ns - grid_ns) > reach_ns(period_ns):
                raise AnyviewError(
                    "clip_gap",
                    f"no frame of '{self._topic}' within half a period of {seconds(grid_ns)}, "
                    f"the nearest is of {seconds(frame.stamp_ns)}; {self._rate_remedy(period_ns)}",
                )
            if frame is before:
                raise AnyviewError(
                    "clip_duplicate",
                    f"the frame of {seconds(frame.stamp_ns)} of '{self._topic}' is the nearest "
                    f"to two times of the clip; {self._rate_remedy(period_ns)}",
                )
            before = frame
            yield frame

    def _nearest(self, stamp_ns: int) -> Frame:
        """Return the nearest frame; of two that are equally near, the earlier one."""
        i = bisect_left(self._frames, stamp_ns, key=_stamp_of)
        around = self._frames[max(i - 1, 0) : i + 1]
        return min(around, key=lambda frame: abs(frame.stamp_ns - stamp_ns))

    def _before(self, stamp_ns: int) -> Frame | None:
        i = bisect_left(self._frames, stamp_ns, key=_stamp_of)
        return self._frames[i - 1] if i else None

    def _rate_remedy(self, period_ns: int) -> str:
        """Return how frames come, how a clip needs them, and what helps."""
        stamps = [frame.stamp_ns for frame in self._frames]
        intervals = [b - a for a, b in itertools.pairwise(stamps)] or [0]
        usual_ns, longest_ns = int(median(intervals)), max(intervals)
        paused = longest_ns > PAUSE * usual_ns and usual_ns < SLOW * period_ns
        remedy = (
            "ask for an end_time away from the pause"
            if paused
            else f"raise the camera's rate to {1e9 / period_ns:.1f} Hz or more"
        )
        return (
            f"frames come every {seconds(usual_ns)} (longest pause {seconds(longest_ns)}), a clip "
            f"of this model has one every {seconds(period_ns)}: {remedy}"
        )

    def _buffer_remedy(self) -> str:
        """Return how to have older frames stored."""
        return "lower source_size" if self._limit_reached == "max_bytes" else "raise buffer_s"

    def _exceeded(self) -> str:
        """Return the field of the limits that asks for the oldest frame to go, empty if none."""
        limits = self._limits
        if len(self._frames) <= 1:
            return ""
        if self._bytes > limits.max_bytes:
            return "max_bytes"
        if len(self._frames) > limits.max_frames:
            return "max_frames"
        age_ns = self._frames[-1].stamp_ns - self._frames[0].stamp_ns
        return "max_age_ns" if age_ns > limits.max_age_ns else ""

    def _retire_oldest(self) -> None:
        frame = self._frames.pop(0)
        self._bytes -= frame.image.nbytes
        if not self._keyframes.holds(frame):
            self._retire(frame)

    def _retire_keyframes(self) -> None:
        """Retire the keyframes that no clip can use any more; note those that had to go early."""
        before = self._keyframes.dropped_early
        for frame in self._keyframes.drop_unusable(self._frames[0].stamp_ns):
            self._retire(frame)
        if self._keyframes.dropped_early > before:
            self._note(_too_large(self._keyframes.dropped_early, self._memory_limits))

    def _retire(self, frame: Frame) -> None:
        self._ledger.retire(used=frame.stamp_ns in self._used)
        self._used.discard(frame.stamp_ns)


def _jumped(step: str, stamp_ns: int) -> AnyviewError:
    return AnyviewError(
        "fixed_frame_jumped",
        f"at {seconds(stamp_ns)} the camera is {step} from where its motion would have brought it "
        "(a map that was corrected?): clips after that use nothing that it saw before; a "
        "fixed_frame that is continuous, as odom, keeps it",
    )


def _too_large(count: int, limits: MemoryLimits) -> AnyviewError:
    return AnyviewError(
        "memory_full",
        f"{count} keyframes were let go before they were {seconds(limits.max_age_ns)} old, for "
        f"their {limits.max_bytes >> 20} MB; lower source_size or memory_s",
    )


def difference(before: Camera, after: Camera) -> str:
    """Return what of a camera changed, in words; empty if a clip may hold frames of both."""
    sizes = [f"{camera.width}x{camera.height}" for camera in (before, after)]
    if sizes[0] != sizes[1]:
        return f"size {sizes[0]} to {sizes[1]}"
    for name in ("fx", "fy", "cx", "cy"):
        old, new = getattr(before, name), getattr(after, name)
        if abs(new - old) > CAMERA_TOLERANCE * after.width:
            return f"{name} {old:.1f} to {new:.1f}"
    return ""

"""The grid of times that a clip's frames lie on, and which frames of a stream it can need."""

from __future__ import annotations

STAMP_ROUNDING_NS = 1000  # 30 Hz in whole microseconds puts the third frame 1 us past 0.1 s


def reach_ns(period_ns: int) -> int:
    """How far a frame may be from its time on a grid.

    Half a period, and a hundredth for the rounding of stamps and the drift of camera clocks.
    """
    return period_ns * 51 // 100


def times_before(start_ns: int, end_ns: int, num_frames: int, period_ns: int) -> list[int]:
    """Times of a grid that are more than half a period before `start_ns`, if that is not 0."""
    times = [end_ns - k * period_ns for k in reversed(range(num_frames))]
    return [time for time in times if start_ns and time < start_ns - reach_ns(period_ns)]


class GridFilter:
    """Chooses the frames of a fast stream that are worth decoding.

    A frame is passed over when the next one still comes within one period of the last one kept,
    so kept frames are at most a period apart (if the stream's interval is) and every grid of
    that period finds a frame of its own within half a period, wherever it ends. A stream below
    twice the grid's rate is kept whole, a faster one at less than twice that rate.

    Args:
        period_ns: of the model's clip grid.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._kept_ns: int | None = None
        self._seen_ns: int | None = None

    def keep(self, stamp_ns: int) -> bool:
        """Whether the frame of this stamp may be on a grid. Stamps increase from call to call."""
        interval = stamp_ns - self._seen_ns if self._seen_ns is not None else self._period_ns
        self._seen_ns = stamp_ns
        reach = self._period_ns + STAMP_ROUNDING_NS
        if self._kept_ns is not None and stamp_ns + interval - self._kept_ns <= reach:
            return False
        self._kept_ns = stamp_ns
        return True

    def reset(self) -> None:
        """Forget the stream: its next stamp may be any."""
        self._kept_ns = self._seen_ns = None

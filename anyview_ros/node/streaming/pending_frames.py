"""The source frames that a stream has not answered yet."""

from __future__ import annotations

from bisect import bisect_right, insort

from anyview_ros.imaging.message_fields import JUMP_NS

LATE, SUPERSEDED = "late", "superseded"  # why a frame does not wait, or no longer
MAX_WAITING = 4096  # frames that nobody fetches, as while the model is missing


class PendingFrames:
    """Stamps by source camera, since any of them may be chosen. Not thread-safe.

    All of them are newer than what was answered.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[int]] = {}
        self._newest: dict[str, int] = {}
        self._changes: dict[str, list[int]] = {}
        self._answered_ns = 0  # all frames up to here are accounted for

    def jumps(self, source: str, stamp_ns: int) -> bool:
        """Whether a stamp is so far back that it is of another epoch."""
        return stamp_ns < self._newest.get(source, 0) - JUMP_NS

    def add(self, source: str, stamp_ns: int, is_changed: bool) -> str:
        """A frame was stored; returns why it does not wait, or the oldest no longer; or nothing.

        Args:
            is_changed: whether it is the first of another calibration.
        """
        self._newest[source] = max(stamp_ns, self._newest.get(source, 0))
        waiting = self._waiting.setdefault(source, [])
        if stamp_ns <= self._answered_ns or stamp_ns in waiting[-1:]:
            return LATE
        insort(waiting, stamp_ns)
        if is_changed:
            insort(self._changes.setdefault(source, []), stamp_ns)
        if len(waiting) > MAX_WAITING:
            del waiting[0]
            return SUPERSEDED
        return ""

    def is_empty(self) -> bool:
        """Whether no frame of any source waits."""
        return not any(self._waiting.values())

    def stamps(self, source: str) -> list[int]:
        """Stamps that wait, increasing. Not to be changed."""
        return self._waiting.get(source, [])

    def newest_ns(self, source: str) -> int:
        """Stamp of the newest frame of this epoch, waiting or not; 0 when there is none."""
        return self._newest.get(source, 0)

    def changes(self, source: str) -> list[int]:
        """Stamps after what was answered at which another calibration begins. Not to be changed."""
        return self._changes.get(source, [])

    def drop_until(self, source: str, end_ns: int) -> list[int]:
        """Nothing up to here waits any more, of any source; returns what did of this one."""
        waited = self.stamps(source)[: bisect_right(self.stamps(source), end_ns)]
        self._answered_ns = max(self._answered_ns, end_ns)
        for stamps in (*self._waiting.values(), *self._changes.values()):
            del stamps[: bisect_right(stamps, end_ns)]
        return waited

    def forget(self, source: str) -> None:
        """The clock of one camera jumped."""
        for stamps in (self._waiting, self._newest, self._changes):
            stamps.pop(source, None)

    def clear(self) -> None:
        """Another epoch begins."""
        self._waiting.clear()
        self._newest.clear()
        self._changes.clear()
        self._answered_ns = 0

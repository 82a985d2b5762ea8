"""The source frames that a stream has not answered yet."""

from __future__ import annotations

from bisect import bisect_right, insort

from anyview_ros.imaging.message_fields import JUMP_NS

LATE, SUPERSEDED = "late", "superseded"  # why a frame does not wait, or no longer
MAX_WAITING = 4096  # frames of a source, while no model answers them


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
        """Return whether a stamp is so far back that it belongs to another epoch."""
        return stamp_ns < self._newest.get(source, 0) - JUMP_NS

    def add(self, source: str, stamp_ns: int, is_changed: bool) -> str:
        """Add a frame that was stored.

        Returns why it does not wait, or why the oldest frame does no longer; empty otherwise.

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
        """Return whether no frame of any source waits."""
        return not any(self._waiting.values())

    def stamps(self, source: str) -> list[int]:
        """Return the stamps that wait, increasing. Not to be changed."""
        return self._waiting.get(source, [])

    def newest_ns(self, source: str) -> int:
        """Return the newest stamp of this epoch, waiting or not; 0 if there is none."""
        return self._newest.get(source, 0)

    def changes(self, source: str) -> list[int]:
        """Return unanswered stamps at which another calibration begins. Not to be changed."""
        return self._changes.get(source, [])

    def drop_until(self, source: str, end_ns: int) -> list[int]:
        """Drop the frames of all sources up to `end_ns`; return the stamps of this source's."""
        waited = self.stamps(source)[: bisect_right(self.stamps(source), end_ns)]
        self._answered_ns = max(self._answered_ns, end_ns)
        for stamps in (*self._waiting.values(), *self._changes.values()):
            del stamps[: bisect_right(stamps, end_ns)]
        return waited

    def forget(self, source: str) -> None:
        """Forget the frames of a camera whose clock jumped."""
        for stamps in (self._waiting, self._newest, self._changes):
            stamps.pop(source, None)

    def clear(self) -> None:
        """Forget all frames, for another epoch."""
        self._waiting.clear()
        self._newest.clear()
        self._changes.clear()
        self._answered_ns = 0

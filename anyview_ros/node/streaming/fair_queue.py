"""Turns of several streams that wait for one model: shares by priority, and none starves."""

from __future__ import annotations

from collections.abc import Mapping


class FairQueue:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996), in seconds of the model's time.

    A stream of priority p has 1 + p times the share of one of priority 0. A stream that needs less
    than its share leaves the rest to the others; one that was idle gets no credit for it.
    Not thread-safe.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[str, float] = {}

    def choose(self, priorities: Mapping[str, int]) -> str:
        """Return the name of the stream that is next, given those that wait: at least one."""
        return min(priorities, key=lambda name: (self._start(name), -priorities[name], name))

    def charge(self, name: str, priority: int, seconds: float) -> None:
        """Charge a stream for the seconds that its turn took."""
        start = self._start(name)
        self._now = max(self._now, start)
        self._finish[name] = start + seconds / (1 + priority)

    def forget(self, name: str) -> None:
        """Forget a stream that was removed."""
        self._finish.pop(name, None)

    def _start(self, name: str) -> float:
        return max(self._now, self._finish.get(name, 0.0))

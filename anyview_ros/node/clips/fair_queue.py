"""Turns of those that wait for one model: shares by priority, and none starves."""

from __future__ import annotations

from collections.abc import Mapping


class FairQueue:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996), in seconds of the model's time.

    Who has priority p gets 1 + p times the share of one of priority 0. Who needs less than its
    share leaves the rest to the others; who was idle gets no credit for it. Not thread-safe.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[str, float] = {}  # of those that are ahead of `_now`

    def choose(self, priorities: Mapping[str, int]) -> str:
        """Return the name of who is next, given those that wait: at least one."""
        return min(priorities, key=lambda name: (self._start(name), -priorities[name], name))

    def charge(self, name: str, priority: int, seconds: float) -> None:
        """Charge for the seconds that a turn took."""
        start = self._start(name)
        self._now = max(self._now, start)
        self._finish[name] = start + seconds / (1 + priority)
        self._finish = {name: end for name, end in self._finish.items() if end > self._now}

    def _start(self, name: str) -> float:
        return max(self._now, self._finish.get(name, 0.0))

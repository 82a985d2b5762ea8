"""When an inference process hangs: judged by how long its steps are known to take."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from anyview_ros.errors import AnyviewError

STOPPED_S = 10.0  # that a process may be stopped (SIGSTOP)
LEAST_S = 10.0  # that a step may take, however short it was before
SLOWER = 20  # times as long as ever before a step may take
SHAPES = 64  # of jobs whose times are kept
CHECK_S = 0.5
MAX_TICK_S = 0.25  # of a tick: a node that was stopped itself accuses nobody
REPORTED_S = 5.0  # of silence that no measured step explains, after which diagnostics say so

LOADING = "loading the model"


@dataclass(frozen=True)
class Silence:
    """A process that has not reported for a while.

    Args:
        stage: what it does.
        seconds: since its last report.
        limit_s: after which it is replaced.
        is_stopped: whether it is stopped, as by SIGSTOP.
    """

    stage: str
    seconds: float
    limit_s: float
    is_stopped: bool

    @property
    def words(self) -> str:
        """Return what it does, and since when."""
        if self.is_stopped:
            return f"stopped (SIGSTOP) for {self.seconds:.0f} s"
        return f"in one step ({self.stage}) for {self.seconds:.0f} s"

    @property
    def is_over(self) -> bool:
        return self.seconds > self.limit_s


class StepTimes:
    """The longest that the stages of jobs have taken from one report to the next. Not thread-safe.

    Jobs of one shape take alike. What no such job has done yet may compile kernels or engines, and
    a large model takes minutes a step on a processor: of that nothing is known.
    """

    def __init__(self) -> None:
        self._longest: OrderedDict[Hashable, dict[str, float]] = OrderedDict()

    def add(self, shape: Hashable, stage: str, seconds: float) -> None:
        """Add a time that was measured."""
        longest = self._longest.setdefault(shape, {})
        longest[stage] = max(seconds, longest.get(stage, 0.0))
        self._longest.move_to_end(shape)
        while len(self._longest) > SHAPES:
            self._longest.popitem(last=False)

    def limit_s(self, shape: Hashable, stage: str) -> float | None:
        """Return how long the stage may be silent; None if nothing is known of it."""
        longest = self._longest.get(shape, {}).get(stage)
        return None if longest is None else max(LEAST_S, SLOWER * longest)


class Watchdog:
    """Watches one wait after another for the reports of a process.

    One thread waits at a time; `silence` may be read by any.

    Args:
        most_s: how long a step may take of which nothing is known, seconds.
    """

    def __init__(self, most_s: Callable[[], float]) -> None:
        self.silence: Silence | None = None  # of the process that is waited for, once it is long
        self.missed_s = 0.0  # of all waits, in which this process itself was stopped
        self._most_s = most_s
        self._times = StepTimes()
        self._shape: Hashable = None
        self._stage = LOADING
        self._silent_s = self._stopped_s = self._unchecked_s = 0.0
        self._last = 0.0

    def begin(self, stage: str, shape: Hashable = None) -> None:
        """Begin to wait for a process.

        Args:
            stage: what it does first.
            shape: of the job; None where times are not kept.
        """
        self._shape = shape
        self._restart(stage)

    def note(self, stage: str) -> None:
        """Take a report: what went on before has ended, and `stage` begins."""
        if self._shape is not None:
            self._times.add(self._shape, self._stage, self._silent_s)
        self._tick()
        self._restart(stage)

    def check(self, pid: int) -> None:
        """Go on waiting.

        Raises:
            AnyviewError: `worker_hung`.
        """
        tick_s = self._tick()
        self._silent_s += tick_s
        self._unchecked_s += tick_s
        if self._unchecked_s < CHECK_S:
            return
        self._stopped_s = self._stopped_s + self._unchecked_s if is_stopped(pid) else 0.0
        self._unchecked_s = 0.0
        silence = self._judged()
        self.silence = silence if silence.is_stopped or self._is_long(silence) else None
        if silence.is_over:
            raise AnyviewError(
                "worker_hung",
                f"the inference process was {silence.words}, {silence.limit_s:.0f} s are allowed: "
                "it is ended; the next request gets a new one",
            )

    def end(self) -> None:
        """Wait for nothing any more."""
        self.silence = None

    def _tick(self) -> float:
        """Return the seconds since the last look; what is too long for them is missed."""
        now = time.monotonic()
        since_s, self._last = now - self._last, now
        tick_s = min(since_s, MAX_TICK_S)
        self.missed_s += since_s - tick_s
        return tick_s

    def _restart(self, stage: str) -> None:
        self._stage, self._last, self.silence = stage, time.monotonic(), None
        self._silent_s = self._stopped_s = self._unchecked_s = 0.0

    def _judged(self) -> Silence:
        if self._stopped_s:
            return Silence(self._stage, self._stopped_s, min(STOPPED_S, self._most_s()), True)
        known_s, most_s = self._times.limit_s(self._shape, self._stage), self._most_s()
        limit_s = most_s if known_s is None else min(known_s, most_s)
        return Silence(self._stage, self._silent_s, limit_s, False)

    def _is_long(self, silence: Silence) -> bool:
        return silence.seconds > min(REPORTED_S, silence.limit_s / 2) and self._stage != LOADING


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by a signal (man 5 proc); one being debugged is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False

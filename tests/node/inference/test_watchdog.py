"""A process that hangs is noticed in time, and a slow one that is well is left alone."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference import watchdog
from anyview_ros.node.inference.watchdog import (
    LEAST_S,
    LOADING,
    MAX_TICK_S,
    SHAPES,
    SLOWER,
    STOPPED_S,
    StepTimes,
    Watchdog,
    is_stopped,
)

POLL_S = 0.125


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def waits(self, watching: Watchdog, seconds: float, pid: int = 0) -> None:
        for _ in range(round(seconds / POLL_S)):
            self.now_s += POLL_S
            watching.check(pid or os.getpid())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    return clock


def step(clock: Clock, watching: Watchdog, seconds: float) -> None:
    """A job of one step that takes so long."""
    watching.begin("begin", "shape")
    watching.note("denoise")
    clock.waits(watching, seconds)
    watching.note("")
    watching.end()


def hangs_after(clock: Clock, watching: Watchdog) -> float:
    """Return the seconds until the running step is held to hang."""
    began = clock.now_s
    with pytest.raises(AnyviewError) as hung:
        clock.waits(watching, 1e5)
    assert hung.value.code == "worker_hung"
    return clock.now_s - began


def test_of_a_step_that_nobody_knows_only_the_parameter_says_how_long(clock: Clock) -> None:
    watching = Watchdog(lambda: 3600.0)
    watching.begin("denoise", "shape")
    assert hangs_after(clock, watching) == pytest.approx(3600, abs=1)
    watching.begin(LOADING)
    assert hangs_after(clock, watching) == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(("took_s", "allowed_s"), [(0.25, LEAST_S), (30.0, SLOWER * 30.0)])
def test_a_known_step_may_take_many_times_as_long(
    clock: Clock, took_s: float, allowed_s: float
) -> None:
    watching = Watchdog(lambda: 3600.0)
    step(clock, watching, took_s)
    step(clock, watching, 0.125)  # the longest counts, not the last
    watching.begin("begin", "shape")
    watching.note("denoise")
    assert hangs_after(clock, watching) == pytest.approx(allowed_s, abs=1)
    watching.begin("denoise", "another shape")
    assert hangs_after(clock, watching) == pytest.approx(3600, abs=1)
    watching = Watchdog(lambda: 5.0)
    step(clock, watching, took_s if took_s < 5 else 4.0)
    watching.begin("denoise", "shape")
    assert hangs_after(clock, watching) == pytest.approx(5, abs=1), "the parameter is the most"


def test_a_node_that_was_stopped_itself_accuses_nobody(clock: Clock) -> None:
    watching = Watchdog(lambda: 10.0)
    watching.begin("denoise", "shape")
    for _ in range(30):
        clock.now_s += 600.0
        watching.check(os.getpid())
    assert hangs_after(clock, watching) == pytest.approx(10 - 30 * MAX_TICK_S, abs=1)


def test_while_the_node_was_stopped_no_step_took_time(clock: Clock) -> None:
    """Whether it goes on with a look or with a report that came meanwhile."""
    watching = Watchdog(lambda: 60.0)
    watching.begin("denoise", "shape")
    clock.waits(watching, 1.0)
    assert watching.missed_s == 0
    for goes_on in (lambda: watching.note("decode"), lambda: watching.check(os.getpid())):
        clock.now_s += 5.0
        goes_on()
    assert watching.missed_s == pytest.approx(2 * (5.0 - MAX_TICK_S))
    clock.now_s += 5.0  # waits for nothing
    watching.begin("denoise", "shape")
    assert watching.missed_s == pytest.approx(2 * (5.0 - MAX_TICK_S))


def test_silence_is_told_before_it_is_over(clock: Clock) -> None:
    watching = Watchdog(lambda: 60.0)
    watching.begin("denoise", "shape")
    clock.waits(watching, 4.0)
    assert watching.silence is None
    clock.waits(watching, 8.0)
    assert watching.silence is not None
    assert watching.silence.words == "in one step (denoise) for 12 s"
    watching.note("decode")
    assert watching.silence is None


def test_times_of_the_last_shapes_are_kept() -> None:
    times = StepTimes()
    for shape in range(SHAPES + 1):
        times.add(shape, "denoise", 3.0)
    assert times.limit_s(0, "denoise") is None
    assert times.limit_s(1, "denoise") == 3.0 * SLOWER
    assert times.limit_s(1, "decode") is None


@pytest.fixture
def stopped() -> Iterator[int]:
    """A process that is stopped."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_stopped_process_is_noticed_whatever_its_step_may_take(
    stopped: int, clock: Clock
) -> None:
    assert is_stopped(stopped)
    assert not is_stopped(os.getpid())
    watching = Watchdog(lambda: math.inf)
    watching.begin("denoise", "shape")
    began = clock.now_s
    with pytest.raises(AnyviewError, match=r"was stopped \(SIGSTOP\) for 1\d s"):
        clock.waits(watching, 1e5, stopped)
    assert clock.now_s - began == pytest.approx(STOPPED_S, abs=1)
    os.kill(stopped, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while is_stopped(stopped):
        assert time.monotonic() < deadline

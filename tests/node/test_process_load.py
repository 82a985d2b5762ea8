"""Loads of processes, against the kernel's own accounts of this one."""

from __future__ import annotations

import os
import resource
import time

import pytest

from anyview_ros.node.process_load import ProcessLoads


def test_work_shows_as_its_share_and_rest_does_not() -> None:
    loads, me = ProcessLoads(), {"me": os.getpid()}
    assert loads.measure(me)["me"].cpu_percent == 0.0
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        sum(range(10_000))
    load = loads.measure(me)["me"]
    expected = 100 * (time.process_time() - used) / (time.monotonic() - began)
    assert load.cpu_percent == pytest.approx(expected, abs=10)  # a tick of 10 ms in 0.3 s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    assert 0.2 * peak_mb < load.memory_mb <= 1.01 * peak_mb


def test_processes_that_are_not_there_are_left_out() -> None:
    assert ProcessLoads().measure({"none": None, "gone": 2**22 + 1}) == {}

"""Work that threads share."""

from __future__ import annotations

import _thread
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.engine.thread_map import thread_map

NO_MEMORY = """
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from anyview_ros.engine.thread_map import thread_map

def squares(count):
    return thread_map(lambda k: k * k, range(count), 4)

assert squares(9) == [k * k for k in range(9)]
held = []
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
try:
    while True:
        held.append(bytearray(1 << 16))
except MemoryError:
    pass
print("out of memory", flush=True)
print(squares(9))
"""


def test_results_come_in_order() -> None:
    def late(k: int) -> int:
        time.sleep(0.01 * (5 - k))
        return k * k

    assert thread_map(late, range(6), 3) == [0, 1, 4, 9, 16, 25]
    assert thread_map(late, [], 3) == []


def test_so_many_threads_work_the_caller_among_them() -> None:
    all_begun, seen = threading.Barrier(3), set()

    def met(k: int) -> None:
        all_begun.wait(10.0)
        seen.add(threading.get_ident())

    thread_map(met, range(3), 3)
    assert len(seen) == 3
    assert threading.get_ident() in seen


def test_the_first_error_is_raised_and_the_rest_left() -> None:
    done = []

    def third_fails(k: int) -> None:
        if k == 2:
            raise ValueError(k)
        done.append(k)

    with pytest.raises(ValueError, match="2"):
        thread_map(third_fails, range(1000), 1)
    assert done == [0, 1]
    with pytest.raises(ValueError, match="2"):
        thread_map(third_fails, range(100_000), 2)
    assert len(done) < 100_000


def test_an_error_leaves_nothing_in_memory() -> None:
    large = np.zeros(9)
    alive = weakref.ref(large)

    def fails(array: NDArray[np.float64]) -> None:
        raise ValueError(len(array))

    gc.disable()
    try:
        with suppress(ValueError):
            thread_map(fails, [large], 2)
        del large
        assert alive() is None
    finally:
        gc.enable()


def refused(work: Callable[[], None], arguments: tuple[()]) -> int:
    raise RuntimeError("can't start new thread")


def dead(work: Callable[[], None], arguments: tuple[()]) -> int:
    return 1


@pytest.mark.parametrize("start", [refused, dead])
def test_work_is_done_where_no_thread_begins(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., int]
) -> None:
    monkeypatch.setattr(_thread, "start_new_thread", start)
    assert thread_map(str, range(3), 4) == ["0", "1", "2"]


@pytest.mark.parametrize("room", [0, 20 << 20])
def test_it_ends_where_memory_has_run_out(room: int) -> None:
    """With the result, or with the process: a thread cannot even end without memory."""
    code = NO_MEMORY.replace("ROOM", str(room))
    command = [sys.executable, "-c", code]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60.0)
    begun, *rest = made.stdout.splitlines()
    assert begun == "out of memory", made.stderr
    assert rest == ["[0, 1, 4, 9, 16, 25, 36, 49, 64]"] or made.returncode

"""Work that threads share, and that is done where none of them can begin."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_map(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int
) -> list[Result]:
    """Return what a function makes of each item, by so many threads, the caller among them.

    Threads begin anew each time: those that slept since the last wake on one core where others keep
    the rest busy, and a clip takes a tenth longer.

    It never waits for a thread to begin, as `Thread.start` and with it `ThreadPoolExecutor` do for
    ever where memory has run out (CPython 3.11): the others do the work then, or fail by name.

    Raises:
        Exception: the first of the function's; what was not begun by then is left.
    """
    left = deque(range(len(items)))
    results: dict[int, Result] = {}
    errors: list[BaseException] = []
    over = threading.Semaphore(0)

    def work() -> None:
        with suppress(IndexError):
            while True:
                place = left.popleft()
                try:
                    if not errors:
                        results[place] = function(items[place])
                except BaseException as error:
                    errors.append(error)
                finally:
                    over.release()

    for _ in range(min(threads, len(items)) - 1):
        with suppress(RuntimeError):  # no thread can begin
            _thread.start_new_thread(work, ())
    work()
    for _ in items:
        over.acquire()
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # or they and the frames that they come from hold each other in memory
    return [results[place] for place in range(len(items))]

"""Threads that have begun before they are needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


def started_pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool whose threads have all begun; they end with it.

    Where memory has run out, a thread that cannot begin leaves who starts it waiting for ever
    (`Thread.start` of CPython 3.11). Work for threads that are there fails by its error instead.
    """
    pool, all_begun = ThreadPoolExecutor(threads), threading.Barrier(threads)
    list(pool.map(lambda _: all_begun.wait(), range(threads)))
    return pool

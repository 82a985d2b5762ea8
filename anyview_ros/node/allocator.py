"""The C allocator's settings for processes through which large images flow."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
LARGEST_BUFFER = 24 << 20  # a 4K rgb8 image fits; clips, which leave holes in a heap, do not
KEPT = 64 << 20  # free bytes at the end of the heap
ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}  # the same as `share_heap`, in the environment


def share_heap() -> bool:
    """Let all threads of a process share one heap, in place of eight a core.

    Each heap keeps what was freed in it, and the threads of a clip work at megabytes. Call it
    before they begin: what has a heap keeps it, and numpy begins threads as it is imported.

    Returns:
        Whether the C library took it; others than glibc have no such setting.
    """
    mallopt = _mallopt()
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))


def keep_freed_memory() -> bool:
    """Let freed image buffers be used again, instead of giving them back to the system.

    On its way into Python a 1080p rgb8 image is in three buffers of 6 MB, each freed at once. By
    default glibc maps and unmaps such buffers, and the system clears 4500 new pages an image: 8
    of 11 ms of CPU (benchmarks/RESULTS.md).

    Returns:
        Whether the C library took it; others than glibc have no such setting.
    """
    mallopt = _mallopt()
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BUFFER) and mallopt(M_TRIM_THRESHOLD, KEPT))


def give_back_freed_memory() -> None:
    """Give freed memory back to the system; with another C library than glibc, do nothing.

    It takes 3 to 30 ms, and what comes next must ask for it again: for a process that waits.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _mallopt() -> Callable[[int, int], int] | None:
    return getattr(ctypes.CDLL(None), "mallopt", None)

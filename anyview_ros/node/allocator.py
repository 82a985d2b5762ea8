"""The C allocator's settings for a process through which large images flow."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGEST_BUFFER = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD: a 4K rgb8 image fits
KEPT = 64 << 20  # free bytes at the end of a heap, and the largest heap of a thread


def keep_freed_memory() -> bool:
    """Let freed image buffers be used again, instead of giving them back to the system.

    On its way into Python a 1080p rgb8 image is in three buffers of 6 MB, each freed at once. By
    default glibc maps and unmaps such buffers, and the system clears 4500 new pages an image: 8
    of 11 ms of CPU (benchmarks/RESULTS.md).

    Returns:
        Whether the C library took it; others than glibc have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BUFFER) and mallopt(M_TRIM_THRESHOLD, KEPT))

"""Shared memory that processes which were killed left behind, as `fastdds shm clean` removes it."""

from __future__ import annotations

import fcntl
import re
import time
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# Fast DDS 2 and 3: beside each segment lies a file that its process keeps locked.
LOCK = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}_el")
NEW_S = 10.0  # a process may be about to lock a file that is younger


def remove_stale_segments(folder: Path = SHARED_MEMORY) -> int:
    """Remove segments of processes that have ended; return how many bytes that freed.

    Those of others, that this user may not open, stay.
    """
    freed = 0
    with suppress(OSError):
        for lock in [file for file in folder.iterdir() if LOCK.fullmatch(file.name)]:
            freed += _removed(lock)
    return freed


def _removed(lock: Path) -> int:
    """Remove a segment if nobody holds its lock; return its bytes."""
    segment = lock.with_name(lock.name.removesuffix("_el"))
    try:
        if time.time() - lock.stat().st_mtime < NEW_S:
            return 0
        with lock.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = 512 * segment.stat().st_blocks if segment.exists() else 0
            segment.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            return size
    except OSError:
        return 0

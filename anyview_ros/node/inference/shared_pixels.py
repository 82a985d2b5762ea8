"""Pixels that the node and its inference process share, in memory that stays from job to job.

Anonymous: nothing of it stays behind when a process dies, and /dev/shm, 64 MB in many containers,
is left to DDS.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int, int]
ALIGNED = 64  # bytes: a line of the cache, and enough for any type


class SharedPixels:
    """Maps a memory file that both processes share. Not thread-safe.

    It grows with the largest job and is then used again: new pages took 0.8 ms a clip of 9 frames
    of 256x144 (benchmarks/RESULTS.md). So its content is valid until the next job.

    Args:
        file: descriptor of the memory file, closed with this object; None = make one.
    """

    def __init__(self, file: int | None = None) -> None:
        self.file = os.memfd_create("anyview_pixels") if file is None else file
        self._memory: mmap.mmap | None = None
        weakref.finalize(self, os.close, self.file)

    def arrays(self, shapes: Sequence[Shape]) -> list[NDArray[np.uint8]]:
        """Return uint8 arrays of `shapes`, one behind the other in the memory, each aligned.

        They are valid until the next call, which may use the same bytes or map others.
        """
        counts = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
        starts = np.cumsum([0, *(-(-count // ALIGNED) * ALIGNED for count in counts)]).tolist()
        memory = self._mapped(starts[-1])
        return [
            np.frombuffer(memory, np.uint8, count, start).reshape(shape)
            for count, start, shape in zip(counts, starts, shapes, strict=False)
        ]

    def _mapped(self, size: int) -> mmap.mmap:
        if self._memory is None or len(self._memory) < size:
            if os.fstat(self.file).st_size < size:
                os.ftruncate(self.file, size)
            self._memory = mmap.mmap(self.file, size)
        return self._memory

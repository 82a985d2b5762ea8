"""What a process takes of its machine, from /proc (man 5 proc)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # a second
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
UTIME, STIME = 11, 12  # fields of stat behind the name, which may hold spaces


@dataclass(frozen=True)
class Load:
    """Of one process with all its threads.

    Args:
        cpu_percent: of one core, since it was measured before; 0 the first time.
        memory_mb: resident.
    """

    cpu_percent: float
    memory_mb: float


class ProcessLoads:
    """Measures loads of processes of this machine. Not thread-safe."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[float, float]] = {}  # time, CPU seconds

    def measure(self, pids: Mapping[str, int | None]) -> dict[str, Load]:
        """Return the loads of the processes that exist, by name, since the last call."""
        seen: dict[int, tuple[float, float]] = {}
        loads = {}
        for name, pid in pids.items():
            found = _used(pid) if pid else None
            if pid and found:
                now_s, (cpu_s, memory_mb) = time.monotonic(), found
                then_s, cpu_then_s = self._before.get(pid, (now_s - 1.0, cpu_s))
                share = (cpu_s - cpu_then_s) / max(now_s - then_s, 1e-3)
                loads[name] = Load(100 * share, memory_mb)
                seen[pid] = now_s, cpu_s
        self._before = seen
        return loads


def _used(pid: int) -> tuple[float, float] | None:
    """Return CPU seconds and resident MB so far; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return (int(stat[UTIME]) + int(stat[STIME])) / TICKS, pages * PAGE_BYTES / 1e6

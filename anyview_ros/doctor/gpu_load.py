"""What a process takes of an NVIDIA GPU of this machine, as nvidia-smi says it."""

from __future__ import annotations

import shutil
import subprocess

PROGRAM = "nvidia-smi"
TIMEOUT_S = 5.0


def gpu_load(pid: str) -> str:
    """In words, "" without nvidia-smi; the share of time is that of all processes of the GPU."""
    if shutil.which(PROGRAM) is None:
        return ""
    memory_mb = sum(
        int(used)
        for row in _rows("compute-apps=pid,used_memory")
        for process, _, used in [row.partition(", ")]
        if process == pid and used.isdecimal()
    )
    shares = [row for row in _rows("gpu=utilization.gpu") if row.isdecimal()]
    return f"GPU {max(map(int, shares), default=0)} %, {memory_mb} MB"


def _rows(query: str) -> list[str]:
    command = [PROGRAM, f"--query-{query}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []

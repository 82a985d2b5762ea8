"""What is done to processes: killed, stopped, starved, kept from memory and disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WORKER = "worker_process"  # in the command line of an inference process
LOOK_S = 0.02
BUSY = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process meanwhile."""
    kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pid, signal.SIGCONT)


@contextmanager
def limited(pid: int, limit: int, most: int) -> Iterator[None]:
    """Set a soft limit (man 2 setrlimit) of a process meanwhile.

    Args:
        limit: RLIMIT_AS: new memory cannot be had; RLIMIT_FSIZE: nothing can be written to a file.
        most: in its unit.
    """
    soft, hard = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (most, hard))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, limit, (soft, hard))


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Compute in other processes meanwhile; they end by themselves where nobody ends them."""
    command = [sys.executable, "-c", BUSY]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def worker_of(parent: int, not_this: int, limit_s: float) -> int | None:
    """Return the inference process that a node starts within a time, None if it starts none.

    Args:
        not_this: the one before.
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        for pid in _children(parent):
            if pid != not_this and WORKER in _command(pid):
                return pid
        time.sleep(LOOK_S)
    return None


def _children(parent: int) -> Iterator[int]:
    for task in Path(f"/proc/{parent}/task").glob("*"):
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""

"""Child processes that never outlive their parent's block."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Self

from anyview_ros.errors import AnyviewError

GRACE_S = 1.2  # from Ctrl-C to the end of everything there are two seconds
CHILD = "anyview_ros.demo.child"
LAST_LINES = 15
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Children:
    """Python modules as processes, each in a session of its own, output in `<folder>/<name>.log`.

    Sessions of their own, so that Ctrl-C reaches the parent alone, which ends them in order.
    At the end of the `with` block they get SIGINT, and after a grace SIGKILL, each with all that
    it started. If this process is killed they get SIGTERM.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Run `python -m module arguments...`."""
        with self.log(name).open("wb") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", CHILD, str(os.getpid()), module, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def crash(self, name: str) -> None:
        """Kill one child, not what it started, and do not miss it: its end was wanted."""
        if process := self._running.pop(name, None):
            process.kill()
            process.wait()

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """Raise if a child has ended.

        Raises:
            AnyviewError: `child_ended` with the last lines of its log.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                lines = self.log(name).read_text(errors="replace").splitlines()[-LAST_LINES:]
                raise AnyviewError(
                    "child_ended",
                    f"'{name}' ended with status {process.returncode}; the end of its log "
                    f"{self.log(name)}:\n" + "\n".join(lines),
                )

    def stop(self) -> None:
        """End all children; returns within two seconds."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + GRACE_S
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started is in its group
            process.wait()
        self._running.clear()


def interrupt_once() -> None:
    """Let the first signal that means "stop" raise KeyboardInterrupt, and ignore the others.

    A closed terminal or a `kill` must leave no child either, nor an impatient second Ctrl-C: what
    the first one sets off ends within two seconds.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for later in STOP_SIGNALS:
            signal.signal(later, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as by nohup
            signal.signal(number, interrupt)

"""Signals that end a process of ours: one is enough."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


def ignore_further_signals() -> None:
    """Let SIGINT and SIGTERM do nothing from now on, to the end of the interpreter.

    Under launch a terminal's Ctrl-C arrives twice: of the terminal, and of launch. Python gives
    every handler back as it ends, but one that ignores: without this the second would kill.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def quiet_interrupts() -> Iterator[None]:
    """End in order at a SIGINT inside, with status 0: Ctrl-C before a node has begun is no crash.

    What is inside are the imports of a node, which take seconds and have nothing to close.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(0)  # an exception in the midst of an import may be lost

    before = signal.signal(signal.SIGINT, end)
    yield
    signal.signal(signal.SIGINT, before)

"""Signals that end a process of ours: one is enough."""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM)


def ignore_further_signals() -> None:
    """Let SIGINT and SIGTERM do nothing from now on, to the end of the interpreter.

    Under launch a terminal's Ctrl-C arrives twice: of the terminal, and of launch. Python gives
    every handler back as it ends, but one that ignores: without this the second would kill.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)

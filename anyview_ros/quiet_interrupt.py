"""Ctrl-C while a program is still being imported: it ends, and shows no traceback."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_quietly() -> Iterator[None]:
    """Let SIGINT end the process at once in the block, as it ends programs that take no signals.

    There is nothing to clean up yet, and an exception in the midst of an import shows where that
    was, or gets lost in foreign callbacks. Where the process ignores SIGINT, or another handler was
    set, nothing changes.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

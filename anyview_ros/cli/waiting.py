"""What is being done, and for how long, for people who wait."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECOND_S, PERIOD_S = 1.0, 15.0  # between two notices on a terminal, and elsewhere
CLEAR_LINE = "\r\033[K"


@contextmanager
def waiting(what: str) -> Iterator[Callable[[], None]]:
    """Say on stderr what the body does; yield what ends that before the body ends.

    On a terminal one line moves each second, and is cleared at the end. Elsewhere a line comes
    every `PERIOD_S`.
    """
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(what, over), daemon=True)
    teller.start()

    def end() -> None:
        over.set()
        teller.join()

    try:
        yield end
    finally:
        end()


def _tell(what: str, over: threading.Event) -> None:
    began, watched = time.monotonic(), sys.stderr.isatty()
    begin, last = (CLEAR_LINE, "") if watched else ("", " ...\n")
    while not over.wait(SECOND_S if watched else PERIOD_S):
        said = f"{begin}{what}: {time.monotonic() - began:.0f} s{last}"
        print(said, end="", file=sys.stderr, flush=True)
    print(begin, end="", file=sys.stderr, flush=True)

"""Random damages of files, and what may come of reading such a file: words, and soon."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DAMAGES = int(os.environ.get("ANYVIEW_FUZZ", "200"))
LIMIT_S = 25  # of a processor's time for one file: a loaded machine is no hang


def flip(content: bytearray, at: int, rng: random.Random) -> None:
    content[at] ^= 1 << rng.randrange(8)


def zero(content: bytearray, at: int, rng: random.Random) -> None:
    content[at : at + 512] = bytes(len(content[at : at + 512]))


def cut(content: bytearray, at: int, rng: random.Random) -> None:
    del content[at:]


def scramble(content: bytearray, at: int, rng: random.Random) -> None:
    for place in range(at, min(at + 64, len(content))):
        content[place] = rng.randrange(256)


def damage(content: bytearray, rng: random.Random) -> str:
    """Damage a file's content; returns how."""
    how, at = rng.choice((flip, flip, zero, cut, scramble)), rng.randrange(len(content))
    how(content, at, rng)
    return f"{how.__name__} at {at}"


class HangError(BaseException):
    """Not an Exception: nothing may take it for a damaged file."""


def hang(number: int, frame: FrameType | None) -> None:
    raise HangError


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Fail for any exception within, and for a hang; `what` was damaged."""
    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    except (Exception, HangError) as error:
        raise AssertionError(what) from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)

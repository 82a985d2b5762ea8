"""What is fuzzed, and what counts as a crash."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyview_ros.errors import AnyviewError
from tests.pages.error_meanings import MEANINGS

Read = Callable[[bytes], object]
MAX_MESSAGE = 4000  # characters that an error may have: it goes into a terminal and over DDS


@dataclass(frozen=True)
class Target:
    """A reader of bytes.

    Args:
        opened: returns the reader; it may keep files in the folder, which is in memory.
        seeds: of the real thing, made in a folder, by name.
        words: that stand in such files.
        is_json: whether values are mutated beside bytes.
        refusals: errors that the reader is documented to raise.
        max_bytes: of an input.
        limit_s: of a processor's time that one input may take.
        limit_bytes: of memory that one input may take.
    """

    opened: Callable[[Path], Read]
    seeds: Callable[[Path], dict[str, bytes]]
    words: tuple[str, ...] = ()
    is_json: bool = False
    refusals: tuple[type[Exception], ...] = (AnyviewError,)
    max_bytes: int = 4096
    limit_s: float = 5.0
    limit_bytes: int = 512 << 20


class CrashError(AssertionError):
    """Something that no input may bring about."""


def guarded(target: Target, folder: Path) -> Read:
    """Return a target's reader; it raises for all that counts as a crash, and for nothing else."""
    folder.mkdir(exist_ok=True)
    read = target.opened(folder)

    def once(content: bytes) -> None:
        began, held = time.process_time(), _peak_bytes()
        try:
            read(content)
        except target.refusals as error:
            _check_refusal(error)
        took_s, grown = time.process_time() - began, _peak_bytes() - held
        if took_s > target.limit_s:
            raise CrashError(f"{took_s:.1f} s of a processor, {target.limit_s:g} are allowed")
        if grown > target.limit_bytes:
            raise CrashError(f"{grown >> 20} MiB, {target.limit_bytes >> 20} are allowed")

    return once


def _check_refusal(error: Exception) -> None:
    if len(str(error)) > MAX_MESSAGE:
        raise CrashError(f"an error of {len(str(error))} characters: {str(error)[:200]}...")
    if isinstance(error, AnyviewError) and error.code not in MEANINGS:
        raise CrashError(f"an error of a code that no page explains: {error.code}")


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

"""Loops that numba compiles: once a machine where that can be kept, else once a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled at its first call; it lets other threads run."""
    try:
        kept: Callable[..., Any] = njit(fastmath=True, nogil=True, cache=True)(function)
    except RuntimeError:  # no folder that can be written to, neither beside the file nor the user's
        kept = njit(fastmath=True, nogil=True)(function)
    return kept

"""What a fault is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["held", "red", "skipped"]


@dataclass(frozen=True)
class Fault:
    """One fault, which may be done to a live node again and again.

    Args:
        name: as one types it.
        does: what it does, in words.
        inject: makes a context of the `Lab`: the fault begins with it, and ends with it.
        named_by: words of diagnostics of which one must come; empty: nothing is wrong with it that
            the node could know.
        lasts_s: seconds from its begin to its end; 0: it is over at once.
        within_s: allowed from its end until every camera shows what was sent after it, on top of
            twice the time that this takes undisturbed.
        asks: whether a clip is asked for meanwhile, which must be answered.
        ends_node: whether the node dies: what it was asked for is lost, a frame may be half sent.
        needs_rig: whether it is for the rig that the laboratory starts.
    """

    name: str
    does: str
    inject: Callable[[Any], AbstractContextManager[None]]
    named_by: tuple[str, ...] = ()
    lasts_s: float = 3.0
    within_s: float = 3.0
    asks: bool = True
    ends_node: bool = False
    needs_rig: bool = False


@dataclass(frozen=True)
class Outcome:
    """Hold what came of one fault.

    Args:
        broken: which promises were broken, in words.
        named: by which words diagnostics named it.
        recovery_s, allowed_s: from its end until all cameras were back; None where they never were,
            or there is nothing to come back.
        skipped: why it was not done; empty where it was.
    """

    name: str
    does: str
    broken: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    recovery_s: float | None = None
    allowed_s: float | None = None
    skipped: str = ""

    @property
    def verdict(self) -> Verdict:
        return "skipped" if self.skipped else "red" if self.broken else "held"

"""Outcomes as a table for people, and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from anyview_ros.chaos.command_faults import CommandFault
from anyview_ros.chaos.fault import Fault, Outcome
from anyview_ros.text_table import aligned

HEAD = ("FAULT", "PROMISES", "BACK AFTER", "ALLOWED", "NAMED BY")
NOTHING = "-"
WIDTH = 100


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return one line of the table."""
    return (
        outcome.name,
        outcome.verdict,
        _seconds(outcome.recovery_s),
        _seconds(outcome.allowed_s),
        ", ".join(outcome.named) or NOTHING,
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table, and below it what was broken or left out, and why."""
    lines = aligned([HEAD, *map(row, outcomes)], left=(0, 1, 4))
    for outcome in outcomes:
        for text in (*outcome.broken, *filter(None, [outcome.skipped])):
            lines += ["", *wrap(f"{outcome.name}: {text}", WIDTH, subsequent_indent="    ")]
    counts = dict.fromkeys(("held", "red", "skipped"), 0)
    for outcome in outcomes:
        counts[outcome.verdict] += 1
    return "\n".join([*lines, "", ", ".join(f"{count} {word}" for word, count in counts.items())])


def listing(faults: Sequence[Fault | CommandFault]) -> str:
    """Return the names of faults, and what they do."""
    return "\n".join(aligned([(fault.name, fault.does) for fault in faults], left=(0, 1)))


def content(outcomes: Sequence[Outcome], undisturbed_s: float) -> dict[str, Any]:
    """Return everything for programs."""
    return {
        "undisturbed_s": undisturbed_s,
        "outcomes": [
            {
                "fault": outcome.name,
                "does": outcome.does,
                "verdict": outcome.verdict,
                "recovery_s": outcome.recovery_s,
                "allowed_s": outcome.allowed_s,
                "named": list(outcome.named),
                "broken": list(outcome.broken),
                "skipped": outcome.skipped,
            }
            for outcome in outcomes
        ],
    }


def _seconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f} s"

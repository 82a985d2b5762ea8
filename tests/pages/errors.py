"""docs/errors.md: every error code of the source, what it means and what to do."""

from __future__ import annotations

import re

from anyview_ros.errors import RETRIES
from tests.pages.error_meanings import MEANINGS
from tests.remedies.collected import collect

CODE = re.compile(r"[a-z]+(_[a-z]+)+|busy|cancelled|inactive|timeout")
WITH_A_NAME = {"unknown_{}": ("unknown_kind", "unknown_speed", "unknown_split")}  # made as it runs
STAR = r" \*"
HEAD = """# Error codes

<!-- made by `python -m tests.pages`: edit tests/pages, not this file -->

An error has a code, which does not change its meaning, and a text with the figures of the case.
Services and the action answer both in `code` and `message`; diagnostics have them; a command prints
`error [code]: text` and ends with status 1.

Codes marked with a star may go away by themselves on a running node: continuous cameras try again.
All others need somebody to change something.

| code | what it means | what to do |
| --- | --- | --- |
"""


def codes() -> set[str]:
    """Return every code that the source raises; levels of findings are none."""
    found = {code for raised in collect() for code in raised.code.split(" | ")}
    named = {code for name in found & WITH_A_NAME.keys() for code in WITH_A_NAME[name]}
    return {code for code in found if CODE.fullmatch(code)} | named


def page() -> str:
    rows = [
        f"| `{code}`{STAR if code in RETRIES else ''} | {means} | {remedy} |"
        for code, (means, remedy) in sorted(MEANINGS.items())
    ]
    return HEAD + "\n".join(rows) + "\n"

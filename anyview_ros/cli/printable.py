"""Names come from files of others, and must not steer a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text of one line or several without control characters."""
    lines = text.split("\n")
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)

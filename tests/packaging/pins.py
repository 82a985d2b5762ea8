"""What requirements/ pins."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "requirements"
PINNED = sorted(file.stem for file in LISTS.glob("*.in"))
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)( ; (?P<marker>.*[^ \\]))?", re.M)


def pins(name: str) -> dict[tuple[str, str], str]:
    """(distribution, marker) -> version of a compiled list."""
    text = (LISTS / f"{name}.txt").read_text()
    return {(m["name"], m["marker"] or ""): m["version"] for m in PIN.finditer(text)}


def names(*lists: str) -> set[str]:
    """Return the distributions of lists that Linux installs."""
    found = {key for name in lists for key in pins(name)}
    return {distribution for distribution, marker in found if "win32" not in marker}

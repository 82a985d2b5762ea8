"""Pages of docs/ that are made from the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.pages import commands, errors, licences

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "commands.md": commands.page,
    DOCS / "errors.md": errors.page,
    DOCS / "licences.md": licences.page,
}

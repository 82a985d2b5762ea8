"""Scores and a picture, written into the package that they are about."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anyview_ros.evaluation.results import FIGURES, Table, cell, shown_figures
from anyview_ros.evaluation.seal import CARD, SHEET, seal
from anyview_ros.packages import ModelPackage

SCORES = re.compile(r"(<!-- scores -->\n).*?(<!-- /scores -->)", re.DOTALL)


def publish(package: ModelPackage, scores: dict[str, Any], sheet: Path) -> None:
    """Put the contact sheet and the scores into a package, and seal it.

    The card gets its tables where it has the comments `<!-- scores -->` and `<!-- /scores -->`.
    """
    shutil.copyfile(sheet, package.path / SHEET)
    card = package.path / CARD
    if card.is_file():
        tables = "\n".join(markdown(scores["kinds"]))
        card.write_text(SCORES.sub(rf"\g<1>{tables}\n\g<2>", card.read_text()))
    seal(package, scores)


def markdown(kinds: Mapping[str, Table]) -> Iterator[str]:
    """Lines of a table for each kind of world."""
    for kind, table in kinds.items():
        columns = shown_figures(table)
        yield from ("", f"| {kind} | {' | '.join(FIGURES[f] for f in columns)} |")
        yield f"| --- {'| --- ' * len(columns)}|"
        for method, row in table.items():
            yield f"| {method} | {' | '.join(cell(f, row.get(f)) for f in columns)} |"
    yield ""

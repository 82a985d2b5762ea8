"""Scores and a picture, written into the package that they are about."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyview_ros.evaluation.model_card import with_section
from anyview_ros.evaluation.results import rows
from anyview_ros.evaluation.seal import CARD, SHEET, seal
from anyview_ros.model.atomic_directory import replaced_directory
from anyview_ros.packages import ModelPackage
from anyview_ros.text_table import markdown

SECTION, TITLE = "scores", "Scores"


def publish(package: ModelPackage, scores: dict[str, Any], sheet: Path) -> str:
    """Put the contact sheet and the scores into a package, and seal it; all of that or nothing.

    A card gets a table for each kind of world, see `with_section`. Returns what became of the
    signature, as `seal` does.
    """
    with replaced_directory(package.path) as made:
        shutil.copyfile(sheet, made / SHEET)
        card = made / CARD
        if card.is_file():
            lines = [""]
            for kind, table in scores["kinds"].items():
                lines += [*markdown(rows(kind, table)), ""]
            card.write_text(with_section(card.read_text(), SECTION, TITLE, lines))
        return seal(replace(package, path=made), scores)

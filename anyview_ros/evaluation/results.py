"""Means over episodes, splits and groups, and where they are written.

The protocol's means: over the frames of an episode, the episodes of a split, the splits of a group,
and the groups, none of them weighted. Pose errors are medians over a split's episodes: where a
picture shows too little, the best match can be anywhere.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median
from typing import Any

from anyview_ros.evaluation.evaluation import DIGITS, Outcome, Row
from anyview_ros.evaluation.run import Plan, Results
from anyview_ros.text_table import aligned
from anyview_ros.whole_file import whole_file

FIGURES = {  # figure -> heading of the table, in its order
    "psnr": "PSNR dB",
    "covisible_psnr": "co-visible",
    "hidden_psnr": "hidden",
    "remembered_psnr": "remembered",
    "ssim": "SSIM",
    "perceptual": "perceptual",
    "sharpness": "sharpness",
    "covisible_sharpness": "sharp. seen",
    "unsteadiness": "unsteadiness",
    "seam_unsteadiness": "at seams",
    "rotation_deg": "turned deg",
    "translation_m": "moved m",
    "cost_db": "costs dB",
    "layout_psnr": "layout dB",
    "layout_correlation": "layout corr.",
}
IN_DB = ("psnr", "covisible_psnr", "hidden_psnr", "remembered_psnr", "cost_db", "layout_psnr")
MEDIANS = ("rotation_deg", "translation_m")
OVERALL = "all groups"

Table = dict[str, Row]


def summary(results: Results, groups: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Table]]:
    """Return figures by method: of every split, of every group, and over all groups."""
    by_split: dict[str, list[Outcome]] = {}
    for outcome in results.outcomes:
        by_split.setdefault(outcome.split, []).append(outcome)
    splits = {
        split: _combined([o.rows for o in outcomes], medians=True)
        for split, outcomes in by_split.items()
    }
    grouped = {
        group: _combined([splits[name] for name in names if name in splits])
        for group, names in groups.items()
        if any(name in splits for name in names)
    }
    return {"splits": splits, "groups": grouped, "mean": {OVERALL: _combined(grouped.values())}}


def _combined(tables: Iterable[Table], medians: bool = False) -> Table:
    """Return the tables' mean, cell by cell, over those that have the cell."""
    tables = list(tables)
    methods = list(dict.fromkeys(method for table in tables for method in table))
    return {m: _row([t[m] for t in tables if m in t], medians) for m in methods}


def _row(rows: Sequence[Row], medians: bool) -> Row:
    combined: Row = {}
    for figure in FIGURES:
        values = [v for row in rows if (v := row.get(figure)) is not None]
        mean = median if medians and figure in MEDIANS else fmean
        if values:
            combined[figure] = round(mean(values), DIGITS)
    return combined


def write(plan: Plan, results: Results, notes: Sequence[str]) -> dict[str, Any]:
    """Write results.json and results.csv; returns what the former holds."""
    content = {
        **plan.settings,
        **summary(results, plan.suite.groups),
        "notes": list(notes),
        "left_out": list(plan.suite.left_out),
        "failed": [asdict(failure) for failure in results.failures],
        "episodes": [asdict(outcome) for outcome in results.outcomes],
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with whole_file(plan.out / "results.json") as whole:
        whole.write_text(text)
    with whole_file(plan.out / "results.csv") as whole, whole.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "episode", "method", *FIGURES])
        for o in results.outcomes:
            for method, row in o.rows.items():
                writer.writerow([o.split, o.name, method, *(row.get(f) for f in FIGURES)])
    return content


def lines(content: Mapping[str, Any]) -> list[str]:
    """Return a table of every group for a terminal, and one over all where there are several."""
    tables = dict(content["groups"])
    if len(tables) > 1:
        tables |= content["mean"]
    return [line for name, table in tables.items() for line in (*aligned(rows(name, table)), "")]


def rows(name: str, table: Table) -> list[list[str]]:
    """Return the heading, then a row a method; figures that no method has are left out."""
    columns = [f for f in FIGURES if any(row.get(f) is not None for row in table.values())]
    cells = [[m, *(cell(f, row.get(f)) for f in columns)] for m, row in table.items()]
    return [[name, *(FIGURES[f] for f in columns)], *cells]


def cell(figure: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if figure in IN_DB else f"{value:.3f}"

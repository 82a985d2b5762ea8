"""The contact sheet of a run: a column for each of some episodes, a row for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from anyview_ros.footage.provenance import MIXED, save_picture
from anyview_ros.tools.bench.baselines import BASELINES, COPY
from anyview_ros.tools.bench.question import Images
from anyview_ros.tools.montage import fitted, grid, label

COLUMNS = 9
TILE = (200, 120)  # width and height in pixels
SIDE_WIDTH, HEAD_HEIGHT = 110, 40


def row_names(methods: Sequence[str]) -> list[str]:
    """Rows of a strip, for the methods of an episode."""
    return ["source", "generated", "truth", *(m for m in BASELINES if m in methods and m != COPY)]


def write_strip(file: Path, drawn: Images, truth: Images, made: Mapping[str, Images]) -> None:
    """The middle frames of an episode, one below another, in the order of `row_names`.

    Args:
        made: frames of the baselines.
    """
    k = len(truth) // 2
    by_name = {**made, "source": made[COPY], "generated": drawn, "truth": truth}
    tiles = [fitted(by_name[name][k], *TILE) for name in row_names(list(made))]
    save_picture(np.concatenate(tiles), file, MIXED)


def write_sheet(file: Path, strips: Mapping[str, Path], names: Sequence[str]) -> None:
    """Strips of episodes that are spread evenly over the run.

    Args:
        strips: file of each episode, by its name; all with the same rows.
        names: of the rows.
    """
    places = np.linspace(0, len(strips) - 1, min(COLUMNS, len(strips)))
    shown = [list(strips.items())[round(place)] for place in places]
    heads = [label(name.replace("_ep", "\n"), TILE[0], HEAD_HEIGHT) for name, _ in shown]
    rows = [[label("", SIDE_WIDTH, HEAD_HEIGHT), *heads]]
    columns = [np.split(np.asarray(Pillow.open(strip)), len(names)) for _, strip in shown]
    for k, name in enumerate(names):
        side = label(name.replace(" ", "\n"), SIDE_WIDTH, TILE[1])
        rows.append([side, *(column[k] for column in columns)])
    save_picture(grid(rows), file, MIXED)

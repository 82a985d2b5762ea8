"""The contact sheet of a run: a column for each of some episodes, a row for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from anyview_ros.evaluation.baselines import BASELINES, COPY
from anyview_ros.evaluation.task import Images
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.provenance import MIXED, save_picture

SOURCE, GENERATED, TRUTH = "source", "generated", "truth"
WITHOUT_MEMORY = "without memory"
COLUMNS = 9
TILE = (200, 120)  # width and height in pixels
SIDE_WIDTH, HEAD_HEIGHT = 110, 40


def row_names(methods: Sequence[str]) -> list[str]:
    """Return the rows of a strip, for the methods of an episode."""
    shown = [m for m in BASELINES if m in methods and m != COPY]
    return [SOURCE, GENERATED, *(m for m in (WITHOUT_MEMORY,) if m in methods), TRUTH, *shown]


def write_strip(file: Path, pictures: Mapping[str, Images]) -> None:
    """Write the middle frames of an episode, one below another, in the order of `row_names`.

    Args:
        pictures: (T, H, W, 3) by row; the copy of the source is the row `source`.
    """
    pictures = {SOURCE: pictures[COPY], **pictures}
    clips = [pictures[name] for name in row_names(list(pictures))]
    tiles = [fitted(clip[len(clip) // 2], *TILE) for clip in clips]
    save_picture(np.concatenate(tiles), file, MIXED)


def write_sheet(file: Path, strips: Mapping[str, tuple[Path, Sequence[str]]]) -> None:
    """Write strips of episodes that are spread evenly over the run.

    Args:
        strips: file and methods of each episode, by its name; a row that only others have is
            left empty.
    """
    places = np.linspace(0, len(strips) - 1, min(COLUMNS, len(strips)))
    shown = [list(strips.items())[round(place)] for place in places]
    names = row_names([method for _, (_, methods) in shown for method in methods])
    heads = [label(name.replace("_ep", "\n"), TILE[0], HEAD_HEIGHT) for name, _ in shown]
    columns = [_tiles(*strip) for _, strip in shown]
    rows = [[label("", SIDE_WIDTH, HEAD_HEIGHT), *heads]]
    for name in names:
        side = label(name.replace(" ", "\n"), SIDE_WIDTH, TILE[1])
        rows.append([side, *(column.get(name, fitted(None, *TILE)) for column in columns)])
    save_picture(grid(rows), file, MIXED)


def _tiles(strip: Path, methods: Sequence[str]) -> dict[str, Images]:
    names = row_names(methods)
    return dict(zip(names, np.split(np.asarray(Pillow.open(strip)), len(names)), strict=True))

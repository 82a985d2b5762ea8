"""What a recording shows: a contact sheet over time, and a video side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from anyview_ros.demo.comparison import Compared, Image
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.provenance import MIXED, WORDS, save_picture
from anyview_ros.media.video_writer import VideoWriter

COLUMNS = 6
KEPT = 10 * COLUMNS
SHEET_HEIGHT, VIDEO_HEIGHT = 144, 216  # of a tile, in pixels
SIDE_WIDTH = 110

Moment = tuple[Compared, ...]


class ContactSheet:
    """Rows of sources, and for each virtual camera of its frames and of the truth.

    Columns are spread evenly over the recording, however long it is: when `KEPT` moments are
    kept, every second one is dropped.

    Args:
        names: of the virtual cameras.
        with_truth: whether there is a row of truths.
    """

    def __init__(self, names: Sequence[str], with_truth: bool) -> None:
        self._names, self._with_truth = names, with_truth
        self._kept: list[Moment] = []
        self._stride, self._seen = 1, 0

    def add(self, moment: Moment) -> None:
        if self._seen % self._stride == 0:
            self._kept.append(moment)
        self._seen += 1
        if len(self._kept) > KEPT:
            self._kept, self._stride = self._kept[::2], 2 * self._stride

    @property
    def is_empty(self) -> bool:
        return not self._kept

    def write(self, file: Path) -> None:
        """Write a PNG: time goes to the right."""
        places = np.linspace(0, len(self._kept) - 1, min(COLUMNS, len(self._kept)))
        moments = [self._kept[round(place)] for place in places]
        tile = _tile(moments[0], SHEET_HEIGHT)
        times = [label(f"{m[0].stamp_ns / 1e9:.2f} s", tile[0]) for m in moments]
        # By label: cameras that share a source share its row.
        by_label = {
            text: images
            for name in self._names
            for text, images in _rows(name, moments, self._with_truth)
        }
        rows: list[list[Image]] = [[label("", SIDE_WIDTH), *times]]
        for text, images in by_label.items():
            side = label(text.replace(" ", "\n"), SIDE_WIDTH, tile[1])
            rows.append([side, *(fitted(image, *tile) for image in images)])
        save_picture(grid(rows), file, MIXED)


class ClipVideo:
    """sources | virtual | truth, a row for each virtual camera, at the pace of the stamps.

    Rows are as long as the longest of the first moment: those of fewer sources have empty tiles,
    and further sources are left out.

    Args:
        file: mp4, made with the first moment.
        names, with_truth: as `ContactSheet`.
    """

    def __init__(self, file: Path, names: Sequence[str], with_truth: bool) -> None:
        self._file, self._names, self._with_truth = file, names, with_truth
        self._writer: VideoWriter | None = None
        self._tile: tuple[int, int] | None = None
        self._sources = 0  # tiles for them in each row
        self._first_ns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.__exit__(*error)

    def add(self, moment: Moment) -> None:
        image = self._side_by_side(moment)
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            self._writer = VideoWriter(self._file, size, WORDS[MIXED])
            self._first_ns = moment[0].stamp_ns
        self._writer.write(image, moment[0].stamp_ns - self._first_ns)

    def _side_by_side(self, moment: Moment) -> Image:
        if self._tile is None:
            self._tile = _tile(moment, VIDEO_HEIGHT)
            self._sources = max(len(frame.sources) for frame in moment)
        tiles: list[list[Image]] = []
        for name in self._names:
            row = self._row(name, moment)
            tiles.append([label(text, self._tile[0]) for text, _ in row])
            tiles.append([fitted(image, *self._tile) for _, image in row])
        return grid(tiles)

    def _row(self, name: str, moment: Moment) -> list[tuple[str, Image | None]]:
        row = [(text, images[0]) for text, images in _rows(name, [moment], self._with_truth)]
        made = 2 if self._with_truth else 1  # behind the sources
        sources = row[:-made][: self._sources]
        empty: list[tuple[str, Image | None]] = [("", None)] * (self._sources - len(sources))
        return [*sources, *empty, *row[-made:]]


def _tile(moment: Moment, height: int) -> tuple[int, int]:
    """Return (width, height) of a tile in the shape of the virtual images."""
    rows, columns = moment[0].virtual.shape[:2]
    return round(height * columns / rows), height


def _rows(
    name: str, moments: Sequence[Moment], with_truth: bool
) -> Iterator[tuple[str, list[Image | None]]]:
    """Yield labels and images over time of sources, virtual camera and truth; None for a missing
    one."""
    frames = [next((f for f in moment if f.camera == name), None) for moment in moments]
    for source in dict.fromkeys(source for f in frames if f for source in f.sources):
        yield f"{source} (source)", [f.sources.get(source) if f else None for f in frames]
    yield f"{name} (virtual)", [f.virtual if f else None for f in frames]
    if with_truth:
        yield f"{name} (truth)", [f.truth if f else None for f in frames]

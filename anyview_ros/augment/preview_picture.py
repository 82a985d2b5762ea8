"""The picture of a preview: cameras over the rig, and one frame of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.preview import Preview, PreviewCamera
from anyview_ros.augment.sampling import Sampled
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.rig_plot import COLOURS, REAL, PlottedCamera, rig_plot

COLUMNS, TILE = 5, (252, 150)  # frames in a row; width and height in pixels
GAP, BAR = 4, 5
VIEW = (COLUMNS * (TILE[0] + GAP) - GAP, 400)  # both views together
LABEL_HEIGHT = 36


def picture(preview: Preview, samples: Sequence[Sampled]) -> NDArray[np.uint8]:
    """Return the picture, (H, W, 3) RGB.

    Args:
        samples: for their boxes and grounds, where they are meant in the frame of the preview.
    """
    rules = [s.sampler.reject for s in samples if s.sampler.parent_frame == preview.frame]
    boxes = [(rule.box.min, rule.box.max) for rule in rules if rule.box is not None]
    floors = [rule.below for rule in rules if rule.below is not None]
    colours = dict(zip((c.name for c in preview.virtual), itertools.cycle(COLOURS), strict=False))
    shown = [(camera, REAL) for camera in preview.real]
    shown += [(camera, colours[camera.name]) for camera in preview.virtual]
    plotted = [
        PlottedCamera(c.name, c.camera, c.frame_from_cam, colour)
        for c, colour in shown
        if c.camera is not None
    ]
    views = rig_plot(
        plotted,
        list(dict.fromkeys(boxes)),
        list(dict.fromkeys(floors)),
        preview.frame,
        ((VIEW[0] - GAP) // 2, VIEW[1]),
    )
    tiles = [_tile(camera, colour) for camera, colour in shown]
    rows: list[list[NDArray[np.uint8]]] = [[views]]
    for k in range(0, len(tiles), COLUMNS):
        row = tiles[k : k + COLUMNS]
        empty = [np.zeros_like(tiles[0]) + fitted(None, 1, 1)] * (COLUMNS - len(row))
        rows.append([*row, *empty])
    return grid(rows, gap=GAP)


def _tile(camera: PreviewCamera, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    bar = np.full((BAR, TILE[0], 3), colour, np.uint8)
    text = f"{camera.name}\n{camera.caption}"
    return np.concatenate([bar, label(text, TILE[0], LABEL_HEIGHT), fitted(camera.image, *TILE)])

"""Images side by side with labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from anyview_ros.imaging.resize import resize_image

Image = NDArray[np.uint8]

BACKGROUND = (24, 24, 28)
TEXT = (235, 235, 235)
LABEL_HEIGHT = 22
FONT_SIZE = 13


def fitted(image: Image | None, width: int, height: int) -> Image:
    """The image as large as fits, centred; an empty tile for None. (height, width, 3)."""
    tile = np.full((height, width, 3), BACKGROUND, np.uint8)
    if image is None:
        return tile
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width, inner_height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    tile[top : top + inner_height, left : left + inner_width] = resize_image(
        image, (inner_height, inner_width), "area"
    )
    return tile


def label(text: str, width: int, height: int = LABEL_HEIGHT) -> Image:
    """A strip of text, (height, width, 3), lines centred."""
    strip = Pillow.new("RGB", (width, height), BACKGROUND)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(FONT_SIZE)
    centre = (width // 2, height // 2)
    draw.multiline_text(centre, text, fill=TEXT, font=font, anchor="mm", align="center")
    return np.asarray(strip)


def grid(rows: Sequence[Sequence[Image]], gap: int = 4) -> Image:
    """Rows of tiles; tiles of a row have one height, all rows one width."""
    return _joined([_joined(row, axis=1, gap=gap) for row in rows], axis=0, gap=gap)


def _joined(tiles: Sequence[Image], axis: int, gap: int) -> Image:
    shape = list(tiles[0].shape)
    shape[axis] = gap
    space = np.full(shape, BACKGROUND, np.uint8)
    parts = [part for tile in tiles for part in (tile, space)][:-1]
    return np.concatenate(parts, axis=axis)

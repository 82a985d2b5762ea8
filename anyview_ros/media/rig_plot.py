"""Cameras over a rig, from above and from the side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from anyview_ros.frames import Camera
from anyview_ros.media.montage import BACKGROUND, TEXT, grid

FINE = 2  # drawn as many times larger, then reduced: lines are smooth
INK, FAINT, REAL = (160, 160, 168), (52, 52, 60), (245, 245, 245)
COLOURS = (
    *((92, 170, 255), (255, 140, 92), (110, 220, 130), (240, 120, 210), (250, 210, 80)),
    *((120, 225, 225), (190, 150, 255), (255, 110, 110)),
)
FAR_SHARE = 0.25  # of the longer side of the view that a frustum is long
MARGIN = 30  # pixels around what is shown
LEAST_EXTENT = 1.0  # metres
LINES = 8  # of the grid, about
VIEWS = (("from above", (0, 1)), ("from the right side", (0, 2)))  # axes to the right, and up
FONT_SIZE = 13

Corner = tuple[float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Place = Callable[[NDArray[np.float64]], list[tuple[float, float]]]


@dataclass(frozen=True, eq=False)
class PlottedCamera:
    """A camera of the plot.

    Args:
        frame_from_cam: (4, 4) in a frame whose x is ahead, y left, z up.
        colour: RGB.
    """

    name: str
    camera: Camera
    frame_from_cam: NDArray[np.float64]
    colour: tuple[int, int, int]


def rig_plot(
    cameras: Sequence[PlottedCamera],
    boxes: Sequence[tuple[Corner, Corner]],
    floors: Sequence[float],
    frame: str,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """Return the views beside each other, (H, W, 3) RGB.

    Args:
        boxes: two corners each.
        floors: heights of the ground, seen from the side.
        frame: its name.
        size: (width, height) of one view in pixels.
    """
    return grid([[_view(cameras, boxes, floors, frame, size, *view) for view in VIEWS]])


def _view(
    cameras: Sequence[PlottedCamera],
    boxes: Sequence[tuple[Corner, Corner]],
    floors: Sequence[float],
    frame: str,
    size: tuple[int, int],
    title: str,
    axes: tuple[int, int],
) -> NDArray[np.uint8]:
    width, height = FINE * size[0], FINE * size[1]
    picture = Pillow.new("RGB", (width, height), BACKGROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FINE * FONT_SIZE)
    centres = np.array([c.frame_from_cam[:3, 3] for c in cameras]).reshape(-1, 3)
    corners = np.array([corner for box in boxes for corner in box]).reshape(-1, 3)
    heights = np.array([[0.0, 0.0, floor] for floor in floors]).reshape(-1, 3)
    points = np.concatenate([centres, corners, *([heights] if axes[1] == 2 else [])])
    extent = max(LEAST_EXTENT, float(np.ptp(points[:, axes], axis=0).max()))
    far_m = FAR_SHARE * extent
    ends = np.concatenate([_far_corners(c, far_m) for c in cameras])
    shown = np.concatenate([points, ends])[:, axes]
    low, high = shown.min(axis=0), shown.max(axis=0)
    inner = np.array([width, height]) - 2 * FINE * MARGIN
    scale = float(np.min(inner / np.maximum(high - low, 0.5 * LEAST_EXTENT)))
    middle = (low + high) / 2

    def place(metres: NDArray[np.float64]) -> list[tuple[float, float]]:
        away = (np.atleast_2d(metres)[:, axes] - middle) * scale
        return [(width / 2 + x, height / 2 - y) for x, y in away.tolist()]

    _draw_grid(draw, font, (width, height), middle, scale)
    for box in boxes:
        (left, bottom), (right, top) = place(np.array(box))
        bounds = (left, top, right, bottom)
        draw.rectangle(bounds, outline=INK, fill=(36, 36, 42), width=FINE)
    if axes[1] == 2:
        for (_, y), floor in zip(place(heights) if floors else [], floors, strict=True):
            draw.line([(0, y), (width, y)], fill=(120, 100, 70), width=FINE)
            text = f"reject below {floor:g} m"
            draw.text((width - FINE * 6, y - FINE * 2), text, INK, font, anchor="rb")
    names = list[tuple[float, float, float, float]]()
    for camera in cameras:
        _frustum(draw, camera, place, far_m)
    for camera in cameras:
        _name(draw, font, camera, place, names)
    draw.text((FINE * 8, FINE * 6), f"{title}, in {frame}", TEXT, font)
    return np.asarray(picture.resize(size, Pillow.Resampling.BOX))


def _draw_grid(
    draw: ImageDraw.ImageDraw,
    font: Font,
    size: tuple[int, int],
    middle: NDArray[np.float64],
    scale: float,
) -> None:
    """Draw lines at round metres, and say at the border which."""
    span = size[0] / scale
    power = 10 ** math.floor(math.log10(span / LINES))
    step = min((power * k for k in (1, 2, 5, 10)), key=lambda s: abs(span / s - LINES))
    for axis in (0, 1):
        half = size[axis] / 2 / scale
        first, last = math.ceil((middle[axis] - half) / step), (middle[axis] + half) / step
        for k in range(first, math.floor(last) + 1):
            at = (k * step - middle[axis]) * scale
            at = size[0] / 2 + at if axis == 0 else size[1] / 2 - at
            line = [(at, 0), (at, size[1])] if axis == 0 else [(0, at), (size[0], at)]
            draw.line(line, fill=FAINT, width=FINE)
            if axis == 0 and FINE * 20 < at < size[0] - FINE * 20:
                draw.text((at, size[1] - FINE * 3), f"{k * step:g} m", INK, font, anchor="ms")
            if axis == 1 and FINE * 30 < at < size[1] - FINE * 20:
                draw.text((FINE * 4, at), f"{k * step:g}", INK, font, anchor="lm")


def _far_corners(camera: PlottedCamera, far_m: float) -> NDArray[np.float64]:
    """(4, 3) where the edges of the image are at a distance along the optical axis."""
    c = camera.camera
    x = np.array([-0.5, c.width - 0.5, c.width - 0.5, -0.5])
    y = np.array([-0.5, -0.5, c.height - 0.5, c.height - 0.5])
    rays = np.stack([(x - c.cx) / c.fx, (y - c.cy) / c.fy, np.ones(4)], axis=1)
    rays *= far_m / np.linalg.norm(rays, axis=1, keepdims=True)
    return np.asarray(rays @ camera.frame_from_cam[:3, :3].T + camera.frame_from_cam[:3, 3])


def _frustum(draw: ImageDraw.ImageDraw, camera: PlottedCamera, place: Place, far_m: float) -> None:
    (centre,) = place(camera.frame_from_cam[:3, 3])
    far = place(_far_corners(camera, far_m))
    for corner in far:
        draw.line([centre, corner], fill=camera.colour, width=FINE)
    draw.line([*far, far[0]], fill=camera.colour, width=FINE)
    radius = FINE * 4
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=camera.colour)


def _name(
    draw: ImageDraw.ImageDraw,
    font: Font,
    camera: PlottedCamera,
    place: Place,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write the name beside the centre, where no other name is."""
    ((x, y),) = place(camera.frame_from_cam[:3, 3])
    side, over = FINE * 8, FINE * 14
    places = [(x - side, y, "rm"), (x + side, y, "lm")]
    for k in (1, 2, 3):
        places += [(x, y - k * over, "mm"), (x, y + k * over, "mm")]

    def is_free(at: tuple[float, float, str]) -> bool:
        a, b, c, d = draw.textbbox(at[:2], camera.name, font, anchor=at[2])
        return not any(
            a < right and left < c and b < low and top < d for left, top, right, low in taken
        )

    best = next(filter(is_free, places), places[0])
    taken.append(draw.textbbox(best[:2], camera.name, font, anchor=best[2]))
    draw.text(
        best[:2],
        camera.name,
        camera.colour,
        font,
        anchor=best[2],
        stroke_width=FINE,
        stroke_fill=BACKGROUND,
    )

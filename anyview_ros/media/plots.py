"""Line plots as images, for reports and benchmarks; nothing but OpenCV is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (255, 127, 14), (148, 103, 189))
INK, FAINT = (60, 60, 60), (225, 225, 225)
MARGIN = (34, 16, 30, 52)  # pixels above, right of, below and left of the curves
FONT = cv2.FONT_HERSHEY_SIMPLEX
LINES = 5

Curve = Sequence[tuple[float, float]]


def line_plot(
    curves: Mapping[str, Curve],
    title: str,
    size: tuple[int, int] = (900, 260),
    marks: Sequence[float] = (),
) -> NDArray[np.uint8]:
    """Curves over a common axis, (H, W, 3) uint8 RGB.

    Args:
        curves: points (x, y) by the name shown; values that are not finite are left out.
        size: (width, height) in pixels.
        marks: x of faint vertical lines.
    """
    width, height = size
    image = np.full((height, width, 3), 255, np.uint8)
    points = {
        name: np.array([p for p in curve if np.isfinite(p).all()], np.float64).reshape(-1, 2)
        for name, curve in curves.items()
    }
    everything = np.concatenate([*points.values(), np.empty((0, 2))])
    _text(image, title, (MARGIN[3], 14), INK)
    if not len(everything):
        return image
    low, high = everything.min(axis=0), everything.max(axis=0)
    high = np.where(high > low, high, low + 1)

    def place(values: NDArray[np.float64]) -> NDArray[np.int32]:
        share = (values - low) / (high - low)
        x = MARGIN[3] + share[:, 0] * (width - MARGIN[1] - MARGIN[3])
        y = height - MARGIN[2] - share[:, 1] * (height - MARGIN[0] - MARGIN[2])
        return np.stack([x, y], axis=1).round().astype(np.int32)

    _axes(image, place, low, high, marks)
    for k, (name, curve) in enumerate(points.items()):
        colour = COLOURS[k % len(COLOURS)]
        cv2.polylines(image, [place(curve)], False, colour, 1, cv2.LINE_AA)
        _text(image, name, (MARGIN[3] + 8 + 150 * k, 28), colour)
    return image


def _axes(image, place, low, high, marks) -> None:  # type: ignore[no-untyped-def]
    for mark in marks:
        ends = place(np.array([[mark, low[1]], [mark, high[1]]]))
        cv2.line(image, ends[0].tolist(), ends[1].tolist(), FAINT, 1)
    for share in np.linspace(0, 1, LINES):
        value = low + share * (high - low)
        left, right = place(np.array([[low[0], value[1]], [high[0], value[1]]])).tolist()
        cv2.line(image, left, right, FAINT, 1)
        _text(image, f"{value[1]:.3g}", (4, left[1] + 4), INK)
        below = place(np.array([[value[0], low[1]]]))[0].tolist()
        words = f"{value[0]:.4g}"
        _text(
            image, words, (min(below[0] - 10, image.shape[1] - 8 * len(words)), below[1] + 18), INK
        )


def _text(
    image: NDArray[np.uint8], words: str, at: tuple[int, int], colour: tuple[int, ...]
) -> None:
    cv2.putText(image, words, at, FONT, 0.42, colour, 1, cv2.LINE_AA)

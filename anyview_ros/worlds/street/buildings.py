"""Houses along the street and what stands behind them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import AWNINGS, CONCRETE, ROOFS, TRIMS, WALLS, Color, pick
from anyview_ros.worlds.render.facades import STOREY
from anyview_ros.worlds.render.scene import FACADE, ROOF, STRIPES, Finish, Rows, box

Floats = NDArray[np.float64]

GABLE = np.array(  # a box turned by 45 degrees about x: its upper half is a pitched roof
    [[1.0, 0.0, 0.0], [0.0, np.sqrt(0.5), -np.sqrt(0.5)], [0.0, np.sqrt(0.5), np.sqrt(0.5)]]
)
QUARTER_TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def building(
    rng: Generator, x: tuple[float, float], y: tuple[float, float], storeys: tuple[int, int]
) -> Rows:
    """A house on the rectangle x by y (metres), with a flat roof and parapet or a gable."""
    half = np.array([0.5 * (x[1] - x[0]), 0.5 * (y[1] - y[0]), 0.0])
    half[2] = 0.5 * (int(rng.integers(*storeys, endpoint=True)) * STOREY + 0.6)
    middle = np.array([0.5 * (x[0] + x[1]), 0.5 * (y[0] + y[1]), half[2]])
    wall, trim = pick(rng, WALLS), pick(rng, TRIMS)
    finish = Finish(wall, trim, FACADE, rng.uniform(2.0, 3.4), int(rng.integers(1, 9999)), 1.0)
    rows = [box(middle, half, finish)]
    top = 2 * half[2]
    if half[2] < 2 * STOREY and min(half[:2]) < 5.0 and rng.random() < 0.7:
        rows.append(_gable(rng, middle, half, wall))
    else:
        cornice = (half[0] + 0.15, half[1] + 0.15, 0.18)
        rows.append(box((middle[0], middle[1], top - 0.1), cornice, Finish(trim * 0.8)))
    return np.stack(rows)


def awning(rng: Generator, x: tuple[float, float], y: float, outwards: float) -> Rows:
    """(1, COLUMNS): a striped awning above a shop, `outwards` (+1 or -1) along y."""
    center = (0.5 * (x[0] + x[1]), y + outwards * 0.55, 2.75)
    tilt = outwards * 0.35
    rotation = np.array(
        [[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]]
    )
    finish = Finish(pick(rng, AWNINGS), CONCRETE, STRIPES, rng.uniform(0.25, 0.6))
    return box(center, (0.5 * (x[1] - x[0]), 0.6, 0.03), finish, rotation)[None]


def _gable(rng: Generator, middle: Floats, half: Floats, wall: Color) -> Rows:
    """Ridge along the longer side; the box's lower half is hidden within the house."""
    along_x = half[0] >= half[1]
    across = min(half[0], half[1]) + 0.25
    size = (max(half[0], half[1]) + 0.15, across * np.sqrt(0.5), across * np.sqrt(0.5))
    rotation = GABLE if along_x else QUARTER_TURN @ GABLE
    finish = Finish(pick(rng, ROOFS), wall, material=ROOF)
    return box((middle[0], middle[1], 2 * half[2]), size, finish, rotation)

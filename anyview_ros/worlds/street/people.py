"""Pedestrians: rows of primitives in the walker's frame (x forward, y left, ground z=0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import CLOTHES, HAIR, SKIN, TROUSERS, pick
from anyview_ros.worlds.render.scene import (
    CENTER,
    CYLINDER,
    HALF,
    NOISE,
    RADIUS,
    Finish,
    Rows,
    box,
    ellipsoid,
    primitive,
)

HIP, SHOULDER, KNEE = 0.86, 1.42, 0.46  # metres above ground of a person 1.75 m tall
STRIDE = 3.6  # radians of a gait cycle for each metre walked
LEG_SWING, ARM_SWING = 0.5, 0.42  # radians


@dataclass(frozen=True)
class Person:
    """Rows at rest, and for each row the point it swings about and how far (radians)."""

    rows: Rows
    pivots: NDArray[np.float64]
    swings: NDArray[np.float64]


def random_person(rng: Generator) -> Person:
    """An adult or a child, some with a bag; 8 or 9 primitives."""
    skin, hair = Finish(pick(rng, SKIN)), Finish(pick(rng, HAIR))
    top = Finish(pick(rng, CLOTHES), material=NOISE, scale=0.2, seed=int(rng.integers(999)))
    legs = Finish(pick(rng, TROUSERS))
    parts = [
        (ellipsoid((0.01, 0, 1.61), (0.1, 0.085, 0.13), skin), HIP, 0.0),
        (ellipsoid((-0.02, 0, 1.65), (0.105, 0.095, 0.12), hair), HIP, 0.0),
        (ellipsoid((0, 0, 1.2), (0.14, 0.22, 0.34), top), HIP, 0.0),
        (_limb(0.0, 0.95, 0.75, (0.13, 0.17), legs), HIP, 0.0),
    ]
    for side in (-1.0, 1.0):
        parts += [
            (_limb(side * 0.1, HIP, 0.02, (0.085, 0.08), legs), HIP, side * LEG_SWING),
            (_limb(side * 0.26, SHOULDER, 0.8, (0.055, 0.055), top), SHOULDER, -side * ARM_SWING),
        ]
    if rng.random() < 0.35:
        bag = Finish(pick(rng, CLOTHES))
        parts.append((box((-0.2, 0, 1.2), (0.09, 0.15, 0.22), bag), HIP, 0.0))
    size = rng.uniform(0.9, 1.08) if rng.random() < 0.85 else rng.uniform(0.62, 0.8)
    return _scaled(parts, float(size))


def _limb(y: float, high: float, low: float, radii: tuple[float, float], finish: Finish) -> Rows:
    half = (*radii, 0.5 * (high - low))
    return primitive(CYLINDER, (0, y, 0.5 * (high + low)), half, finish)


def _scaled(parts: list[tuple[Rows, float, float]], size: float) -> Person:
    rows = np.stack([row for row, _, _ in parts])
    pivots = np.zeros((len(rows), 3))
    pivots[:, 2] = [size * height for _, height, _ in parts]
    rows[:, CENTER : CENTER + 3] *= size
    rows[:, HALF : HALF + 3] *= size
    rows[:, RADIUS] *= size
    return Person(rows, pivots, np.array([swing for _, _, swing in parts]))

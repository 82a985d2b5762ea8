"""A thing that stands or lies on a table: rows in its own frame, z up from the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import pick
from anyview_ros.worlds.render.scene import (
    CENTER,
    CHECKS,
    DOTS,
    HALF,
    PLAIN,
    RADIUS,
    RUG,
    STRIPES,
    WOOD,
    Finish,
    Rows,
)


@dataclass(frozen=True)
class Thing:
    """Metres.

    Args:
        rows: (N, COLUMNS).
        radius: of the circle around the foot that nothing else may enter.
        grip: (width along y, height) where fingers can close; None where they cannot.
    """

    rows: Rows
    radius: float
    grip: tuple[float, float] | None = None

    def sized(self, size: float) -> Thing:
        """The same, larger or smaller; a pattern keeps its scale."""
        grip = (size * self.grip[0], size * self.grip[1]) if self.grip else None
        rows = self.rows.copy()
        for column, width in ((CENTER, 3), (HALF, 3), (RADIUS, 1)):
            rows[:, column : column + width] *= size
        return Thing(rows, size * self.radius, grip)


def made(rows: Sequence[Rows], radius: float, grip: tuple[float, float] | None = None) -> Thing:
    return Thing(np.stack(rows), radius, grip)


def printed(rng: Generator, palette: NDArray[np.float64], gloss: float = 0.1) -> Finish:
    """Plain or with a pattern of a size that can be seen."""
    material = int(rng.choice([PLAIN, CHECKS, STRIPES, DOTS, RUG, WOOD]))
    color, accent = pick(rng, palette), pick(rng, palette)
    scale = rng.uniform(0.014, 0.026)
    return Finish(color, accent, material, scale, int(rng.integers(999)), gloss)


def moved(rows: Sequence[Rows], offset: tuple[float, float, float]) -> list[Rows]:
    copies = [row.copy() for row in rows]
    for row in copies:
        row[CENTER : CENTER + 3] += np.asarray(offset, np.float32)
    return copies

"""Things on a table: they stand on it, keep to their circle, and fit between the fingers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from anyview_ros.worlds.render.scene import BOX, CENTER, ELLIPSOID, HALF, ROTATION, SHAPE
from anyview_ros.worlds.table.thing import Thing
from anyview_ros.worlds.table.things import GRASPABLE, KINDS, turntable
from anyview_ros.worlds.table.toys import rolling_ball
from tests.worlds.reference import inside

ALL = sorted({*KINDS, rolling_ball, turntable}, key=lambda kind: kind.__name__)


def extents(thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of the box around all primitives, (3,) metres."""
    rows = thing.rows.astype(np.float64)
    turned = rows[:, ROTATION : ROTATION + 9].reshape(-1, 3, 3) * rows[:, None, HALF : HALF + 3]
    reach = np.empty((len(rows), 3))
    for k, row in enumerate(rows):
        if row[SHAPE] == BOX:
            reach[k] = np.abs(turned[k]).sum(axis=1)
        elif row[SHAPE] == ELLIPSOID:
            reach[k] = np.linalg.norm(turned[k], axis=1)
        else:
            reach[k] = np.linalg.norm(turned[k][:, :2], axis=1) + np.abs(turned[k][:, 2])
    centers = rows[:, CENTER : CENTER + 3]
    return (centers - reach).min(axis=0), (centers + reach).max(axis=0)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_it_stands_on_the_table_within_its_circle(kind: Callable[[Generator], Thing]) -> None:
    for seed in range(20):
        thing = kind(np.random.default_rng(seed)).sized(1.0 + 0.02 * seed)
        low, high = extents(thing)
        assert low[2] == pytest.approx(0.0, abs=0.0025)
        assert 0.012 < high[2] < 0.4
        assert max(-low[0], high[0], -low[1], high[1]) < 1.2 * thing.radius + 0.005


@pytest.mark.parametrize("kind", GRASPABLE, ids=lambda kind: kind.__name__)
def test_the_fingers_close_beside_it_and_not_in_it(kind: Callable[[Generator], Thing]) -> None:
    for seed in range(20):
        thing = kind(np.random.default_rng(seed)).sized(1.25)
        assert thing.grip is not None
        width, height = thing.grip
        low, high = extents(thing)
        assert 0.01 < width < 0.12
        assert low[2] < height < high[2]
        x, z = np.meshgrid(np.linspace(-0.01, 0.01, 5), height + np.linspace(-0.012, 0.012, 5))
        for side in (-1.0, 1.0):
            finger = np.stack([x, np.full_like(x, side * (0.5 * width + 0.003)), z], axis=-1)
            middle = np.array([0.0, side * (0.5 * width - 0.006), height])
            assert not any(inside(row, finger).any() for row in thing.rows)
            assert any(inside(row, middle) for row in thing.rows)  # and they do touch it

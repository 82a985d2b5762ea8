"""Each primitive's entry distance and normal against marching and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.worlds.render.scene import (
    BOX,
    CENTER,
    CYLINDER,
    ELLIPSOID,
    HALF,
    RADIUS,
    SHAPE,
    Finish,
    bounding_groups,
    primitive,
    rod,
)
from anyview_ros.worlds.render.shapes import (
    MISS,
    box_entry,
    cylinder_entry,
    ellipsoid_entry,
    local_normal,
)
from tests.worlds.reference import STEP, first_inside, inside, random_primitive

ENTRIES = {BOX: box_entry, ELLIPSOID: ellipsoid_entry, CYLINDER: cylinder_entry}
F = np.float32


def floats(values: np.ndarray) -> tuple[np.float32, np.float32, np.float32]:
    x, y, z = (F(v) for v in values)
    return x, y, z


@pytest.mark.parametrize("shape", ENTRIES)
def test_entry_is_where_marching_first_is_inside(shape: int) -> None:
    rng = np.random.default_rng(shape)
    hits = 0
    for _ in range(150):
        half = rng.uniform(0.2, 1.0, 3)
        row = primitive(shape, (0, 0, 0), half, Finish())
        origin = rng.normal(size=3)
        origin *= 3.0 / np.linalg.norm(origin)
        direction = rng.uniform(-0.8, 0.8, 3) - origin
        direction /= np.linalg.norm(direction)
        t, axis = ENTRIES[shape](floats(origin), floats(direction), floats(half))
        true = first_inside(row, origin, direction, 6.0)
        if np.isfinite(true):
            hits += 1
            assert t == pytest.approx(true, abs=2 * STEP)
            point = origin + float(t) * direction
            normal = local_normal(shape, axis, tuple(point), tuple(direction), tuple(half))
            assert np.linalg.norm(normal) == pytest.approx(1.0, abs=1e-5)
            assert np.dot(normal, direction) < 1e-3
            assert not inside(row, point + 2e-3 * np.array(normal))
        else:
            # A graze shorter than a step may be found by the exact test alone.
            assert t == MISS or not inside(row, origin + (float(t) + STEP) * direction)
    assert hits > 60


@pytest.mark.parametrize("shape", ENTRIES)
def test_a_ray_that_starts_inside_or_leads_away_misses(shape: int) -> None:
    half = (F(1.0), F(0.5), F(0.7))
    assert ENTRIES[shape]((F(0.1), F(0.1), F(0.1)), (F(1), F(0), F(0)), half)[0] == MISS
    assert ENTRIES[shape]((F(3.0), F(0.1), F(0.1)), (F(1), F(0), F(0)), half)[0] == MISS


@pytest.mark.parametrize("shape", ENTRIES)
def test_rays_along_an_axis_have_no_division_trouble(shape: int) -> None:
    half = (F(1.0), F(0.5), F(0.7))
    for axis in range(3):
        direction, origin = [F(0)] * 3, [F(0.05)] * 3
        direction[axis], origin[axis] = F(-1), F(4)
        t, _ = ENTRIES[shape](tuple(origin), tuple(direction), half)
        assert t == pytest.approx(4 - half[axis], abs=0.02)


def test_bounding_balls_hold_their_primitives() -> None:
    rng = np.random.default_rng(4)
    rows = np.stack([random_primitive(rng, rng.uniform(-3, 3, 3), 1.0) for _ in range(40)])
    for row in rows:
        ball = rng.normal(size=(400, 3))
        ball *= row[RADIUS] / np.linalg.norm(ball, axis=1, keepdims=True)
        assert not inside(row, row[CENTER : CENTER + 3] + ball).any()
        assert row[RADIUS] <= 1.01 * np.linalg.norm(row[HALF : HALF + 3])
    for group in bounding_groups(rows, [7, 13, 20]):
        first, last = int(group[4]), int(group[5])
        reach = np.linalg.norm(rows[first:last, CENTER : CENTER + 3] - group[:3], axis=1)
        assert (reach + rows[first:last, RADIUS] <= group[3]).all()


def test_a_rod_joins_its_ends() -> None:
    row = rod((1, 2, 3), (2, 4, 1), 0.2, Finish())
    assert row[SHAPE] == CYLINDER
    for share in (0.01, 0.5, 0.99):
        assert inside(row, np.array([1, 2, 3]) + share * np.array([1, 2, -2]))
    assert not inside(row, np.array([1, 2, 3]) - 0.05 * np.array([1, 2, -2]))

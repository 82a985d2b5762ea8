"""Slow, obvious answers for what a ray meets: march along it and look which points lie inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.worlds.render import scene as columns
from anyview_ros.worlds.render.scene import (
    BOX,
    CENTER,
    COLUMNS,
    CYLINDER,
    ELLIPSOID,
    ENVIRONMENT_COLUMNS,
    HALF,
    ROTATION,
    SHAPE,
    Finish,
    Rows,
    Scene,
    bounding_groups,
    primitive,
)

Floats = NDArray[np.float64]
STEP = 0.01  # metres; thinner grazes than this may be missed


def inside(row: Rows, points: Floats) -> NDArray[np.bool_]:
    """Which of (..., 3) points in the world lie inside a primitive."""
    rotation = row[ROTATION : ROTATION + 9].reshape(3, 3).astype(np.float64)
    local = (points - row[CENTER : CENTER + 3]) @ rotation / row[HALF : HALF + 3]
    shape = int(row[SHAPE])
    if shape == BOX:
        return np.abs(local).max(axis=-1) < 1
    if shape == ELLIPSOID:
        return (local**2).sum(axis=-1) < 1
    assert shape == CYLINDER
    return ((local[..., :2] ** 2).sum(axis=-1) < 1) & (np.abs(local[..., 2]) < 1)


def first_inside(row: Rows, origin: Floats, direction: Floats, reach: float) -> float:
    """Distance at which a ray from outside enters a primitive; inf when it does not."""
    distances = np.arange(0.0, reach, STEP)
    found = inside(row, origin + distances[:, None] * direction)
    if not found.any():
        return float("inf")
    return float(distances[found.argmax()])


def random_primitive(rng: np.random.Generator, center: Floats, size: float) -> Rows:
    """Any shape, any orientation, half sizes of 0.3 to 1 times `size`."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    half = rng.uniform(0.3, 1.0, 3) * size
    color = rng.uniform(0.1, 0.9, 3)
    return primitive(int(rng.integers(3)), center, half, Finish(color), rotation)


def noon(rows: Rows, sizes: list[int]) -> Scene:
    """A scene without a street's layout: grey ground, a high sun, no haze to speak of."""
    e = np.zeros(ENVIRONMENT_COLUMNS, np.float32)
    e[columns.SUN : columns.SUN + 3] = np.array([0.3, -0.4, 0.8]) / np.linalg.norm([0.3, -0.4, 0.8])
    e[columns.SUNLIGHT : columns.SUNLIGHT + 3] = 1.0
    e[columns.ZENITH : columns.ZENITH + 3] = 0.3
    e[columns.HORIZON : columns.HORIZON + 3] = 0.5
    e[columns.HAZE_RANGE], e[columns.AMBIENT], e[columns.EXPOSURE] = 1e4, 0.5, 1.0
    e[columns.OCCLUSION] = 1.2
    e[columns.ASPHALT : columns.ASPHALT + 3] = 0.2
    # All is road: no side street for a kilometre and a street wider than any view.
    e[columns.BLOCK], e[columns.ROAD_HALF], e[columns.LANE_WIDTH] = 2000.0, 1000.0, 3.0
    return Scene(rows.reshape(-1, COLUMNS), bounding_groups(rows.reshape(-1, COLUMNS), sizes), e)

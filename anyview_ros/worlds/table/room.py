"""The room around the table: table, walls with what hangs on them, furniture, floor and light.

z = 0 is the top of the table; the arm's base stands on it at the origin.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import (
    CERAMICS,
    FABRICS,
    LEAVES,
    ROOM_PAINTS,
    STONES,
    TIMBERS,
    TOYS,
    TRIMS,
    WALLS,
    pick,
)
from anyview_ros.worlds.render import scene
from anyview_ros.worlds.render.scene import (
    BRICK,
    CHECKS,
    DOTS,
    FOLIAGE,
    GINGHAM,
    GROUP_CASTS,
    MARBLE,
    NOISE,
    PICTURE,
    RUG,
    STANDS,
    STRIPES,
    TERRAZZO,
    TILES,
    VESSEL,
    WOOD,
    Finish,
    Rows,
    bounding_groups,
    box,
    ellipsoid,
    rod,
)

WORKSPACE = np.array([0.42, 0.0, 0.05])  # what cameras look at: the middle of where things are


def table(rng: Generator) -> tuple[Rows, float]:
    """Rows of the table, and the height of the floor below it (negative).

    Rectangular or round, on legs or a column, bare or with a cloth.
    """
    floor = -rng.uniform(0.68, 0.85)
    top = _table_top(rng)
    middle, thick = 0.42 + rng.uniform(-0.04, 0.1), 0.018
    timber = Finish(pick(rng, TIMBERS), pick(rng, TIMBERS) * 0.7, WOOD, 0.06)
    if rng.random() < 0.25:
        radius = rng.uniform(0.68, 0.85)
        rows = [rod((middle, 0, -2 * thick), (middle, 0, 0), radius, top)]
        rows.append(rod((middle, 0, floor), (middle, 0, -thick), 0.07, timber))
        rows.append(rod((middle, 0, floor), (middle, 0, floor + 0.03), 0.35, timber))
    else:
        half = np.array([rng.uniform(0.56, 0.72), rng.uniform(0.5, 0.9), thick])
        rows = [box((middle, 0, -thick), half, top)]
        for x in (-0.9, 0.9):
            for y in (-0.9, 0.9):
                foot = np.array([middle + x * half[0], y * half[1]])
                rows.append(rod((*foot, floor), (*foot, -thick), 0.03, timber))
    return np.stack(rows), floor


def _table_top(rng: Generator) -> Finish:
    kind = int(rng.choice([WOOD, WOOD, WOOD, MARBLE, CHECKS, GINGHAM, RUG, NOISE, TERRAZZO, DOTS]))
    palette = {WOOD: TIMBERS, MARBLE: STONES, TERRAZZO: STONES}.get(kind, FABRICS)
    color, accent = pick(rng, palette), pick(rng, palette)
    if kind == WOOD:
        accent = 0.65 * color
    low, high = {
        WOOD: (0.08, 0.16),
        MARBLE: (0.3, 0.6),
        CHECKS: (0.05, 0.12),
        DOTS: (0.06, 0.1),
    }.get(kind, (0.03, 0.07))
    gloss = rng.uniform(0.0, 0.3) if kind in (WOOD, MARBLE, TERRAZZO) else 0.0
    return Finish(color, accent, kind, rng.uniform(low, high), int(rng.integers(999)), gloss)


def room(rng: Generator, floor: float) -> tuple[Rows, Rows]:
    """(rows, groups) of four walls and what stands along them; walls cast no shadow."""
    low = WORKSPACE[:2] - rng.uniform(1.75, 3.2, 2)
    high = WORKSPACE[:2] + rng.uniform(1.75, 3.2, 2)
    ceiling = rng.uniform(1.5, 2.1)
    walls = _walls(rng, low, high, floor, ceiling)
    things = [_furniture(rng, low, high, floor, side) for side in range(4)]
    things += [_pictures(rng, low, high, side) for side in range(4)]
    things = [thing for thing in things if len(thing)]
    rows = np.concatenate([*walls, *things])
    rows[:, STANDS] = floor
    sizes = [len(part) for part in (*walls, *things)]
    groups = bounding_groups(rows, sizes)
    groups[: len(walls), GROUP_CASTS] = 0.0
    return rows, groups


Corner = NDArray[np.float64]


def _walls(rng: Generator, low: Corner, high: Corner, floor: float, ceiling: float) -> list[Rows]:
    finishes = [_wall_finish(rng)] * 4
    finishes[rng.integers(4)] = _wall_finish(rng)  # one is of another kind
    middle, half = 0.5 * (low + high), 0.5 * (high - low) + 0.1
    z, tall = 0.5 * (floor + ceiling), 0.5 * (ceiling - floor)
    walls = []
    for side, finish in enumerate(finishes):
        axis, edge = side // 2, (low, high)[side % 2]
        center, size = np.array([*middle, z]), np.array([*half, tall])
        center[axis], size[axis] = edge[axis] + (0.05 if side % 2 else -0.05), 0.05
        walls.append(box(center, size, finish)[None])
    return walls


def _wall_finish(rng: Generator) -> Finish:
    kind = int(rng.choice([NOISE, NOISE, NOISE, STRIPES, BRICK, TILES, WOOD, DOTS]))
    seed = int(rng.integers(999))
    if kind == BRICK:
        return Finish(pick(rng, WALLS), pick(rng, TRIMS), BRICK, rng.uniform(0.22, 0.3), seed)
    if kind == WOOD:
        color = pick(rng, TIMBERS)
        return Finish(color, 0.7 * color, WOOD, rng.uniform(0.12, 0.25), seed)
    color = pick(rng, ROOM_PAINTS)
    if kind == NOISE:
        return Finish(color, color, NOISE, 2.5, seed)
    accent = color * rng.uniform(0.55, 0.8) if rng.random() < 0.6 else pick(rng, ROOM_PAINTS)
    return Finish(color, accent, kind, rng.uniform(0.12, 0.3), seed)


def _along(low: Corner, high: Corner, side: int, share: float, away: float) -> Corner:
    """(2,) a point `away` metres in front of a wall, at a share of its length."""
    axis = side // 2
    point = low + share * (high - low)
    point[axis] = high[axis] - away if side % 2 else low[axis] + away
    return point


def _furniture(rng: Generator, low: Corner, high: Corner, floor: float, side: int) -> Rows:
    """A cupboard, shelves or a plant before a wall; or nothing."""
    kind = rng.choice(4)
    along = np.array([0.0, 1.0]) if side < 2 else np.array([1.0, 0.0])
    color = pick(rng, TIMBERS if rng.random() < 0.5 else ROOM_PAINTS)
    seed, share = int(rng.integers(999)), rng.uniform(0.25, 0.75)
    if kind == 0:
        wide, tall = rng.uniform(0.35, 0.7), rng.uniform(0.4, 1.0)
        at = _along(low, high, side, share, 0.22)
        half = (*(along * wide + (1 - along) * 0.2), tall)
        doors = Finish(color, 0.5 * color, TILES, rng.uniform(0.35, 0.5), seed)
        return box((*at, floor + tall), half, doors)[None]
    if kind == 1:
        return _shelves(rng, low, high, side, share, Finish(color, 0.7 * color, WOOD, 0.1))
    if kind == 2:
        at, leaf = _along(low, high, side, share, 0.35), pick(rng, LEAVES)
        pot = Finish(pick(rng, CERAMICS), (0.05, 0.04, 0.03), VESSEL)
        rows = [rod((*at, floor), (*at, floor + 0.35), 0.17, pot)]
        for _ in range(4):
            crown = np.array([*at, floor]) + rng.uniform((-0.15, -0.15, 0.45), (0.15, 0.15, 1.1))
            finish = Finish(leaf, 0.3 * leaf, FOLIAGE, rng.uniform(3.0, 5.0), seed)
            size = rng.uniform(0.15, 0.28, 3)
            rows.append(ellipsoid(crown, size, finish))
        return np.stack(rows)
    return np.zeros((0, scene.COLUMNS), np.float32)


def _shelves(
    rng: Generator, low: Corner, high: Corner, side: int, share: float, board: Finish
) -> Rows:
    """Two boards on the wall with boxes and books on them."""
    along = np.array([0.0, 1.0]) if side < 2 else np.array([1.0, 0.0])
    at, rows = _along(low, high, side, share, 0.12), []
    for height in (0.25, 0.65):
        half = (*(along * 0.45 + (1 - along) * 0.12), 0.012)
        rows.append(box((*at, height), half, board))
        for offset in (-0.3, -0.1, 0.12, 0.32):
            if rng.random() < 0.75:
                tall = rng.uniform(0.05, 0.14)
                size = (*(along * rng.uniform(0.03, 0.09) + (1 - along) * 0.08), tall)
                ware = Finish(pick(rng, TOYS), pick(rng, TOYS), STRIPES, 0.03)
                rows.append(box((*(at + offset * along), height + 0.012 + tall), size, ware))
    return np.stack(rows)


def _pictures(rng: Generator, low: Corner, high: Corner, side: int) -> Rows:
    """A framed picture on a wall, or none."""
    if rng.random() < 0.4:
        return np.zeros((0, scene.COLUMNS), np.float32)
    at = _along(low, high, side, rng.uniform(0.2, 0.8), 0.015)
    inwards = np.zeros(3)
    inwards[side // 2] = -1.0 if side % 2 else 1.0
    up = np.array([0.0, 0.0, 1.0])
    turn = np.stack([np.cross(up, inwards), up, inwards], axis=1)
    half = (rng.uniform(0.2, 0.45), rng.uniform(0.16, 0.34), 0.012)
    finish = Finish(pick(rng, ROOM_PAINTS), pick(rng, LEAVES), PICTURE, 1.0, int(rng.integers(99)))
    return box((*at, rng.uniform(0.5, 1.0)), half, finish, turn)[None]


def indoors(rng: Generator, floor: float) -> Rows:
    """The environment: a lamp or a high window as the sun, a pale ceiling as the sky, a floor."""
    e = np.zeros(scene.ENVIRONMENT_COLUMNS, np.float32)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.3)
    flat = np.cos(elevation)
    light = (np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation))
    e[scene.SUN : scene.SUN + 3] = light
    warmth = rng.uniform(-0.5, 1.0)  # from a clouded window to a bulb
    white = np.array([1.0, 1.0 - 0.08 * warmth, 1.0 - 0.22 * warmth])
    share = rng.uniform(0.35, 0.7)  # of the light that comes straight from the lamp
    e[scene.SUNLIGHT : scene.SUNLIGHT + 3] = 1.7 * share * white
    e[scene.ZENITH : scene.ZENITH + 3] = rng.uniform(0.6, 0.8) * white
    e[scene.HORIZON : scene.HORIZON + 3] = rng.uniform(0.5, 0.7) * np.sqrt(white)
    e[scene.AMBIENT] = 1.5 * (1.0 - share)
    e[scene.HAZE_RANGE], e[scene.EXPOSURE] = 60.0, rng.uniform(1.0, 1.45)
    e[scene.TEXTURE_SEED], e[scene.OCCLUSION] = rng.integers(1, 9999), 0.14
    e[scene.GROUND] = floor
    kind = int(rng.choice([WOOD, WOOD, TILES, CHECKS, NOISE, RUG, TERRAZZO]))
    palette = {WOOD: TIMBERS, NOISE: FABRICS, RUG: FABRICS}.get(kind, STONES)
    color, accent = pick(rng, palette), pick(rng, palette)
    if kind == WOOD:
        accent = 0.7 * color
    e[scene.FLOOR], e[scene.FLOOR_SCALE] = kind, rng.uniform(0.12, 0.4)
    e[scene.FLOOR_COLOR : scene.FLOOR_COLOR + 3] = color
    e[scene.FLOOR_ACCENT : scene.FLOOR_ACCENT + 3] = accent
    return e

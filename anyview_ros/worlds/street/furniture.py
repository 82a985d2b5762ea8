"""What stands on sidewalks and in yards: trees, lamps, signs, traffic lights, benches, hedges."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from anyview_ros.worlds.palettes import (
    BARK,
    CONCRETE,
    DARK_STEEL,
    LEAVES,
    SIGN_BLUE,
    SIGN_RED,
    STEEL,
    pick,
)
from anyview_ros.worlds.render.scene import (
    CYLINDER,
    FOLIAGE,
    NOISE,
    SIGN,
    SIGNAL,
    Finish,
    Rows,
    box,
    ellipsoid,
    primitive,
    rod,
)


def tree(rng: Generator, x: float, y: float) -> Rows:
    """A trunk and two to four overlapping crowns, 4 to 8 m tall."""
    trunk = rng.uniform(2.2, 3.6)
    leaf = pick(rng, LEAVES)
    bark = Finish(BARK, material=NOISE, scale=0.33)
    rows = [rod((x, y, 0), (x, y, trunk + 0.6), rng.uniform(0.09, 0.17), bark)]
    spread = rng.uniform(0.9, 1.6)
    for _ in range(rng.integers(2, 5)):
        offset = rng.uniform(-0.55, 0.55, 3) * spread
        finish = Finish(leaf, leaf * 0.3, FOLIAGE, rng.uniform(0.6, 1.1), int(rng.integers(999)))
        size = spread * rng.uniform(0.75, 1.1, 3)
        rows.append(
            ellipsoid((x + offset[0], y + offset[1], trunk + spread + offset[2]), size, finish)
        )
    return np.stack(rows)


def hedge(rng: Generator, x: tuple[float, float], y: float) -> Rows:
    leaf = pick(rng, LEAVES) * 0.8
    height = rng.uniform(0.35, 0.75)
    finish = Finish(leaf, leaf * 0.3, FOLIAGE, 1.2, int(rng.integers(999)))
    return box((0.5 * (x[0] + x[1]), y, height), (0.5 * (x[1] - x[0]), 0.35, height), finish)[None]


def lamp(x: float, y: float, towards_road: float) -> Rows:
    """(3, COLUMNS): pole, arm and head; `towards_road` is +1 or -1 along y."""
    height, reach = 5.6, 1.5 * towards_road
    steel = Finish(DARK_STEEL)
    return np.stack(
        [
            rod((x, y, 0), (x, y, height), 0.07, steel),
            rod((x, y, height), (x, y + reach, height + 0.15), 0.045, steel),
            box((x, y + reach, height + 0.12), (0.14, 0.32, 0.05), Finish(CONCRETE)),
        ]
    )


def sign(rng: Generator, x: float, y: float, facing: float) -> Rows:
    """(2, COLUMNS): a disc or a plate on a pole, seen by traffic that drives along -facing x."""
    height = rng.uniform(2.1, 2.6)
    face = np.array([[0.0, 0.0, facing], [facing, 0.0, 0.0], [0.0, 1.0, 0.0]])
    color = SIGN_RED if rng.random() < 0.5 else SIGN_BLUE
    finish = Finish(color, material=SIGN, seed=int(rng.integers(99)))
    at, half = (x + 0.05 * facing, y, height), (0.32, 0.32, 0.015)
    disc = rng.random() < 0.6
    plate = primitive(CYLINDER, at, half, finish, face) if disc else box(at, half, finish, face)
    return np.stack([rod((x, y, 0), (x, y, height + 0.3), 0.035, Finish(STEEL)), plate])


def traffic_light(x: float, y: float, yaw: float, lit: int) -> Rows:
    """(2, COLUMNS): pole and three lenses that face `yaw`; `lit` (0 red, 2 green) shines."""
    c, s = np.cos(yaw), np.sin(yaw)
    head = Finish(DARK_STEEL * 0.4, material=SIGNAL, seed=lit)
    turn = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    return np.stack(
        [
            rod((x, y, 0), (x, y, 2.5), 0.06, Finish(DARK_STEEL)),
            box((x + 0.1 * c, y + 0.1 * s, 2.9), (0.12, 0.16, 0.45), head, turn),
        ]
    )


def bench(x: float, y: float) -> Rows:
    wood = Finish(BARK * 1.6, material=NOISE, scale=0.25)
    return np.stack(
        [
            box((x, y, 0.43), (0.8, 0.22, 0.03), wood),
            box((x - 0.6, y, 0.2), (0.04, 0.18, 0.2), Finish(DARK_STEEL)),
            box((x + 0.6, y, 0.2), (0.04, 0.18, 0.2), Finish(DARK_STEEL)),
        ]
    )


def bin_or_bollard(rng: Generator, x: float, y: float) -> Rows:
    if rng.random() < 0.5:
        return rod((x, y, 0), (x, y, 0.9), 0.24, Finish(DARK_STEEL * rng.uniform(0.6, 1.5)))[None]
    return rod((x, y, 0), (x, y, 0.85), 0.07, Finish(CONCRETE))[None]

"""What kitchens and desks have: food, dishes, books, plants, lamps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import (
    BARK,
    CERAMICS,
    DARK_STEEL,
    FRUITS,
    LEAVES,
    STEEL,
    TOYS,
    WHITE_WARE,
    pick,
)
from anyview_ros.worlds.render.scene import (
    BOOK,
    FOLIAGE,
    LABEL,
    NOISE,
    STRIPES,
    VESSEL,
    Finish,
    Rows,
    box,
    ellipsoid,
    rod,
)
from anyview_ros.worlds.table.thing import Thing, made, moved


def carton(rng: Generator) -> Thing:
    """A box of food, printed."""
    half = rng.uniform((0.03, 0.02, 0.055), (0.06, 0.032, 0.1))
    finish = Finish(pick(rng, TOYS), pick(rng, TOYS), LABEL, 1.0, int(rng.integers(999)), 0.2)
    row = box((0, 0, half[2]), half, finish)
    return made([row], np.hypot(*half[:2]), (2 * half[1], 1.3 * half[2]))


def books(rng: Generator) -> Thing:
    """One to three books, lying."""
    rows, top = [], 0.0
    for _ in range(rng.integers(1, 4)):
        half, angle = rng.uniform((0.06, 0.085, 0.009), (0.075, 0.11, 0.018)), rng.normal(0, 0.2)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        cover = Finish(pick(rng, TOYS), pick(rng, TOYS), BOOK)
        rows.append(box((0, 0, top + half[2]), half, cover, turn))
        top += 2 * half[2]
    return made(rows, 0.13)


def fruit(rng: Generator) -> Thing:
    size = rng.uniform((0.03, 0.03, 0.028), (0.038, 0.036, 0.042))
    return made(_fruit(rng, size), size[0], (2 * size[1], size[2]))


def _fruit(rng: Generator, size: NDArray[np.float64]) -> list[Rows]:
    skin = Finish(pick(rng, FRUITS), pick(rng, FRUITS), NOISE, 0.03, int(rng.integers(999)), 0.3)
    top = 2 * size[2]
    stem = rod((0, 0, top - 0.006), (0.004, 0, top + 0.012), 0.003, Finish(BARK))
    return [ellipsoid((0, 0, size[2]), size, skin), stem]


def mug(rng: Generator) -> Thing:
    radius, height = rng.uniform(0.034, 0.042), rng.uniform(0.08, 0.105)
    color = pick(rng, CERAMICS)
    finish = Finish(color, pick(rng, CERAMICS) * 0.4, VESSEL, gloss=0.5)
    glazed = Finish(color, gloss=0.5)
    out = radius + 0.026
    corners = [(radius, 0.8), (out, 0.74), (out, 0.36), (radius, 0.26)]
    points = [np.array([x, 0.0, share * height]) for x, share in corners]
    handle = [rod(a, b, 0.0065, glazed) for a, b in pairwise(points)]
    body = rod((0, 0, 0), (0, 0, height), radius, finish)
    return made([body, *handle], radius + 0.025, (2 * radius, 0.6 * height))


def bottle(rng: Generator) -> Thing:
    radius, height = rng.uniform(0.026, 0.034), rng.uniform(0.1, 0.13)
    color = pick(rng, TOYS)
    glass = Finish(color, WHITE_WARE, LABEL, 1.0, int(rng.integers(999)), 0.6)
    neck, top = 0.4 * radius, height + 0.07
    rows = [
        rod((0, 0, 0), (0, 0, height), radius, glass),
        ellipsoid((0, 0, height), (radius, radius, 0.035), Finish(color, gloss=0.6)),
        rod((0, 0, height), (0, 0, top), neck, Finish(color, gloss=0.6)),
        rod((0, 0, top - 0.012), (0, 0, top + 0.008), 1.2 * neck, Finish(pick(rng, TOYS))),
    ]
    return made(rows, radius, (2 * radius, 0.6 * height))


def can(rng: Generator) -> Thing:
    radius, height = rng.uniform(0.026, 0.034), rng.uniform(0.085, 0.125)
    paint = Finish(pick(rng, TOYS), pick(rng, TOYS), LABEL, 1.0, int(rng.integers(999)), 0.5)
    lid = Finish(STEEL, gloss=0.8)
    rows = [
        rod((0, 0, 0.003), (0, 0, height - 0.003), radius, paint),
        rod((0, 0, 0), (0, 0, height), 0.92 * radius, lid),
    ]
    return made(rows, radius, (2 * radius, 0.6 * height))


def bowl(rng: Generator) -> Thing:
    """With fruit in it, or empty."""
    radius, height = rng.uniform(0.07, 0.095), rng.uniform(0.04, 0.055)
    color = pick(rng, CERAMICS)
    finish = Finish(color, pick(rng, CERAMICS) * 0.6, VESSEL, gloss=0.4)
    rows = [
        rod((0, 0, 0), (0, 0, 0.012), 0.5 * radius, Finish(color)),
        rod((0, 0, 0.008), (0, 0, 0.5 * height), 0.82 * radius, Finish(color, gloss=0.4)),
        rod((0, 0, 0.4 * height), (0, 0, height), radius, finish),
    ]
    for k in range(rng.integers(0, 4)):
        at = 0.5 * radius * np.array([np.cos(2.1 * k), np.sin(2.1 * k)])
        rows += moved(_fruit(rng, np.full(3, 0.031)), (*at, height - 0.022))
    return made(rows, radius)


def plate(rng: Generator) -> Thing:
    radius = rng.uniform(0.08, 0.11)
    color, rim = pick(rng, CERAMICS), pick(rng, CERAMICS)
    finish = Finish(rim, color, VESSEL, gloss=0.4)
    rows = [
        rod((0, 0, 0), (0, 0, 0.008), 0.6 * radius, Finish(color)),
        rod((0, 0, 0.006), (0, 0, 0.016), radius, finish),
    ]
    if rng.random() < 0.6:
        rows += moved(_fruit(rng, rng.uniform(0.028, 0.036, 3)), (0.02, 0.0, 0.016))
    return made(rows, radius)


def plant(rng: Generator) -> Thing:
    radius, height = rng.uniform(0.045, 0.06), rng.uniform(0.07, 0.09)
    pot = Finish(pick(rng, CERAMICS), BARK * 0.5, VESSEL, gloss=0.1)
    rows = [rod((0, 0, 0), (0, 0, height), radius, pot)]
    leaf = pick(rng, LEAVES)
    for _ in range(rng.integers(3, 6)):
        size = rng.uniform((0.025, 0.025, 0.03), (0.045, 0.045, 0.06))
        at = (*rng.uniform(-0.03, 0.03, 2), height + rng.uniform(0.02, 0.08))
        finish = Finish(leaf, leaf * 0.3, FOLIAGE, rng.uniform(14, 22), int(rng.integers(999)))
        rows.append(ellipsoid(at, size, finish))
    return made(rows, radius + 0.01)


def teapot(rng: Generator) -> Thing:
    color = pick(rng, CERAMICS)
    glazed = Finish(color, gloss=0.5)
    rows = [
        ellipsoid((0, 0, 0.055), (0.062, 0.062, 0.055), glazed),
        rod((0, 0, 0.098), (0, 0, 0.108), 0.03, Finish(pick(rng, CERAMICS))),
        ellipsoid((0, 0, 0.117), (0.011, 0.011, 0.011), glazed),
        rod((0.05, 0, 0.045), (0.105, 0, 0.1), 0.012, glazed),
        rod((-0.05, 0, 0.085), (-0.092, 0, 0.085), 0.008, glazed),
        rod((-0.092, 0, 0.088), (-0.086, 0, 0.04), 0.008, glazed),
        rod((-0.088, 0, 0.042), (-0.05, 0, 0.036), 0.008, glazed),
    ]
    return made(rows, 0.11)


def lamp(rng: Generator) -> Thing:
    """A table lamp with a shade."""
    shade = Finish(pick(rng, CERAMICS), pick(rng, CERAMICS), STRIPES, 0.02)
    rows = [
        rod((0, 0, 0), (0, 0, 0.014), 0.05, Finish(DARK_STEEL, gloss=0.4)),
        rod((0, 0, 0), (0, 0, 0.15), 0.008, Finish(STEEL, gloss=0.6)),
        rod((0, 0, 0.13), (0, 0, 0.19), 0.052, shade),
        rod((0, 0, 0.19), (0, 0, 0.22), 0.034, Finish(shade.color)),
    ]
    return made(rows, 0.06)


def pen(rng: Generator) -> Thing:
    """A marker, lying."""
    color, radius = pick(rng, TOYS), 0.009
    rows = [
        rod((-0.06, 0, radius), (0.03, 0, radius), radius, Finish(WHITE_WARE)),
        rod((0.03, 0, radius), (0.065, 0, radius), 1.05 * radius, Finish(color)),
    ]
    return made(rows, 0.065, (2 * radius, radius))

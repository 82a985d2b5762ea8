"""Things that stand or lie on a table: rows in frames of their own, z up from the foot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    RUBBER_BLACK,
    STEEL,
    TIMBERS,
    TOYS,
    WHITE_WARE,
    pick,
)
from anyview_ros.worlds.scene import (
    BOOK,
    CENTER,
    CHECKS,
    CYLINDER,
    DOTS,
    FOLIAGE,
    HALF,
    LABEL,
    NOISE,
    PLAIN,
    PUZZLE,
    RADIUS,
    RUG,
    SEGMENTS,
    STRIPES,
    VESSEL,
    WHEEL,
    WOOD,
    Finish,
    Rows,
    box,
    ellipsoid,
    primitive,
    rod,
)

SIDEWAYS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z axis along y


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


def _thing(rows: Sequence[Rows], radius: float, grip: tuple[float, float] | None = None) -> Thing:
    return Thing(np.stack(rows), radius, grip)


def _printed(rng: Generator, palette: NDArray[np.float64], gloss: float = 0.1) -> Finish:
    """Plain or with a pattern of a size that can be seen."""
    material = int(rng.choice([PLAIN, CHECKS, STRIPES, DOTS, RUG, WOOD]))
    color, accent = pick(rng, palette), pick(rng, palette)
    scale = rng.uniform(0.014, 0.026)
    return Finish(color, accent, material, scale, int(rng.integers(999)), gloss)


def block(rng: Generator) -> Thing:
    """A toy block."""
    half = rng.uniform(0.02, 0.034, 3)
    row = box((0, 0, half[2]), half, _printed(rng, TOYS))
    return _thing([row], 1.1 * np.hypot(*half[:2]), (2 * half[1], half[2]))


def stack(rng: Generator) -> Thing:
    """Blocks on top of each other, each turned a little."""
    rows, top = [], 0.0
    for _ in range(rng.integers(2, 5)):
        half, angle = rng.uniform(0.02, 0.032, 3), rng.uniform(-0.5, 0.5)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        rows.append(box((0, 0, top + half[2]), half, _printed(rng, TOYS), turn))
        top += 2 * half[2]
    return _thing(rows, 0.05)


def carton(rng: Generator) -> Thing:
    """A box of food, printed."""
    half = rng.uniform((0.03, 0.02, 0.055), (0.06, 0.032, 0.1))
    finish = Finish(pick(rng, TOYS), pick(rng, TOYS), LABEL, 1.0, int(rng.integers(999)), 0.2)
    row = box((0, 0, half[2]), half, finish)
    return _thing([row], np.hypot(*half[:2]), (2 * half[1], 1.3 * half[2]))


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
    return _thing(rows, 0.13)


def ball(rng: Generator) -> Thing:
    radius = rng.uniform(0.026, 0.034)
    return _thing([_ball(rng, radius)], radius, (2 * radius, radius))


def _ball(rng: Generator, radius: float) -> Rows:
    finish = _printed(rng, TOYS, 0.3)
    if rng.random() < 0.6:
        finish = Finish(finish.color, finish.accent, SEGMENTS, gloss=0.3)
    return ellipsoid((0, 0, radius), (radius, radius, radius), finish)


def rolling_ball(rng: Generator) -> Thing:
    """Too large to grasp."""
    radius = rng.uniform(0.03, 0.05)
    return _thing([_ball(rng, radius)], radius)


def fruit(rng: Generator) -> Thing:
    size = rng.uniform((0.03, 0.03, 0.028), (0.038, 0.036, 0.042))
    return _thing(_fruit(rng, size), size[0], (2 * size[1], size[2]))


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
    return _thing([body, *handle], radius + 0.025, (2 * radius, 0.6 * height))


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
    return _thing(rows, radius, (2 * radius, 0.6 * height))


def can(rng: Generator) -> Thing:
    radius, height = rng.uniform(0.026, 0.034), rng.uniform(0.085, 0.125)
    paint = Finish(pick(rng, TOYS), pick(rng, TOYS), LABEL, 1.0, int(rng.integers(999)), 0.5)
    lid = Finish(STEEL, gloss=0.8)
    rows = [
        rod((0, 0, 0.003), (0, 0, height - 0.003), radius, paint),
        rod((0, 0, 0), (0, 0, height), 0.92 * radius, lid),
    ]
    return _thing(rows, radius, (2 * radius, 0.6 * height))


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
        rows += _moved(_fruit(rng, np.full(3, 0.031)), (*at, height - 0.022))
    return _thing(rows, radius)


def plate(rng: Generator) -> Thing:
    radius = rng.uniform(0.08, 0.11)
    color, rim = pick(rng, CERAMICS), pick(rng, CERAMICS)
    finish = Finish(rim, color, VESSEL, gloss=0.4)
    rows = [
        rod((0, 0, 0), (0, 0, 0.008), 0.6 * radius, Finish(color)),
        rod((0, 0, 0.006), (0, 0, 0.016), radius, finish),
    ]
    if rng.random() < 0.6:
        rows += _moved(_fruit(rng, rng.uniform(0.028, 0.036, 3)), (0.02, 0.0, 0.016))
    return _thing(rows, radius)


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
    return _thing(rows, radius + 0.01)


def toy_car(rng: Generator) -> Thing:
    half, wheel = rng.uniform((0.05, 0.024, 0.012), (0.065, 0.03, 0.017)), 0.015
    paint = Finish(pick(rng, TOYS), gloss=0.6)
    middle = wheel + half[2]
    cabin = (0.55 * half[0], 0.85 * half[1], 0.8 * half[2])
    glass = Finish(RUBBER_BLACK * 2.0, gloss=0.6)
    rows = [
        box((0, 0, middle), half, paint),
        box((0, 0, middle), (0.35 * half[0], half[1] + 0.006, 0.004), Finish(DARK_STEEL)),  # sills
        box((-0.15 * half[0], 0, middle + half[2] + cabin[2]), cabin, glass),
        box((-0.15 * half[0], 0, middle + half[2] + 2 * cabin[2]), (*cabin[:2], 0.003), paint),
    ]
    rim = Finish(STEEL, material=WHEEL)
    for x in (-0.6 * half[0], 0.6 * half[0]):
        for y in (-half[1], half[1]):
            tyre = (wheel, wheel, 0.006)
            rows.append(primitive(CYLINDER, (x, y, wheel), tyre, rim, SIDEWAYS))
    return _thing(rows, 1.1 * half[0], (2 * half[1] + 0.012, middle))


def duck(rng: Generator) -> Thing:
    """A bath duck, mostly yellow."""
    body = Finish(TOYS[2] if rng.random() < 0.7 else pick(rng, TOYS), gloss=0.3)
    beak, eye = Finish(TOYS[1]), Finish(RUBBER_BLACK, gloss=0.5)
    rows = [
        ellipsoid((0, 0, 0.026), (0.042, 0.031, 0.027), body),
        ellipsoid((-0.038, 0, 0.04), (0.015, 0.014, 0.009), body),
        ellipsoid((0.02, 0, 0.064), (0.023, 0.022, 0.022), body),
        ellipsoid((0.044, 0, 0.062), (0.011, 0.011, 0.005), beak),
        ellipsoid((0.036, 0.012, 0.071), (0.004, 0.004, 0.004), eye),
        ellipsoid((0.036, -0.012, 0.071), (0.004, 0.004, 0.004), eye),
    ]
    return _thing(rows, 0.055, (0.06, 0.026))


def bear(rng: Generator) -> Thing:
    """A sitting teddy."""
    fur = pick(rng, TIMBERS)
    plush = Finish(fur, fur * 0.6, NOISE, 0.01, int(rng.integers(999)))
    light, dark = Finish(np.minimum(fur * 1.6, 0.8)), Finish(RUBBER_BLACK, gloss=0.4)
    rows = [
        ellipsoid((0, 0, 0.048), (0.036, 0.042, 0.048), plush),
        ellipsoid((0.004, 0, 0.118), (0.033, 0.036, 0.032), plush),
        ellipsoid((0.034, 0, 0.11), (0.013, 0.015, 0.012), light),
        ellipsoid((0.046, 0, 0.114), (0.004, 0.006, 0.004), dark),
    ]
    for y in (-1.0, 1.0):
        rows += [
            ellipsoid((0, 0.03 * y, 0.145), (0.008, 0.014, 0.014), plush),
            ellipsoid((0.032, 0.014 * y, 0.126), (0.004, 0.004, 0.004), dark),
            ellipsoid((0.018, 0.044 * y, 0.068), (0.028, 0.013, 0.014), plush),
            ellipsoid((0.046, 0.027 * y, 0.018), (0.036, 0.017, 0.018), plush),
        ]
    return _thing(rows, 0.075)


def puzzle_cube(rng: Generator) -> Thing:
    half = rng.uniform(0.026, 0.031)
    finish = Finish(material=PUZZLE, seed=int(rng.integers(999)), gloss=0.2)
    row = box((0, 0, half), (half, half, half), finish)
    return _thing([row], 1.3 * half, (2 * half, half))


def ring_tower(rng: Generator) -> Thing:
    """Rings of falling size on a stick."""
    colors = rng.permutation(len(TOYS))
    rows, top = [rod((0, 0, 0), (0, 0, 0.012), 0.055, Finish(TIMBERS[0]))], 0.012
    for k in range(rng.integers(3, 6)):
        finish = Finish(TOYS[colors[k]], gloss=0.3)
        rows.append(
            ellipsoid((0, 0, top + 0.012), (0.05 - 0.006 * k, 0.05 - 0.006 * k, 0.014), finish)
        )
        top += 0.023
    rows.append(ellipsoid((0, 0, top + 0.012), (0.016, 0.016, 0.016), Finish(TOYS[colors[5]])))
    return _thing(rows, 0.058)


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
    return _thing(rows, 0.11)


def lamp(rng: Generator) -> Thing:
    """A table lamp with a shade."""
    shade = Finish(pick(rng, CERAMICS), pick(rng, CERAMICS), STRIPES, 0.02)
    rows = [
        rod((0, 0, 0), (0, 0, 0.014), 0.05, Finish(DARK_STEEL, gloss=0.4)),
        rod((0, 0, 0), (0, 0, 0.15), 0.008, Finish(STEEL, gloss=0.6)),
        rod((0, 0, 0.13), (0, 0, 0.19), 0.052, shade),
        rod((0, 0, 0.19), (0, 0, 0.22), 0.034, Finish(shade.color)),
    ]
    return _thing(rows, 0.06)


def pen(rng: Generator) -> Thing:
    """A marker, lying."""
    color, radius = pick(rng, TOYS), 0.009
    rows = [
        rod((-0.06, 0, radius), (0.03, 0, radius), radius, Finish(WHITE_WARE)),
        rod((0.03, 0, radius), (0.065, 0, radius), 1.05 * radius, Finish(color)),
    ]
    return _thing(rows, 0.065, (2 * radius, radius))


def turntable(rng: Generator) -> Thing:
    """A disc with something on it."""
    radius = rng.uniform(0.075, 0.1)
    disc = Finish(pick(rng, TIMBERS), pick(rng, TIMBERS), STRIPES, 0.03)
    rows = [rod((0, 0, 0), (0, 0, 0.02), radius, disc)]
    on_it = (bear, mug, bottle, puzzle_cube, duck)[rng.integers(5)](rng)
    return _thing(rows + _moved(list(on_it.rows), (0.0, 0.0, 0.02)), radius)


KINDS: tuple[Callable[[Generator], Thing], ...] = (
    *(block, stack, carton, books, ball, fruit, mug, mug, bottle, can, bowl, plate, plant),
    *(toy_car, duck, bear, puzzle_cube, ring_tower, teapot, lamp, pen),
)
GRASPABLE = (block, carton, ball, fruit, mug, bottle, can, duck, puzzle_cube, toy_car)


def _moved(rows: Sequence[Rows], offset: tuple[float, float, float]) -> list[Rows]:
    moved = [row.copy() for row in rows]
    for row in moved:
        row[CENTER : CENTER + 3] += np.asarray(offset, np.float32)
    return moved

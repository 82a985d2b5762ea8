"""Toys: blocks, balls, a car, a duck, a bear, a puzzle."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from anyview_ros.worlds.palettes import (
    DARK_STEEL,
    RUBBER_BLACK,
    STEEL,
    TIMBERS,
    TOYS,
    pick,
)
from anyview_ros.worlds.render.scene import (
    CYLINDER,
    NOISE,
    PUZZLE,
    SEGMENTS,
    WHEEL,
    Finish,
    Rows,
    box,
    ellipsoid,
    primitive,
    rod,
)
from anyview_ros.worlds.table.thing import Thing, made, printed

SIDEWAYS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z axis along y


def block(rng: Generator) -> Thing:
    """A toy block."""
    half = rng.uniform(0.02, 0.034, 3)
    row = box((0, 0, half[2]), half, printed(rng, TOYS))
    return made([row], 1.1 * np.hypot(*half[:2]), (2 * half[1], half[2]))


def stack(rng: Generator) -> Thing:
    """Blocks on top of each other, each turned a little."""
    rows, top = [], 0.0
    for _ in range(rng.integers(2, 5)):
        half, angle = rng.uniform(0.02, 0.032, 3), rng.uniform(-0.5, 0.5)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        rows.append(box((0, 0, top + half[2]), half, printed(rng, TOYS), turn))
        top += 2 * half[2]
    return made(rows, 0.05)


def ball(rng: Generator) -> Thing:
    radius = rng.uniform(0.026, 0.034)
    return made([_ball(rng, radius)], radius, (2 * radius, radius))


def rolling_ball(rng: Generator) -> Thing:
    """Too large to grasp."""
    radius = rng.uniform(0.03, 0.05)
    return made([_ball(rng, radius)], radius)


def _ball(rng: Generator, radius: float) -> Rows:
    finish = printed(rng, TOYS, 0.3)
    if rng.random() < 0.6:
        finish = Finish(finish.color, finish.accent, SEGMENTS, gloss=0.3)
    return ellipsoid((0, 0, radius), (radius, radius, radius), finish)


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
    return made(rows, 1.1 * half[0], (2 * half[1] + 0.012, middle))


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
    return made(rows, 0.055, (0.06, 0.026))


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
    return made(rows, 0.075)


def puzzle_cube(rng: Generator) -> Thing:
    half = rng.uniform(0.026, 0.031)
    finish = Finish(material=PUZZLE, seed=int(rng.integers(999)), gloss=0.2)
    row = box((0, 0, half), (half, half, half), finish)
    return made([row], 1.3 * half, (2 * half, half))


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
    return made(rows, 0.058)

"""Everything that may be on a table."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from anyview_ros.worlds.palettes import TIMBERS, pick
from anyview_ros.worlds.render.scene import STRIPES, Finish, rod
from anyview_ros.worlds.table.household import (
    books,
    bottle,
    bowl,
    can,
    carton,
    fruit,
    lamp,
    mug,
    pen,
    plant,
    plate,
    teapot,
)
from anyview_ros.worlds.table.thing import Thing, made, moved
from anyview_ros.worlds.table.toys import (
    ball,
    bear,
    block,
    duck,
    puzzle_cube,
    ring_tower,
    stack,
    toy_car,
)


def turntable(rng: Generator) -> Thing:
    """A disc with something on it."""
    radius = rng.uniform(0.075, 0.1)
    disc = Finish(pick(rng, TIMBERS), pick(rng, TIMBERS), STRIPES, 0.03)
    rows = [rod((0, 0, 0), (0, 0, 0.02), radius, disc)]
    on_it = (bear, mug, bottle, puzzle_cube, duck)[rng.integers(5)](rng)
    return made(rows + moved(list(on_it.rows), (0.0, 0.0, 0.02)), radius)


KINDS: tuple[Callable[[Generator], Thing], ...] = (
    *(block, stack, carton, books, ball, fruit, mug, mug, bottle, can, bowl, plate, plant),
    *(toy_car, duck, bear, puzzle_cube, ring_tower, teapot, lamp, pen),
)
GRASPABLE = (block, carton, ball, fruit, mug, bottle, can, duck, puzzle_cube, toy_car)

"""Which things are on a table, where they stand, and how those move that do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.geometry import rigid
from anyview_ros.worlds.placing import placed
from anyview_ros.worlds.render.scene import Rows
from anyview_ros.worlds.table.arm_motion import ArmMotion, Carried
from anyview_ros.worlds.table.thing import Thing
from anyview_ros.worlds.table.things import GRASPABLE, KINDS, turntable
from anyview_ros.worlds.table.toys import rolling_ball, toy_car

Floats = NDArray[np.float64]

# Where things stand: x and y in metres; the arm's column has its own circle.
AREA_LOW, AREA_HIGH = np.array([0.02, -0.46]), np.array([0.84, 0.46])
COLUMN_RADIUS, HAND_RADIUS, GAP = 0.16, 0.085, 0.012
SPOT_TURN, SPOT_REACH = 0.85, (0.3, 0.58)  # of the places the arm reaches: radians, metres
TRIES = 60


@dataclass(frozen=True)
class Orbit:
    """A way around a circle, on and on or to and fro.

    Args:
        center: (2,); radius in metres, 0 = it turns on the spot.
        rate: radians a second on the way around; of the swing when `swing` is not 0.
        swing: radians to each side; 0 = on and on.
        rolls: radius of a ball that rolls on the table; 0 = it slides, x ahead.
    """

    center: Floats
    radius: float
    rate: float
    phase: float
    swing: float = 0.0
    rolls: float = 0.0

    def world_from_thing(self, t: float) -> Floats:
        """(4, 4) at t seconds."""
        angle = self.rate * t + self.phase
        if self.swing:
            angle = self.swing * np.sin(angle)
        c, s = np.cos(angle), np.sin(angle)
        place = (*(self.center + self.radius * np.array([c, s])), 0.0)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        if not self.rolls:
            ahead = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
            return rigid(turn @ ahead, place)
        # Without slip: about the axis that points out of the circle.
        c, s = (f(-self.radius * angle / self.rolls) for f in (np.cos, np.sin))
        roll = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        up = np.array([0.0, 0.0, self.rolls])
        return rigid(turn @ roll, place + up - turn @ roll @ up)


@dataclass(frozen=True)
class TablePlan:
    """All that is on a table but the arm.

    Args:
        standing: rows of each thing that never moves, in the world.
        carried: things of the arm's motion, in their own frames.
        orbiting: things and their ways.
        phase: of the dolly, radians.
    """

    standing: tuple[Rows, ...]
    carried: tuple[Thing, ...]
    motion: ArmMotion
    orbiting: tuple[tuple[Thing, Orbit], ...]
    phase: float

    def moving_at(self, t: float) -> list[Rows]:
        """Rows of each thing that may move, in the world at t seconds."""
        carried = [
            placed(thing.rows, self.motion.world_from_thing(index, t))
            for index, thing in enumerate(self.carried)
        ]
        return carried + [
            placed(thing.rows, way.world_from_thing(t)) for thing, way in self.orbiting
        ]


def table_plan(rng: Generator) -> TablePlan:
    """One or two things to carry, up to two that move by themselves, 4 to 9 that stand."""
    free = _FreeSpace()
    carried, ways = _carried(rng, free)
    orbiting = _orbiting(rng, free)
    standing = _standing(rng, free)
    return TablePlan(
        tuple(standing),
        tuple(carried),
        ArmMotion(ways, rng),
        tuple(orbiting),
        float(rng.uniform(0, 2 * np.pi)),
    )


class _FreeSpace:
    """Circles on the table that are taken."""

    def __init__(self) -> None:
        self._taken = [(np.zeros(2), COLUMN_RADIUS)]

    def take(self, center: Floats, radius: float) -> bool:
        """Take a circle unless it meets another."""
        free = all(
            np.linalg.norm(center - other) > radius + taken + GAP for other, taken in self._taken
        )
        if free:
            self._taken.append((center, radius))
        return free

    def anywhere(self, rng: Generator, radius: float) -> Floats | None:
        """(2,) the centre of a circle taken anywhere in the area; None when there is no room."""
        for _ in range(TRIES):
            center = rng.uniform(AREA_LOW + radius, AREA_HIGH - radius)
            if self.take(center, radius):
                return center
        return None


def _carried(rng: Generator, free: _FreeSpace) -> tuple[list[Thing], list[Carried]]:
    things, ways = [], []
    for _ in range(rng.integers(1, 3)):
        thing = GRASPABLE[rng.integers(len(GRASPABLE))](rng).sized(rng.uniform(1.0, 1.25))
        assert thing.grip is not None
        spots = _spots(rng, free, max(thing.radius, HAND_RADIUS))
        if len(spots) > 1:
            things.append(thing)
            ways.append(Carried(thing.grip, float(rng.uniform(-0.9, 0.9)), spots))
    return things, ways


def _spots(rng: Generator, free: _FreeSpace, radius: float) -> tuple[tuple[float, float], ...]:
    """(turn, reach) of two or three places to put a thing."""
    wanted, spots = int(rng.integers(2, 4)), []
    for _ in range(TRIES):
        turn, reach = rng.uniform(-SPOT_TURN, SPOT_TURN), rng.uniform(*SPOT_REACH)
        if free.take(reach * np.array([np.cos(turn), np.sin(turn)]), radius):
            spots.append((float(turn), float(reach)))
        if len(spots) == wanted:
            break
    return tuple(spots)


def _orbiting(rng: Generator, free: _FreeSpace) -> list[tuple[Thing, Orbit]]:
    """Up to two of: a ball that rolls, a toy car that drives, a turntable."""
    moving = []
    for kind in rng.permutation(3)[: rng.integers(0, 3)]:
        thing = (rolling_ball, toy_car, turntable)[kind](rng).sized(rng.uniform(1.0, 1.3))
        radius = 0.0 if kind == 2 else rng.uniform(0.05, 0.11)
        center = free.anywhere(rng, radius + thing.radius)
        if center is None:
            continue
        rate, swing = rng.choice([-1, 1]) * rng.uniform(0.5, 1.6), 0.0
        if kind != 2 and rng.random() < 0.4:
            swing = rng.uniform(1.0, 3.0)
        if kind == 1 and not swing:
            rate = abs(rate)  # cars drive ahead
        rolls = thing.radius if kind == 0 else 0.0
        way = Orbit(center, radius, rate, rng.uniform(0, 6.28), swing, rolls)
        moving.append((thing, way))
    return moving


def _standing(rng: Generator, free: _FreeSpace) -> list[Rows]:
    rows = []
    for kind in rng.permutation(len(KINDS))[: rng.integers(4, 10)]:
        thing = KINDS[kind](rng).sized(rng.uniform(1.0, 1.45))
        center = free.anywhere(rng, thing.radius)
        if center is not None:
            angle = rng.uniform(-np.pi, np.pi)
            c, s = np.cos(angle), np.sin(angle)
            place = rigid([[c, -s, 0], [s, c, 0], [0, 0, 1]], (*center, 0.0))
            rows.append(placed(thing.rows, place))
    return rows

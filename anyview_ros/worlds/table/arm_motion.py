"""What the arm does, for ever: it picks things up, puts them down elsewhere, looks around.

One round of tasks is laid out as key poses; it ends as it began, with every thing back at its
first place, and is repeated. Between key poses each coordinate follows a monotone cubic
(Fritsch and Carlson 1980): smooth, never beyond the poses, so never through the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.geometry import rigid
from anyview_ros.worlds.table.arm import GRIP, HandPose, world_from_hand

Floats = NDArray[np.float64]

# How fast each coordinate of a HandPose moves on average: radians/s and m/s.
SPEEDS = np.array([0.75, 0.28, 0.28, 0.9, 1.4, 0.06])
SHORTEST_S, GRASP_S = 0.45, 0.4
CLEAR = 0.36  # metres: the grip's height on the way, above everything that stands
AJAR = 0.03  # metres between a finger and what it is about to grasp
UPRIGHT = np.diag([1.0, -1.0, -1.0])  # a thing that hangs from a hand that points down


@dataclass(frozen=True)
class Carried:
    """A thing that the arm moves around.

    Args:
        grip: (width, height) in metres: where the fingers close.
        roll: of the hand when it holds the thing.
        spots: (turn, reach) of the places it is put, in turn.
    """

    grip: tuple[float, float]
    roll: float
    spots: tuple[tuple[float, float], ...]

    def grasp_at(self, spot: int) -> HandPose:
        turn, reach = self.spots[spot % len(self.spots)]
        return HandPose(turn, reach, self.grip[1], 0.0, self.roll, self.grip[0])

    @property
    def hand_from_thing(self) -> Floats:
        """(4, 4); the thing's origin is the middle of its foot."""
        return rigid(UPRIGHT, (0.0, 0.0, GRIP + self.grip[1]))


@dataclass(frozen=True)
class Ride:
    """From when to when (seconds within the round) the hand holds a thing, and to which spot."""

    thing: int
    start: float
    end: float
    spot: int


class ArmMotion:
    """Poses of the hand and of the things that it moves; functions of time alone."""

    def __init__(self, things: Sequence[Carried], rng: Generator) -> None:
        self._things = tuple(things)
        plan = _Plan(rng.uniform(0.8, 1.25))
        for spot in range(max(len(thing.spots) for thing in things)):
            for index, thing in enumerate(things):
                if spot < len(thing.spots):
                    plan.pick(index, thing, spot)
                    if rng.random() < 0.5:
                        plan.look_around(rng)
        self._curves = _PeriodicCurve(np.array(plan.times), np.array(plan.poses))
        self._rides = tuple(plan.rides)

    @property
    def round_s(self) -> float:
        """Seconds after which everything begins again."""
        return self._curves.period

    def hand(self, t: float) -> HandPose:
        return HandPose(*self._curves.at(t))

    def world_from_thing(self, index: int, t: float) -> Floats:
        """(4, 4) of a carried thing: in the hand, or where the hand has left it."""
        thing, now, spot = self._things[index], t % self.round_s, 0
        for ride in self._rides:
            if ride.thing == index and now >= ride.start:
                if now < ride.end:
                    return world_from_hand(self.hand(t)) @ thing.hand_from_thing
                spot = ride.spot
        return world_from_hand(thing.grasp_at(spot)) @ thing.hand_from_thing


class _Plan:
    """Key poses of one round, as they are added.

    Args:
        pace: 1 = the speeds above.
    """

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self.times: list[float] = []
        self.poses: list[tuple[float, ...]] = []
        self.rides: list[Ride] = []

    def pick(self, index: int, thing: Carried, spot: int) -> None:
        """Carry a thing from one of its spots to the next."""
        here, there = thing.grasp_at(spot), thing.grasp_at(spot + 1)
        ajar = here.opening + 2 * AJAR
        self._go(replace(here, height=CLEAR, opening=ajar))
        self._go(replace(here, opening=ajar))
        start = self._stay(here)
        self._go(replace(here, height=CLEAR))
        self._go(replace(there, height=CLEAR))
        end = self._go(there)
        self._stay(replace(there, opening=ajar))
        self._go(replace(there, height=CLEAR, opening=ajar))
        self.rides.append(Ride(index, start, end, spot + 1))

    def look_around(self, rng: Generator) -> None:
        """Wave over the table: two or three poses, the hand leaning out and turned."""
        for _ in range(rng.integers(2, 4)):
            pose = rng.uniform(
                (-0.9, 0.34, CLEAR, 0.0, -0.9, 0.02), (0.9, 0.5, 0.5, 0.7, 0.9, 0.08)
            )
            self._go(HandPose(*pose))

    def _go(self, pose: HandPose) -> float:
        """Add a pose at the time when it is reached; returns that time."""
        coordinates = astuple(pose)
        if self.times:
            way = np.abs(np.subtract(coordinates, self.poses[-1])) / SPEEDS
            self.times.append(self.times[-1] + (max(way.max(), SHORTEST_S)) / self._pace)
        else:
            self.times.append(0.0)
        self.poses.append(coordinates)
        return self.times[-1]

    def _stay(self, pose: HandPose) -> float:
        """Only the fingers move."""
        self.times.append(self.times[-1] + GRASP_S / self._pace)
        self.poses.append(astuple(pose))
        return self.times[-1]


class _PeriodicCurve:
    """Monotone cubics through (K,) times and (K, D) values that return to the first value.

    The way back takes as long as the longest of the others.
    """

    def __init__(self, times: Floats, values: Floats) -> None:
        gaps = np.diff(times)
        self.period = float(times[-1] + gaps.max())
        self._times = np.append(times, self.period)
        self._values = np.concatenate([values, values[:1]])
        slopes = np.diff(self._values, axis=0) / np.diff(self._times)[:, None]
        before, after = np.roll(slopes, 1, axis=0), slopes
        same = before * after > 0
        # The harmonic mean of the slopes on both sides; 0 at a turning point.
        mean = 2 * before * after / np.where(same, before + after, 1.0)
        tangents = np.where(same, mean, 0.0)
        self._tangents = np.concatenate([tangents, tangents[:1]])

    def at(self, t: float) -> Floats:
        """(D,) at t seconds."""
        now = t % self.period
        k = int(np.searchsorted(self._times, now, side="right")) - 1
        k = min(k, len(self._times) - 2)
        gap = self._times[k + 1] - self._times[k]
        u = (now - self._times[k]) / gap
        y0, y1 = self._values[k], self._values[k + 1]
        m0, m1 = self._tangents[k] * gap, self._tangents[k + 1] * gap
        value: Floats = (
            (1 + 2 * u) * (1 - u) ** 2 * y0
            + u * (1 - u) ** 2 * m0
            + u**2 * (3 - 2 * u) * y1
            - u**2 * (1 - u) * m1
        )
        return value

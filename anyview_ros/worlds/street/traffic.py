"""What moves: the ego car, the lanes' traffic, people on the sidewalks; functions of time alone.

Every lane and every sidewalk is a lattice of figures with the period of the built part of the
street, carried along with the ego car: a figure that falls behind by half a period reappears as
far ahead, in the haze.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.palettes import EGO_PAINT
from anyview_ros.worlds.render.scene import Rows
from anyview_ros.worlds.street.movers import Movers, crowd, stacked, vehicle_fleet
from anyview_ros.worlds.street.people import STRIDE, random_person
from anyview_ros.worlds.street.plan import VIEW, StreetPlan
from anyview_ros.worlds.street.vehicles import SEDAN, car, random_vehicle

Floats = NDArray[np.float64]
PERIOD = 2 * VIEW
NEAREST_CAR = 17.0  # metres between the middles of two cars of a lane


@dataclass(frozen=True)
class Drive:
    """Distance driven over time: a mean speed (m/s) with gentle waves that never stop the car."""

    speed: float
    amplitudes: Floats
    rates: Floats
    phases: Floats

    def position(self, t: float | Floats) -> Floats:
        angle = np.multiply.outer(t, self.rates) + self.phases
        waves = (np.sin(angle) - np.sin(self.phases)) @ self.amplitudes
        return np.asarray(self.speed * np.asarray(t) + waves)

    def velocity(self, t: float | Floats) -> Floats:
        angle = np.multiply.outer(t, self.rates) + self.phases
        return np.asarray(self.speed + np.cos(angle) @ (self.amplitudes * self.rates))


def random_drive(rng: Generator, speed: float, unsteadiness: float) -> Drive:
    """`unsteadiness`: the largest share of the speed that the waves add or take."""
    rates = 2 * np.pi / rng.uniform([9.0, 17.0, 31.0], [14.0, 26.0, 50.0])
    shares = rng.dirichlet([2.0, 2.0, 2.0]) * unsteadiness
    return Drive(speed, shares * speed / rates, rates, rng.uniform(0, 2 * np.pi, 3))


@dataclass(frozen=True)
class EgoMotion:
    """The ego car's path: along its lane with a slight sway, heading along its velocity."""

    drive: Drive
    lane: float
    sway: float
    rate: float
    phase: float

    def pose(self, t: float) -> tuple[float, float, float]:
        """(x, y, yaw) in metres and radians at t seconds."""
        angle = self.rate * t + self.phase
        sideways = self.sway * self.rate * np.cos(angle)
        yaw = np.arctan2(sideways, self.drive.velocity(t))
        y = self.lane + self.sway * np.sin(angle)
        return float(self.drive.position(t)), float(y), float(yaw)


@dataclass(frozen=True)
class Stream:
    """Figures that share a drive, on a lattice around the ego car.

    Args:
        starts: (M,) x at time zero. heading: +1 or -1 along x. y: (M,).
    """

    drive: Drive
    heading: float
    starts: Floats
    y: Floats

    def place(self, t: float, ego_x: float) -> tuple[Floats, Floats, Floats, Floats]:
        x = around(self.starts + self.heading * self.drive.position(t), ego_x)
        yaw = np.full(len(x), 0.0 if self.heading > 0 else np.pi)
        return x, self.y, yaw, np.zeros(len(x))


@dataclass(frozen=True)
class Convoy:
    """Cars of the ego's lane: each drives as the ego does, some seconds earlier or later."""

    ego: EgoMotion
    leads: Floats  # (M,) seconds

    def place(self, t: float, ego_x: float) -> tuple[Floats, Floats, Floats, Floats]:
        still = np.zeros(len(self.leads))
        return self.ego.drive.position(t + self.leads), still + self.ego.lane, still, still


@dataclass(frozen=True)
class Walkers:
    """People with speeds of their own (m/s, signed along x), on a lattice around the ego car."""

    starts: Floats
    speeds: Floats
    y: Floats

    def place(self, t: float, ego_x: float) -> tuple[Floats, Floats, Floats, Floats]:
        x = around(self.starts + self.speeds * t, ego_x)
        yaw = np.where(self.speeds > 0, 0.0, np.pi)
        return x, self.y, yaw, self.starts + STRIDE * np.abs(self.speeds) * t


def around(x: Floats, middle: float) -> Floats:
    """x moved by whole periods to within half a period of `middle`."""
    return middle + np.mod(x - middle + 0.5 * PERIOD, PERIOD) - 0.5 * PERIOD


class Traffic:
    """All that moves on a street."""

    def __init__(self, plan: StreetPlan, rng: Generator) -> None:
        self._ego = _ego_motion(plan, rng)
        self._ego_car = vehicle_fleet([car(SEDAN, EGO_PAINT)])  # one colour, as one test fleet
        self._parts: list[tuple[Movers, Stream | Convoy | Walkers]] = [
            _walkers(plan, rng),
            _convoy(self._ego, rng),
        ]
        for lane in plan.lane_centers():
            if abs(lane - plan.ego_lane) > 0.1:
                self._parts.append(_stream(lane, self._ego.drive.speed, rng))

    def ego_pose(self, t: float) -> tuple[float, float, float]:
        """(x, y, yaw) of the ego car's base."""
        return self._ego.pose(t)

    def at(self, t: float) -> tuple[Rows, Rows]:
        """(rows, groups) at t seconds."""
        x, y, yaw = self._ego.pose(t)
        ego = self._ego_car.placed(*(np.array([value]) for value in (x, y, yaw, 0.0)))
        placed = [figures.placed(*motion.place(t, x)) for figures, motion in self._parts]
        return stacked([ego, *placed])


def _ego_motion(plan: StreetPlan, rng: Generator) -> EgoMotion:
    drive = random_drive(rng, rng.uniform(4.0, 12.0), 0.35)
    return EgoMotion(
        drive, plan.ego_lane, rng.uniform(0.02, 0.15), rng.uniform(0.2, 0.45), rng.uniform(0, 6.28)
    )


def _spaced(rng: Generator, gap: float) -> Floats:
    """Irregular starts over one period, neighbours at least NEAREST_CAR apart."""
    count = max(int(PERIOD / max(gap, NEAREST_CAR + 1.0)), 1)
    pitch = PERIOD / count
    jitter = rng.uniform(0.0, pitch - NEAREST_CAR, count)
    return np.arange(count) * pitch + jitter


def _stream(lane: float, ego_speed: float, rng: Generator) -> tuple[Movers, Stream]:
    heading = 1.0 if lane < 0 else -1.0
    speed = ego_speed * rng.uniform(0.7, 1.35) if heading > 0 else rng.uniform(4.0, 13.0)
    starts = _spaced(rng, rng.uniform(18.0, 60.0))
    fleet = vehicle_fleet([random_vehicle(rng) for _ in starts])
    y = lane + rng.uniform(-0.25, 0.25, len(starts))
    return fleet, Stream(random_drive(rng, speed, 0.3), heading, starts, y)


def _convoy(ego: EgoMotion, rng: Generator) -> tuple[Movers, Convoy]:
    """Cars ahead and behind; distances are those at the mean speed."""
    ahead = np.cumsum(rng.uniform(20.0, 60.0, 8))
    behind = -np.cumsum(rng.uniform(24.0, 60.0, 7))
    distances = np.concatenate([ahead[ahead < VIEW], behind[behind > -VIEW]])
    fleet = vehicle_fleet([random_vehicle(rng) for _ in distances])
    return fleet, Convoy(ego, distances / ego.drive.speed)


def _walkers(plan: StreetPlan, rng: Generator) -> tuple[Movers, Walkers]:
    count = int(rng.integers(16, 48))
    side = rng.choice([-1.0, 1.0], count)
    y = side * (plan.road_half + rng.uniform(1.25, plan.sidewalk - 0.45, count))
    speeds = rng.uniform(0.8, 1.6, count) * rng.choice([-1.0, 1.0], count)
    people = crowd([random_person(rng) for _ in range(count)])
    return people, Walkers(rng.uniform(0, PERIOD, count), speeds, y)

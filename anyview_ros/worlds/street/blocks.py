"""The standing part of a street, block by block: block k lies between side streets k and k + 1."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from anyview_ros.worlds.render.ground import SIDE_WALK, STOP_LINE
from anyview_ros.worlds.render.scene import Rows, bounding_groups
from anyview_ros.worlds.street.buildings import awning, building
from anyview_ros.worlds.street.furniture import (
    bench,
    bin_or_bollard,
    hedge,
    lamp,
    sign,
    traffic_light,
    tree,
)
from anyview_ros.worlds.street.movers import Movers, crowd, vehicle_fleet
from anyview_ros.worlds.street.people import random_person
from anyview_ros.worlds.street.plan import StreetPlan
from anyview_ros.worlds.street.vehicles import random_vehicle

SIDE_STREET_END = 78.0  # |y| where a house closes the view along a side street
BAY = 6.0  # length of a parking bay
Span = tuple[float, float]


def block(plan: StreetPlan, rng: Generator, index: int) -> tuple[Rows, Rows]:
    """(rows, groups) of everything that stands in block `index`."""
    start = index * plan.block
    margin = plan.side_half + SIDE_WALK
    span = (start + margin, start + plan.block - margin)
    things: list[Rows] = []
    for side in (-1.0, 1.0):
        things += _street_front(plan, rng, span, side)
        things += _side_streets(plan, rng, span, side)
        things += _backdrop(plan, rng, span, side)
        things += _kerb(plan, rng, span, side)
        things += _parked(plan, rng, span, side)
        things += _crossing(plan, rng, start, side)
        things += _bystanders(plan, rng, span, side)
    rows = np.concatenate(things)
    return rows, bounding_groups(rows, [len(thing) for thing in things])


def _mirrored(low: float, high: float, side: float) -> Span:
    """The span low..high of |y| on the side of that sign, in increasing order."""
    return (low, high) if side > 0 else (-high, -low)


def _street_front(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """Houses shoulder to shoulder, here and there a garden instead."""
    things: list[Rows] = []
    x = span[0]
    while span[1] - x > 6.0:
        width = min(rng.uniform(8.0, 17.0), span[1] - x)
        if span[1] - x - width < 6.0:
            width = span[1] - x
        corner = x == span[0] or x + width == span[1]
        if not corner and rng.random() < (0.12 if plan.suburban else 0.18):
            things += _garden(plan, rng, (x, x + width), side)
        elif plan.suburban:
            things += _cottage(plan, rng, (x, x + width), side)
        else:
            things += _house(
                plan, rng, (x, x + width), side, 0.0 if corner else rng.uniform(0, 1.5)
            )
        x += width
    return things


def _house(plan: StreetPlan, rng: Generator, span: Span, side: float, setback: float) -> list[Rows]:
    front = plan.front + setback
    things = [building(rng, span, _mirrored(front, front + rng.uniform(8.0, 12.0), side), (2, 6))]
    if rng.random() < 0.25:
        things.append(awning(rng, (span[0] + 0.5, span[1] - 0.5), side * front, -side))
    return things


def _cottage(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """A low house behind a front garden, a hedge along the sidewalk, a tree beside it."""
    gap = rng.uniform(1.0, 2.2)
    front = plan.front + rng.uniform(2.5, 5.0)
    y = _mirrored(front, front + rng.uniform(7.0, 9.5), side)
    things = [building(rng, (span[0] + gap, span[1] - gap), y, (1, 2))]
    if rng.random() < 0.7:
        things.append(hedge(rng, (span[0] + 0.3, span[1] - 2.2), side * (plan.front + 0.4)))
    if rng.random() < 0.5:
        things.append(tree(rng, span[0] + 0.2, side * (plan.front + rng.uniform(1.5, 4.0))))
    return things


def _garden(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    things = [hedge(rng, span, side * (plan.front + 0.4))]
    for _ in range(2):
        x, y = rng.uniform(span[0] + 1.5, span[1] - 1.5), plan.front + rng.uniform(2.5, 8.0)
        things.append(tree(rng, x, side * y))
    return things


def _side_streets(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """Rows of houses along both side streets of the block."""
    things: list[Rows] = []
    for left in (True, False):
        y = plan.front + 12.5
        while y < SIDE_STREET_END - 6.0:
            length = rng.uniform(10.0, 18.0)
            depth = rng.uniform(8.0, 11.0)
            x = (span[0], span[0] + depth) if left else (span[1] - depth, span[1])
            if rng.random() < 0.88:
                storeys = (1, 3) if plan.suburban else (2, 5)
                things.append(building(rng, x, _mirrored(y, y + length, side), storeys))
            else:
                things.append(tree(rng, 0.5 * (x[0] + x[1]), side * (y + 0.5 * length)))
            y += length + rng.uniform(0.0, 2.0)
    return things + _side_street_ahead(plan, rng, span[0] - plan.side_half - SIDE_WALK, side)


def _side_street_ahead(
    plan: StreetPlan, rng: Generator, crossing: float, side: float
) -> list[Rows]:
    """The house that closes the view along the side street, and trees along its kerbs."""
    things: list[Rows] = []
    reach = plan.side_half + SIDE_WALK + 10.0
    end = _mirrored(SIDE_STREET_END + 6.0, SIDE_STREET_END + 16.0, side)
    things.append(building(rng, (crossing - reach, crossing + reach), end, (3, 6)))
    for at in (20.0, 32.0, 44.0):
        for edge in (-1.0, 1.0):
            if rng.random() < 0.5:
                kerb = crossing + edge * (plan.side_half + 0.7)
                things.append(tree(rng, kerb, side * (plan.front + at + rng.uniform(-4, 4))))
    return things


def _backdrop(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """Taller houses in the second row, seen over roofs and through gardens."""
    if plan.suburban or rng.random() < 0.3:
        return []
    width = rng.uniform(12.0, 20.0)
    x = rng.uniform(span[0] + 10.0, max(span[1] - 10.0 - width, span[0] + 10.5))
    low = plan.front + rng.uniform(20.0, 34.0)
    return [building(rng, (x, x + width), _mirrored(low, low + 11.0, side), (5, 10))]


def _kerb(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """Trees, lamps, signs and small things along the kerb."""
    things: list[Rows] = []
    x, y = span[0] + rng.uniform(0.0, 3.0), side * (plan.road_half + 0.7)
    while x < span[1]:
        kind = rng.random()
        if kind < 0.42:
            things.append(tree(rng, x, y))
        elif kind < 0.66:
            things.append(lamp(x, y, -side))
        elif kind < 0.8:
            things.append(sign(rng, x, y, side))
        elif kind < 0.9:
            things.append(bin_or_bollard(rng, x, y))
        else:
            things.append(bench(x, side * (plan.front - 0.4)))
        x += rng.uniform(4.5, 9.0)
    return things


def _parked(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    if not plan.parking:
        return []
    bays = np.arange(np.ceil(span[0] / BAY), np.floor((span[1] - 2.0) / BAY)) + 0.5
    y, yaw = side * (plan.road_half - 1.1), 0.0 if side < 0 else np.pi
    return [
        _standing(vehicle_fleet([random_vehicle(rng, with_coaches=False)]), x, y, yaw)
        for x in bays * BAY
        if rng.random() < 0.55
    ]


def _crossing(plan: StreetPlan, rng: Generator, x: float, side: float) -> list[Rows]:
    """At side street x: traffic lights, and a car that waits to enter the street."""
    things: list[Rows] = []
    if plan.signals:
        # Green for the street, whose traffic never stops, and red for those who wait beside it.
        at, facing = x + side * (plan.side_half + STOP_LINE + 0.4), 0.0 if side > 0 else np.pi
        things.append(traffic_light(at, side * (plan.road_half + 0.5), facing, lit=2))
        aside, facing = x - side * (plan.side_half + 0.5), side * 0.5 * np.pi
        things.append(traffic_light(aside, side * (plan.front + 0.9), facing, lit=0))
    if rng.random() < 0.45:
        y, yaw = side * (plan.front + 3.7), -side * 0.5 * np.pi
        lane = x - side * 0.5 * plan.side_half  # keeps to the right
        fleet = vehicle_fleet([random_vehicle(rng, with_coaches=False)])
        things.append(_standing(fleet, lane, y, yaw))
    return things


def _bystanders(plan: StreetPlan, rng: Generator, span: Span, side: float) -> list[Rows]:
    """People who stand and talk, by the houses."""
    things: list[Rows] = []
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(*span), side * (plan.front - rng.uniform(0.4, 0.8))
        yaw = rng.uniform(-np.pi, np.pi)
        for turn in (0.0, np.pi)[: rng.integers(1, 3)]:
            away = 0.4 if turn else -0.4
            at = (x + away * np.cos(yaw), y + away * np.sin(yaw) * 0.3)
            things.append(_standing(crowd([random_person(rng)]), *at, yaw + turn))
    return things


def _standing(figure: Movers, x: float, y: float, yaw: float) -> Rows:
    rows, _ = figure.placed(*(np.array([value]) for value in (x, y, yaw, 0.0)))
    return rows

"""Cars, vans and buses: rows in the vehicle's frame (x forward, y left, z = 0 the ground)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from anyview_ros.worlds.palettes import CAR_PAINTS, COACH_PAINTS, STEEL, VAN_PAINTS, Color, pick
from anyview_ros.worlds.render.paint import AXLE
from anyview_ros.worlds.render.scene import (
    COACH,
    CYLINDER,
    VEHICLE_BODY,
    VEHICLE_CABIN,
    VEHICLE_SCREEN,
    WHEEL,
    Finish,
    Rows,
    box,
    primitive,
)

CLEARANCE, WHEEL_RADIUS, WHEEL_HALF_WIDTH = 0.24, 0.33, 0.11  # metres
SIDEWAYS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z axis along y


@dataclass(frozen=True)
class CarShape:
    """Metres; `waist` is the height of the body, `hood` and `tail` its length outside the cabin,
    `rake` how far a screen slopes, front and rear."""

    length: float
    width: float
    height: float
    waist: float
    hood: float
    tail: float
    rake: tuple[float, float]


SEDAN = CarShape(4.6, 1.82, 1.44, 0.92, 1.05, 0.7, (0.75, 0.65))
HATCHBACK = CarShape(4.0, 1.76, 1.5, 0.95, 0.85, 0.08, (0.7, 0.35))
ESTATE = CarShape(4.75, 1.84, 1.48, 0.93, 1.05, 0.06, (0.72, 0.4))
SUV = CarShape(4.65, 1.92, 1.72, 1.08, 1.0, 0.08, (0.6, 0.3))
VAN = CarShape(5.2, 1.98, 2.25, 1.2, 0.45, 0.05, (0.75, 0.08))
CARS = (SEDAN, SEDAN, HATCHBACK, HATCHBACK, ESTATE, SUV, SUV, VAN)
COACH_LENGTH, COACH_WIDTH, COACH_HEIGHT = 10.8, 2.5, 3.1


def car(shape: CarShape, paint: Color) -> Rows:
    """(8, COLUMNS): body, cabin, two sloping screens, four wheels."""
    half_width = 0.5 * shape.width
    body_half = (0.5 * shape.length, half_width, 0.5 * (shape.waist - CLEARANCE))
    middle = 0.5 * (shape.waist + CLEARANCE)
    glossy = Finish(paint, gloss=0.7)
    front = 0.5 * shape.length - shape.hood - shape.rake[0]
    rear = -0.5 * shape.length + shape.tail + shape.rake[1]
    cabin_half = (0.5 * (front - rear), half_width - 0.1, 0.5 * (shape.height - shape.waist))
    rows = [
        box((0, 0, middle), body_half, _as(glossy, VEHICLE_BODY, WHEEL_RADIUS - middle)),
        box(
            (0.5 * (front + rear), 0, shape.height - cabin_half[2]),
            cabin_half,
            _as(glossy, VEHICLE_CABIN),
        ),
        _screen(front, shape.rake[0], shape, glossy),
        _screen(rear, -shape.rake[1], shape, glossy),
    ]
    return np.stack(rows + _wheels(shape.length, half_width))


def coach(paint: Color, stripe: Color) -> Rows:
    """(5, COLUMNS): a city bus."""
    half = (0.5 * COACH_LENGTH, 0.5 * COACH_WIDTH, 0.5 * (COACH_HEIGHT - CLEARANCE))
    middle = 0.5 * (COACH_HEIGHT + CLEARANCE)
    finish = Finish(paint, stripe, COACH, WHEEL_RADIUS - middle, gloss=0.6)
    return np.stack([box((0, 0, middle), half, finish), *_wheels(COACH_LENGTH, half[1])])


def random_vehicle(rng: Generator, with_coaches: bool = True) -> Rows:
    """A car, a van or (one in fourteen) a bus."""
    if with_coaches and rng.random() < 0.07:
        return coach(pick(rng, COACH_PAINTS), pick(rng, VAN_PAINTS))
    shape = CARS[rng.integers(len(CARS))]
    return car(shape, pick(rng, VAN_PAINTS if shape is VAN else CAR_PAINTS))


def _as(finish: Finish, material: int, scale: float = 1.0) -> Finish:
    return Finish(finish.color, finish.accent, material, scale, finish.seed, finish.gloss)


def _screen(roof_edge: float, rake: float, shape: CarShape, finish: Finish) -> Rows:
    """A slab whose outer side slopes from the roof's edge to `rake` metres ahead on the waist.

    It is thick enough to close the wedge between that plane and the cabin; what sticks out
    inwards lies within cabin and body.
    """
    rise = shape.height - shape.waist
    slope = np.hypot(rake, rise)
    down = np.array([rake, 0.0, -rise]) / slope
    across = np.array([0.0, 1.0, 0.0])
    outwards = np.cross(down, across) * np.sign(rake)
    if rake < 0:
        across = -across
    thickness = abs(rake) * rise / slope
    edge = np.array([roof_edge, 0.0, shape.height])
    center = edge + 0.5 * slope * down - 0.5 * thickness * outwards
    half = (0.5 * slope, 0.5 * shape.width - 0.1, 0.5 * thickness)
    rotation = np.stack([down, across, outwards], axis=1)
    return box(center, half, _as(finish, VEHICLE_SCREEN), rotation)


def _wheels(length: float, half_width: float) -> list[Rows]:
    half = (WHEEL_RADIUS, WHEEL_RADIUS, WHEEL_HALF_WIDTH)
    axle, side = 0.5 * AXLE * length, half_width - WHEEL_HALF_WIDTH + 0.02
    return [
        primitive(
            CYLINDER, (x, y, WHEEL_RADIUS), half, Finish(STEEL, material=WHEEL, gloss=0.4), SIDEWAYS
        )
        for x in (-axle, axle)
        for y in (-side, side)
    ]

"""The clutter world: things of all sizes, anywhere, and a camera in somebody's hand among them.

Nothing in it is like a street or a table, so what a network learns here about where surfaces are
is not how streets and tables look. In most of its worlds z = 0 is not the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.worlds.render import scene
from anyview_ros.worlds.render.scene import (
    BOX,
    CENTER,
    CYLINDER,
    ELLIPSOID,
    ROTATION,
    Finish,
    Rows,
    Scene,
    bounding_groups,
    primitive,
)
from anyview_ros.worlds.rigs import BASE, Mount, RigCamera, known_link, mounted, rolled
from anyview_ros.worlds.table.room import indoors, room

NS = 1e-9
_THINGS, _ROOM, _WAY = range(3)  # what a random stream is for
Floats = NDArray[np.float64]

PATTERNS = (
    *(scene.PLAIN, scene.NOISE, scene.STRIPES, scene.WOOD, scene.MARBLE, scene.CHECKS),
    *(scene.TILES, scene.BRICK, scene.DOTS, scene.TERRAZZO, scene.RUG, scene.FOLIAGE),
)
THINGS = (40, 150)  # how many
WITHIN_REACH, FAR = 1.3, 40.0  # metres from the origin, where the camera is, to a thing's middle
THICK = (0.05, 0.8)  # half sizes over the distance, most of the way
INDOORS, LEVEL, ON_GROUND, MOVING = 0.4, 0.35, 0.6, 0.3  # shares
TALLEST = 1.2  # metres that a hand holds a camera above z = 0, and the least is a third of it
CLUTTER_RIG = (RigCamera("front", Camera.from_fov(256, 144, 1.2), mounted((0, 0, 0.8), 0, -0.1)),)


@dataclass(frozen=True)
class Sway:
    """To and fro, and turning on: where something is at t seconds.

    Args:
        reach: (3,) metres to each side.
        rates: (3,) radians a second.
        phases: (3,)
        turn: (3,) radians to each side, about x, y and z.
    """

    reach: Floats
    rates: Floats
    phases: Floats
    turn: Floats

    @classmethod
    def drawn(cls, rng: Generator, reach: float, turn: float) -> Sway:
        return cls(
            reach * rng.uniform(0, 1, 3),
            rng.uniform(0.4, 2.0, 3),
            rng.uniform(0, 2 * np.pi, 3),
            turn * rng.uniform(0, 1, 3),
        )

    def at(self, t: float) -> Floats:
        """(4, 4)"""
        swing = np.sin(self.rates * t + self.phases)
        return rigid(euler2mat(*(self.turn * np.roll(swing, 1))), self.reach * swing)


class ClutterWorld:
    """Boxes, balls and rods that stand, hang and sway, in a room or in the open."""

    kind = "clutter"
    scene_scale = 0.25

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = self._random(_ROOM)
        inside = rng.random() < INDOORS
        floor = 0.0 if rng.random() < LEVEL else -rng.uniform(0.15, 1.5)
        self._environment = indoors(rng, floor)
        self._walls = room(self._random(_ROOM, 1), floor) if inside else None
        rng = self._random(_THINGS)
        self._rows = things(rng, floor, 2.2 if inside else FAR)
        moving = rng.random(len(self._rows)) < MOVING * rng.random()
        self._swaying = [
            (k, Sway.drawn(rng, 0.3 * float(self._rows[k, scene.RADIUS]), 0.6))
            for k in np.flatnonzero(moving)
        ]
        rng = self._random(_WAY)
        self._way = Sway.drawn(rng, *rng.uniform(0, (0.6, 0.25)))

    @property
    def rig(self) -> tuple[RigCamera, ...]:
        return CLUTTER_RIG

    def sample_source(self, rng: Generator) -> Mount:
        """Any way around, mostly a little downwards."""
        height, yaw = rng.uniform(TALLEST / 3, TALLEST), rng.uniform(-np.pi, np.pi)
        held = mounted((0, 0, height), yaw, rng.normal(-0.15, 0.25))
        return Mount(held @ rolled(rng.normal(0, 0.08)), np.radians(rng.uniform(40, 95)))

    def sample_target(self, rng: Generator, source: Mount) -> Mount:
        """The source up to 0.4 m aside and turned, every third standing still."""
        shift = rng.uniform(-1, 1, 3) * (0.4, 0.2, 0.2)
        turn = euler2mat(*rng.normal(0, (0.1, 0.3, 0.05)))
        moved = source.link_from_cam @ rigid(turn, shift)
        return Mount(moved, np.radians(rng.uniform(45, 95)), standing=rng.random() < 1 / 3)

    def world_from_link(self, link: str, stamp_ns: int) -> Floats:
        known_link(self.kind, link, (BASE,))
        return self._way.at(stamp_ns * NS)

    def scene_at(self, stamp_ns: int) -> Scene:
        rows = self._rows.copy()
        for k, sway in self._swaying:
            moved = sway.at(stamp_ns * NS)
            rotation = rows[k, ROTATION : ROTATION + 9].reshape(3, 3)
            rows[k, ROTATION : ROTATION + 9] = (moved[:3, :3] @ rotation).ravel()
            rows[k, CENTER : CENTER + 3] += moved[:3, 3]
        groups = bounding_groups(rows, np.ones(len(rows), np.int64))
        if self._walls is None:
            return Scene(rows, groups, self._environment)
        walls, around = self._walls
        around = around.copy()
        around[:, [scene.GROUP_FIRST, scene.GROUP_LAST]] += len(rows)
        return Scene(
            np.concatenate([rows, walls]), np.concatenate([groups, around]), self._environment
        )

    def _random(self, purpose: int, part: int = 0) -> Generator:
        return np.random.default_rng([self.seed, purpose, part, 0xC1077])


def things(rng: Generator, floor: float, reach: float) -> Rows:
    """Rows of things around the origin, up to `reach` metres away; the farther, the larger."""
    rows = []
    for _ in range(int(rng.integers(*THINGS))):
        away = WITHIN_REACH * (reach / WITHIN_REACH) ** rng.random()
        half = away * THICK[0] * (THICK[1] / THICK[0]) ** rng.random(3) / 2
        half *= min(1.0, (away - 0.9) / float(np.linalg.norm(half)))  # none around the camera
        turn = rng.uniform(-np.pi, np.pi)
        upright = rng.random() < ON_GROUND
        height = floor + half[2] if upright else rng.uniform(floor, 0.8 + 0.3 * away)
        center = (away * np.cos(turn), away * np.sin(turn), height)
        tilt = (0.0, 0.0) if upright else rng.normal(0, 0.8, 2)
        shape = int(rng.choice([BOX, BOX, ELLIPSOID, CYLINDER]))
        rotation = euler2mat(*tilt, rng.uniform(-np.pi, np.pi))
        row = primitive(shape, center, half, finish(rng, float(half.max())), rotation)
        row[scene.STANDS] = floor
        rows.append(row)
    return np.stack(rows)


def finish(rng: Generator, size: float) -> Finish:
    """Any pattern in any two colours, from coarse to fine for a thing of that size."""
    colors = rng.uniform(0.02, 1, (2, 3)) ** 2
    if rng.random() < 0.5:  # most things are of pale colours
        colors = 0.3 * colors + 0.7 * colors.mean(axis=1, keepdims=True)
    scale = size * 0.05 * 16 ** rng.random()
    gloss = rng.uniform(0, 0.3) if rng.random() < 0.3 else 0.0
    pattern = int(rng.choice(PATTERNS))
    if pattern == scene.FOLIAGE:
        scale = 3.0 / size
    color, accent = colors
    return Finish(color, accent, pattern, scale, int(rng.integers(999)), gloss)

"""The table world: an arm on a table moves things around; two cameras beside it, one in its hand.

z = 0 of the fixed frame is the top of the table, where the arm's base stands at the origin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.render.scene import Rows, Scene, bounding_groups
from anyview_ros.worlds.rigs import BASE, Mount, RigCamera, known_link
from anyview_ros.worlds.robots import ROBOTS
from anyview_ros.worlds.street.movers import stacked
from anyview_ros.worlds.table.arm import Arm, world_from_hand
from anyview_ros.worlds.table.room import indoors, room, table
from anyview_ros.worlds.table.table_plan import table_plan
from anyview_ros.worlds.table.table_rig import (
    DOLLY,
    HAND,
    TABLE_RIG,
    sample_source,
    sample_target,
    world_from_dolly,
)

NS = 1e-9
_ROOM, _ARM, _THINGS = range(3)  # what a random stream is for


class TableWorld:
    """A robot arm, things that it carries, things that roll or turn, things that stand."""

    kind = "table"
    scene_scale = ROBOTS["table"].scene_scale

    def __init__(self, seed: int) -> None:
        self.seed = seed
        table_rows, floor = table(self._random(_ROOM))
        self._environment = indoors(self._random(_ROOM, 1), floor)
        self._arm = Arm(self._random(_ARM))
        self._plan = table_plan(self._random(_THINGS))
        top, legs = table_rows[:1], table_rows[1:]
        self._standing = stacked(
            [
                room(self._random(_ROOM, 2), floor),
                (table_rows, bounding_groups(table_rows, [len(top), len(legs)])),
                _grouped(self._plan.standing),
            ]
        )

    @property
    def rig(self) -> tuple[RigCamera, ...]:
        return TABLE_RIG

    def sample_source(self, rng: Generator) -> Mount:
        return sample_source(rng)

    def sample_target(self, rng: Generator, source: Mount) -> Mount:
        return sample_target(rng, source)

    def world_from_link(self, link: str, stamp_ns: int) -> NDArray[np.float64]:
        known_link(self.kind, link, (BASE, HAND, DOLLY))
        if link == BASE:
            return np.eye(4)
        if link == DOLLY:
            return world_from_dolly(stamp_ns * NS, self._plan.phase)
        return world_from_hand(self._plan.motion.hand(stamp_ns * NS))

    def scene_at(self, stamp_ns: int) -> Scene:
        t = stamp_ns * NS
        arm = self._arm.rows_at(self._plan.motion.hand(t))
        rows, groups = stacked([self._standing, arm, _grouped(self._plan.moving_at(t))])
        return Scene(rows, groups, self._environment)

    def _random(self, purpose: int, part: int = 0) -> Generator:
        return np.random.default_rng([self.seed, purpose, part, 0x7AB1E])


def _grouped(things: Sequence[Rows]) -> tuple[Rows, Rows]:
    """A group for each thing."""
    rows = np.concatenate(things)
    return rows, bounding_groups(rows, [len(thing) for thing in things])

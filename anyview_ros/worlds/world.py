"""Worlds: pure functions of (kind, seed, stamp)."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import rigid
from anyview_ros.worlds.blocks import block
from anyview_ros.worlds.movers import stacked
from anyview_ros.worlds.plan import VIEW, street_plan
from anyview_ros.worlds.scene import Rows, Scene
from anyview_ros.worlds.traffic import Traffic

NS = 1e-9
_PLAN, _TRAFFIC, _BLOCK = range(3)  # what a random stream is for


class World(Protocol):
    """A world that anyone can render at any stamp: truth for any camera."""

    @property
    def kind(self) -> str: ...

    @property
    def seed(self) -> int: ...

    def world_from_base(self, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) float64: the vehicle's base on the ground, x forward, y left, z up."""
        ...

    def scene_at(self, stamp_ns: int) -> Scene: ...


class StreetWorld:
    """An endless street with traffic; the ground is z = 0 of the fixed frame.

    Coordinates are float32 in a Scene: their grain stays under 1 mm for the first 8 km.
    """

    kind = "street"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._plan = street_plan(self._random(_PLAN))
        self._traffic = Traffic(self._plan, self._random(_TRAFFIC))
        self._block = lru_cache(maxsize=32)(self._build_block)

    def world_from_base(self, stamp_ns: int) -> NDArray[np.float64]:
        x, y, yaw = self._traffic.ego_pose(stamp_ns * NS)
        c, s = np.cos(yaw), np.sin(yaw)
        return rigid([[c, -s, 0], [s, c, 0], [0, 0, 1]], [x, y, 0])

    def scene_at(self, stamp_ns: int) -> Scene:
        t = stamp_ns * NS
        x, _, _ = self._traffic.ego_pose(t)
        first = int(np.floor((x - VIEW) / self._plan.block))
        last = int(np.floor((x + VIEW) / self._plan.block))
        blocks = [self._block(index) for index in range(first, last + 1)]
        rows, groups = stacked([*blocks, self._traffic.at(t)])
        return Scene(rows, groups, self._plan.environment)

    def _build_block(self, index: int) -> tuple[Rows, Rows]:
        return block(self._plan, self._random(_BLOCK, index), index)

    def _random(self, purpose: int, index: int = 0) -> np.random.Generator:
        # A seed sequence takes no negative numbers, but blocks lie behind the start as well.
        return np.random.default_rng([self.seed, purpose, index + 2**31])


_WORLDS = {"street": StreetWorld}


@lru_cache(maxsize=64)
def make_world(kind: str, seed: int) -> World:
    """The world of that kind and seed (0 or larger).

    Raises:
        AnyviewError: `unknown_world` when there is no such kind, or the seed is negative.
    """
    if kind not in _WORLDS:
        raise AnyviewError("unknown_world", f"world must be one of {sorted(_WORLDS)}, got '{kind}'")
    if seed < 0:
        raise AnyviewError("unknown_world", f"the seed of a world must be 0 or larger, got {seed}")
    return _WORLDS[kind](seed)

"""The street world: a vehicle with a surround rig drives through endless traffic."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anyview_ros.geometry import rigid
from anyview_ros.worlds.render.scene import Rows, Scene
from anyview_ros.worlds.rigs import BASE, Mount, RigCamera, known_link
from anyview_ros.worlds.robots import ROBOTS
from anyview_ros.worlds.street.blocks import block
from anyview_ros.worlds.street.movers import stacked
from anyview_ros.worlds.street.plan import VIEW, street_plan
from anyview_ros.worlds.street.street_rig import STREET_RIG, sample_source, sample_target
from anyview_ros.worlds.street.traffic import Traffic

NS = 1e-9
_PLAN, _TRAFFIC, _BLOCK = range(3)  # what a random stream is for


class StreetWorld:
    """An endless street with traffic; the ground is z = 0 of the fixed frame.

    Coordinates are float32 in a Scene: their grain stays under 1 mm for the first 8 km.
    """

    kind = "street"
    scene_scale = ROBOTS["street"].scene_scale

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._plan = street_plan(self._random(_PLAN))
        self._traffic = Traffic(self._plan, self._random(_TRAFFIC))
        self._block = lru_cache(maxsize=32)(self._build_block)

    @property
    def rig(self) -> tuple[RigCamera, ...]:
        return STREET_RIG

    def sample_source(self, rng: np.random.Generator) -> Mount:
        return sample_source(rng)

    def sample_target(self, rng: np.random.Generator, source: Mount) -> Mount:
        return sample_target(rng, source)

    def world_from_link(self, link: str, stamp_ns: int) -> NDArray[np.float64]:
        known_link(self.kind, link, (BASE,))
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

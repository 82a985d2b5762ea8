"""Worlds: pure functions of (kind, seed, stamp)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.worlds.clutter import ClutterWorld
from anyview_ros.worlds.render.scene import Scene
from anyview_ros.worlds.rigs import Mount, RigCamera
from anyview_ros.worlds.robots import ROBOTS
from anyview_ros.worlds.street.street import StreetWorld
from anyview_ros.worlds.table.table import TableWorld


class World(Protocol):
    """A robot with cameras in a world that anyone can render at any stamp: truth for any camera.

    In the fixed frame z points up and is 0 on what the robot's base stands on.
    """

    @property
    def kind(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def scene_scale(self) -> float:
        """What multiplies Plücker moments: about one over the distance that matters, in metres."""
        ...

    @property
    def rig(self) -> tuple[RigCamera, ...]: ...

    def world_from_link(self, link: str, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) float64, smooth in time; every world has `rigs.BASE`: x forward, y left, z up.

        Raises:
            AnyviewError: `unknown_link`.
        """
        ...

    def scene_at(self, stamp_ns: int) -> Scene: ...

    def sample_source(self, rng: Generator) -> Mount:
        """A camera as robots of this kind carry it."""
        ...

    def sample_target(self, rng: Generator, source: Mount) -> Mount:
        """A camera to be synthesized from what that source sees."""
        ...


KINDS = tuple(ROBOTS)  # that have a robot with its rig, for the bench and the demos
_WORLDS: dict[str, Callable[[int], World]] = {
    "street": StreetWorld,
    "table": TableWorld,
    "clutter": ClutterWorld,  # for training alone
}


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

"""A world whose surfaces wear photographs: shapes, motion and cameras are those of the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.worlds.photographs import Photographs
from anyview_ros.worlds.render import scene as columns
from anyview_ros.worlds.render.scene import Rows, Scene
from anyview_ros.worlds.render.textures import LUMA
from anyview_ros.worlds.rigs import Mount, RigCamera
from anyview_ros.worlds.world import World

OUTDOORS = (columns.FACADE, columns.ROOF, columns.FOLIAGE, columns.NOISE, columns.STRIPES)
NOT_INDOORS = (columns.SIGN, columns.SIGNAL)
BUILT = (columns.FACADE, columns.ROOF)  # of laid materials only; foliage of those that grew
FINISH = [columns.MATERIAL, *range(columns.COLOR, columns.RADIUS)]  # what does not move
DRAWS = 6  # random numbers for each finish


@dataclass(frozen=True, eq=False)
class PhotographedWorld:
    """A world in which a share of the finishes and, by that chance, the sky are photographs.

    What a surface wears follows from the world's seed and from its finish, so it keeps it while
    it moves, and the same finish is the same photograph everywhere.
    """

    world: World
    photographs: Photographs
    share: float

    @property
    def kind(self) -> str:
        return self.world.kind

    @property
    def seed(self) -> int:
        return self.world.seed

    @property
    def scene_scale(self) -> float:
        return self.world.scene_scale

    @property
    def rig(self) -> tuple[RigCamera, ...]:
        return self.world.rig

    def world_from_link(self, link: str, stamp_ns: int) -> NDArray[np.float64]:
        return self.world.world_from_link(link, stamp_ns)

    def sample_source(self, rng: Generator) -> Mount:
        return self.world.sample_source(rng)

    def sample_target(self, rng: Generator, source: Mount) -> Mount:
        return self.world.sample_target(rng, source)

    def scene_at(self, stamp_ns: int) -> Scene:
        plain = self.world.scene_at(stamp_ns)
        return replace(
            plain,
            primitives=self._dressed(plain.primitives, plain.environment),
            environment=self._environment,
            texels=self.photographs.texels,
        )

    @cached_property
    def _environment(self) -> Rows:
        """Ground and sky with their photographs; they are the same at every stamp."""
        rng = np.random.default_rng([self.seed, 0xF070])
        environment = self.world.scene_at(0).environment.copy()
        laid, materials = self.photographs.laid, len(self.photographs.metres)
        parts = {
            columns.ROAD_TEXTURE: (0, laid),
            columns.PAVING_TEXTURE: (0, laid),
            columns.YARD_TEXTURE: (laid, materials),
        }
        for part, (first, last) in parts.items():
            if rng.random() < self.share:
                texture = int(rng.integers(first, last))
                metres = self.photographs.metres[texture] * np.exp(rng.uniform(-0.5, 0.8))
                environment[part : part + 3] = texture + 1, metres, rng.uniform(0, 2 * np.pi)
        indoors = environment[columns.FLOOR] > 0
        skies = len(self.photographs.sky_names)
        if indoors or not skies or rng.random() >= self.share:
            return environment
        index = int(rng.integers(skies))
        environment[columns.SKY_TEXTURE] = index + 1
        return _under(environment, self.photographs.sky(index))

    def _dressed(self, rows: Rows, environment: Rows) -> Rows:
        """The rows, with a photograph on the finishes that were drawn for one."""
        draws = _draws(rows[:, FINISH], self.seed)
        material = rows[:, columns.MATERIAL]
        indoors = environment[columns.FLOOR] > 0
        suited = ~np.isin(material, NOT_INDOORS) if indoors else np.isin(material, OUTDOORS)
        wears = suited & (draws[:, 0] < self.share)
        laid, materials = self.photographs.laid, len(self.photographs.metres)
        count = len(self.photographs.names)
        leaves = material == columns.FOLIAGE
        last = np.where(leaves | (draws[:, 1] < 0.5), materials, count)
        last[np.isin(material, BUILT)] = laid
        first = np.where(leaves, laid, 0)
        texture = np.floor(first + draws[:, 2] * (last - first)).astype(int)
        size = 2 * rows[:, columns.HALF : columns.HALF + 3].max(axis=1)
        metres = np.append(self.photographs.metres, np.full(count - materials, np.inf))[texture]
        tile = np.minimum(
            metres * np.exp(1.5 * draws[:, 3] - 0.5), size * np.exp(draws[:, 3] - 0.5)
        )
        dressed = rows.copy()
        dressed[wears, columns.TEXTURE] = texture[wears] + 1
        dressed[wears, columns.TILE] = tile[wears]
        # What grew has no upright; around a cylinder or an ellipsoid a turned picture has a seam.
        turned = wears & (texture >= laid) & (texture < materials)
        turned &= rows[:, columns.SHAPE] == columns.BOX
        dressed[turned, columns.TURN] = 2 * np.pi * draws[turned, 5]
        framed = wears & (material == columns.PICTURE)
        dressed[framed, columns.MATERIAL] = columns.PLAIN
        # A picture shows its own colours where the surface has little of one.
        pale = wears & ((texture >= materials) | framed) & (draws[:, 4] < 0.7)
        color = slice(columns.COLOR, columns.COLOR + 3)
        dressed[pale, color] = 0.25 + 0.25 * dressed[pale, color]
        return dressed


def _draws(finishes: Rows, seed: int) -> NDArray[np.float64]:
    """(N, DRAWS) in [0, 1) that follow from the bits of each row and the seed.

    The hash is FNV-1a by words, finished as in `device.lattice_value`.
    """
    words = np.ascontiguousarray(finishes).view(np.uint32)
    drawn = []
    for k in range(DRAWS):
        h = np.full(len(words), (2166136261 ^ seed * 7919 ^ k * 104729) & 0xFFFFFFFF, np.uint32)
        for column in words.T:
            h = (h ^ column) * np.uint32(16777619)
            h ^= h >> np.uint32(15)
        h = (h ^ h >> np.uint32(16)) * np.uint32(0x7FEB352D)
        h = (h ^ h >> np.uint32(15)) * np.uint32(0x846CA68B)
        drawn.append((h ^ h >> np.uint32(16)) / 2.0**32)
    return np.stack(drawn, axis=1)


def _under(environment: Rows, sky: NDArray[np.uint8]) -> Rows:
    """The environment under a photographed sky.

    The picture is turned so that its brightest part stands where the sun does; haze and the light
    of the sky have its colours, half of them.
    """
    linear = np.square(sky / 255.0)
    half, columns_ = len(sky) // 2, sky.shape[1]
    brightness = linear[:half].mean(axis=0) @ LUMA
    smooth = sum(np.roll(brightness, k) for k in range(-8, 9))
    brightest = np.pi - 2 * np.pi * (np.argmax(smooth) + 0.5) / columns_
    sun = environment[columns.SUN : columns.SUN + 2]
    under = environment.copy()
    under[columns.SKY_TURN] = brightest - np.arctan2(sun[1], sun[0])
    parts = {columns.ZENITH: linear[: half // 2], columns.HORIZON: linear[half // 2 : half]}
    for column, part in parts.items():
        color = part.mean(axis=(0, 1))
        under[column : column + 3] = 0.5 * (color + color @ LUMA)
    return under

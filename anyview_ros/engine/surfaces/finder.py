"""Where surfaces lie along the rays of source frames, as far as the frames tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.lru_cache import LruCache, digest
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.engine.surfaces.photo_consistency import matching_costs, smoothed, supporting
from anyview_ros.engine.thread_map import thread_map
from anyview_ros.frames import Clip, Frame

MEASURED = SurfaceRange(64, 20.0, 1.4)  # where a package has no network for it
NATS = 1 / 8  # of a unit in which costs are kept: a quarter of the memory of floats
TELLING = 2.0  # nats, the mean over all depths, that tell most of what can be told
LEVELS = 2.0  # grey levels of smoothed costs that stand for one nat
LEAST_BASELINE = 0.002  # over 1 / scene_scale: from nearer by frames look alike at any depth
WIDEST = 1.0  # baseline over 1 / scene_scale from which little looks alike
WIDEST_ANGLE = np.radians(60)


@dataclass(frozen=True)
class Surfaces:
    """Hold what is known of the depth of each pixel of a frame.

    Args:
        frame: of a source.
        costs: (H, W, B) uint8 in NATS: minus the log of the likelihood of each inverse depth, over
            that of the likeliest; all 0 where nothing is known.
        depths: B inverse ones.
        scene_scale: see `Contract`.
    """

    frame: Frame
    costs: NDArray[np.uint8]
    depths: SurfaceRange
    scene_scale: float

    @cached_property
    def likeliest(self) -> NDArray[np.int32]:
        """Return (H, W), the number of each pixel's likeliest inverse depth."""
        return np.asarray(self.costs.argmin(axis=-1), np.int32)

    @cached_property
    def evidence(self) -> NDArray[np.float32]:
        """Return (H, W) 0 to 1, how much is known of each pixel: 0 where all depths are alike."""
        told = self.costs.mean(axis=-1, dtype=np.float32) * np.float32(NATS / TELLING)
        return np.asarray(1 - np.exp(-told), np.float32)

    @property
    def spread(self) -> NDArray[np.float32]:
        """Return (H, W) 1 to B, how many inverse depths may be that of each pixel."""
        return self._summed[0]

    @property
    def inverse_depth(self) -> NDArray[np.float32]:
        """Return (H, W) 1 / metres, the mean about the likeliest."""
        return self._summed[1]

    @cached_property
    def _summed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        spread, places = (np.empty(self.costs.shape[:2], np.float32) for _ in range(2))
        likelihoods = np.exp(np.arange(256) * -NATS).astype(np.float32)
        _sum(self.costs, self.likeliest, likelihoods, spread, places)
        found = self.scene_scale * self.depths.inverse_depths(places)
        return spread, np.asarray(found, np.float32)

    @classmethod
    def of(
        cls, frame: Frame, nats: NDArray[np.float32], depths: SurfaceRange, scene_scale: float
    ) -> Surfaces:
        """Return surfaces of costs (H, W, B) in nats."""
        rounded = np.minimum(nats / np.float32(NATS) + np.float32(0.5), 255)
        return cls(frame, rounded.astype(np.uint8), depths, scene_scale)


@compiled
def _sum(costs, likeliest, likelihoods, spread, places):  # type: ignore[no-untyped-def]
    """Fill in how many depths are likely, and where their mean about the likeliest lies."""
    height, width, depths = costs.shape
    for i in range(height):
        for j in range(width):
            total = np.float32(0)
            for b in range(depths):
                total += likelihoods[costs[i, j, b]]
            best = min(max(likeliest[i, j], 1), depths - 2)
            nearer, farther = likelihoods[costs[i, j, best + 1]], likelihoods[costs[i, j, best - 1]]
            about = nearer + farther + likelihoods[costs[i, j, best]]
            spread[i, j] = total
            places[i, j] = best + (nearer - farther) / max(about, np.float32(1e-9))


Measure = Callable[[Frame, Sequence[Frame], float], Surfaces]  # as `measured`


class SurfaceFinder:
    """Finds surfaces of source clips, and keeps them for other targets. Not thread-safe.

    Args:
        size: frames kept.
        threads: 0 = one a core.
        measure: what says where surfaces are; without, photo-consistency does.
    """

    def __init__(self, size: int, threads: int = 0, measure: Measure | None = None) -> None:
        self._kept: LruCache[Surfaces] = LruCache(size)
        self._measure = measure or measured
        self._threads = threads or os.cpu_count() or 1

    def find(self, clips: Sequence[Clip], scene_scale: float) -> list[list[Surfaces]]:
        """Return the surfaces of each clip's frames, in time order; of a held clip of its one.

        Args:
            clips: of several sources, at the size at which surfaces are wanted.
        """
        counts = [1 if clip.is_held else len(clip) for clip in clips]
        asked = [[(c, k) for k in range(count)] for c, count in enumerate(counts)]
        flat = [pair for pairs in asked for pair in pairs]
        find = partial(self._surfaces, clips, scene_scale=scene_scale)
        made = thread_map(find, flat, self._threads)
        for key, surfaces in made:
            self._kept.keep(key, surfaces)
        found = iter(surfaces for _, surfaces in made)
        return [[next(found) for _ in pairs] for pairs in asked]

    def _surfaces(
        self, clips: Sequence[Clip], place: tuple[int, int], scene_scale: float
    ) -> tuple[bytes, Surfaces]:
        """Return the surfaces of a frame, its clip and its number given, and their key."""
        c, k = place
        frame, others = clips[c].frames[k], supports(clips, c, k, scene_scale)
        parts = [frame, *others]
        key = digest(
            *(array for part in parts for array in (part.image, part.world_from_cam)),
            *(repr(astuple(part.camera)) for part in parts),
            repr(float(scene_scale)),
        )
        return key, self._kept.peek(key) or self._measure(frame, others, scene_scale)


def supports(clips: Sequence[Clip], c: int, k: int, scene_scale: float) -> list[Frame]:
    """Return the frames that frame k of clip c is compared with, none where none helps.

    Those of its own clip; of a clip that stands still, those of other clips that look alike.
    """
    frame = clips[c].frames[k]
    around = clips[c].around  # of a frame that is held; a clip of one frame is no other
    own = [*around] if around or clips[c].is_held else supporting(clips[c].frames, k)
    own = [other for other in own if _is_apart(frame, other, scene_scale)]
    if len(own) >= 2:
        return own
    others = [
        clip.frames[place]
        for other, clip in enumerate(clips)
        if other != c
        for place in ([0] if clip.is_held else sorted({0, k, len(clip) - 1}))
    ]
    alike = [other for other in others if _is_apart(frame, other, scene_scale, WIDEST)]
    return alike[:6]


def _is_apart(frame: Frame, other: Frame, scene_scale: float, most: float = np.inf) -> bool:
    """Whether two frames see the same things from places that are apart, but not too far."""
    baseline = scene_scale * float(
        np.linalg.norm(frame.world_from_cam[:3, 3] - other.world_from_cam[:3, 3])
    )
    cosine = float(frame.world_from_cam[:3, 2] @ other.world_from_cam[:3, 2])
    return LEAST_BASELINE <= baseline <= most and cosine >= np.cos(WIDEST_ANGLE)


def inverse_depths(surfaces: SurfaceRange, scene_scale: float) -> NDArray[np.float64]:
    """Return (B,) 1 / metres along the optical axis; the first is 0, the sky."""
    return scene_scale * np.asarray(surfaces.inverse_depths(np.arange(surfaces.count)))


def measured(frame: Frame, others: Sequence[Frame], scene_scale: float) -> Surfaces:
    """Return what photo-consistency says of a frame."""
    depths = inverse_depths(MEASURED, scene_scale)
    if not others:
        size = frame.camera.height, frame.camera.width, MEASURED.count
        return Surfaces(frame, np.zeros(size, np.uint8), MEASURED, scene_scale)
    costs = smoothed(matching_costs(frame, others, depths), frame.image)
    return Surfaces.of(frame, costs / np.float32(LEVELS), MEASURED, scene_scale)

"""What clips of sources say of the planes along the rays of all frames of a target."""

from __future__ import annotations

from collections.abc import Sequence

from anyview_ros.engine.surfaces.finder import Measure, SurfaceFinder
from anyview_ros.engine.surfaces.plane_scores import PlaneScores, plane_scores
from anyview_ros.engine.thread_map import thread_map
from anyview_ros.frames import Clip, View

LIVE_S = 0.5  # age of a source's clip from which it is one of the past
KEPT = 6  # frames whose surfaces are kept for other targets, a source: 9 of three, 1 of two held


class PlaneScorer:
    """Finds the surfaces of sources, keeps them, and asks them for planes. Not thread-safe.

    Args:
        sources: at most.
        threads: to work with.
        measure: see `SurfaceFinder`.
    """

    def __init__(self, sources: int, threads: int, measure: Measure | None) -> None:
        self._finder = SurfaceFinder(KEPT * sources, threads, measure)
        self._threads = threads

    def scores(self, clips: Sequence[Clip], target: View, scene_scale: float) -> list[PlaneScores]:
        """Return what the sources say of the planes along the rays of each frame of a target.

        Args:
            clips: of the sources, live ones first, at the size at which surfaces are wanted.
            target: of as many frames, at the same size.
        """
        found = self._finder.find(clips, scene_scale)
        ages = [ages_s(clip, clips[0]) for clip in clips]

        def scored(k: int) -> PlaneScores:
            seen = [surfaces[min(k, len(surfaces) - 1)] for surfaces in found]
            return plane_scores(target, k, seen, [age[k] for age in ages])

        return thread_map(scored, range(len(target.world_from_cam)), self._threads)


def ages_s(clip: Clip, live: Clip) -> list[float]:
    """Return the age of each frame of a clip, in seconds; 0 for a live one."""
    ages = [(now - then) / 1e9 for now, then in zip(live.stamps_ns, clip.stamps_ns, strict=True)]
    return [age if age >= LIVE_S else 0.0 for age in ages]

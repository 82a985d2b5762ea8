"""Choices of surfaces for all frames of a target, from clips of sources."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from anyview_ros.engine.surfaces.choice import Choice, Priors, choose
from anyview_ros.engine.surfaces.finder import Measure, SurfaceFinder, Surfaces, instants
from anyview_ros.frames import Clip, View

LIVE_S = 0.5  # age of a source's clip from which it is one of the past
ANCHORS = 4  # frames of a source's clip, about, whose surfaces are kept


class Chooser:
    """Finds the surfaces of sources, keeps them, and chooses among them. Not thread-safe.

    Args:
        sources: at most.
        group: frames that one frame of a prior stands for; the first one stands alone.
        threads: to work with.
        measure: see `SurfaceFinder`.
    """

    def __init__(self, sources: int, group: int, threads: int, measure: Measure | None) -> None:
        self._finder = SurfaceFinder(ANCHORS * sources, threads, measure)
        self._group, self._threads = group, threads

    def choices(
        self, clips: Sequence[Clip], target: View, scene_scale: float, prior: Priors
    ) -> list[Choice]:
        """Return the choice of each frame of a target.

        Args:
            clips: of the sources, live ones first, at the size at which surfaces are wanted.
            target: of as many frames, at the same size.
        """
        found = self._finder.find(clips, scene_scale)
        ages = [ages_s(clip, clips[0]) for clip in clips]

        def chosen(k: int) -> Choice:
            nearest = [_nearest(s, clip, k) for s, clip in zip(found, clips, strict=True)]
            group = -(-k // self._group)
            return choose(target, k, prior, group, nearest, [age[k] for age in ages])

        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(chosen, range(len(target.world_from_cam))))


def ages_s(clip: Clip, live: Clip) -> list[float]:
    """Return the age of each frame of a clip, in seconds; 0 for a live one."""
    ages = [(now - then) / 1e9 for now, then in zip(live.stamps_ns, clip.stamps_ns, strict=True)]
    return [age if age >= LIVE_S else 0.0 for age in ages]


def _nearest(surfaces: Sequence[Surfaces], clip: Clip, k: int) -> Surfaces:
    """Return those of the frame that is nearest to frame k."""
    places = instants(clip)
    return surfaces[min(range(len(places)), key=lambda place: abs(places[place] - k))]

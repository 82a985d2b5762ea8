"""Composites of training examples: which surfaces their targets show, found once and cached.

Finding them takes several times as long as the rest of a training step, so the examples of a run
with composites are few (`batches.draw_example`), and what was chosen for each lies in the cache
of scenes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SURFACES
from anyview_ros.engine.lru_cache import digest
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.surfaces.choice import Choice, choose
from anyview_ros.engine.surfaces.network import surfaces_by
from anyview_ros.engine.surfaces.plane_scorer import PlaneScorer
from anyview_ros.model.surfaces.export import surface_files
from anyview_ros.packages import find_package, load_package
from anyview_ros.training.config import RunConfig
from anyview_ros.training.scenes import SceneViews
from anyview_ros.training.store import Store
from anyview_ros.whole_file import whole_file

SHARE = 255  # steps of a stored share


@dataclass(frozen=True)
class Shown:
    """Which surfaces the targets of an example show.

    Args:
        inverse_depth: (K, T, H, W) float16, 1 / metres.
        share, owner: (K, T, H, W) uint8, see `Choice`.
    """

    inverse_depth: NDArray[np.float16]
    share: NDArray[np.uint8]
    owner: NDArray[np.uint8]

    def choices(self, target: int) -> list[Choice]:
        """Return those of a target, frame by frame."""
        depths = self.inverse_depth[target].astype(np.float32)
        shares = self.share[target].astype(np.float32) / np.float32(SHARE)
        owners = self.owner[target].astype(np.int32)
        return [
            Choice(depth, share, share, owner)
            for depth, share, owner in zip(depths, shares, owners, strict=True)
        ]

    def mirrored(self) -> Shown:
        """Return what the mirrored example's targets show."""
        return Shown(self.inverse_depth[..., ::-1], self.share[..., ::-1], self.owner[..., ::-1])


class Composer:
    """Finds what targets show, by the surface network of a package.

    Args:
        package: folder.
        cache: folder of what was found.
        threads: to work with; each thread that asks has its own.

    Raises:
        AnyviewError: `no_surfaces` for a package without such a network; as `load_package`.
    """

    def __init__(self, package: Path, cache: Path, threads: int = 1) -> None:
        self._package = load_package(package)
        self._surfaces = surface_files(package).surfaces
        self._threads = threads
        self._own = threading.local()
        self._folder = cache / f"shown-{self._package.contract.files[f'{SURFACES}.bin'][:12]}"

    def shown(
        self,
        scene: SceneViews,
        sources: Sequence[int],
        targets: Sequence[int],
        scene_scale: float,
    ) -> Shown:
        """Return what targets show, from the cache if they were found before."""
        file = self._folder / f"{_key(scene, sources, targets, scene_scale)}.npz"
        if file.exists():
            with np.load(file) as found:
                return Shown(found["inverse_depth"], found["share"], found["owner"])
        clips = [scene.clip(view) for view in sources]
        scorer = self._scorer()
        scores = (scorer.scores(clips, scene.view(view), scene_scale) for view in targets)
        chosen = [[choose(found) for found in of_target] for of_target in scores]
        shown = Shown(
            np.array([[c.inverse_depth for c in each] for each in chosen], np.float16),
            np.array([[np.rint(SHARE * c.share) for c in each] for each in chosen], np.uint8),
            np.array([[c.owner for c in each] for each in chosen], np.uint8),
        )
        with whole_file(file, shared=True) as part:
            np.savez(part, inverse_depth=shown.inverse_depth, share=shown.share, owner=shown.owner)
        return shown

    def _scorer(self) -> PlaneScorer:
        if not hasattr(self._own, "scorer"):
            graph = Graph(self._package.graph(SURFACES), "cpu", self._threads)
            measure = partial(surfaces_by, graph, self._surfaces)
            self._own.scorer = PlaneScorer(8, self._threads, measure)
        scorer: PlaneScorer = self._own.scorer
        return scorer


def composer_of(run: RunConfig, stores: Mapping[str, Store]) -> Composer | None:
    """Return what finds the composites of a run; they lie in the cache of its scenes.

    Raises:
        AnyviewError: as `Composer` and `find_package`.
    """
    if not run.composite:
        return None
    return Composer(find_package(run.composite), next(iter(stores.values())).cache)


def _key(
    scene: SceneViews, sources: Sequence[int], targets: Sequence[int], scene_scale: float
) -> str:
    """Return the name of an example: all that its surfaces depend on."""
    views = [*sources, *targets]
    cameras = repr([astuple(scene.cameras[view]) for view in views])
    images = [np.ascontiguousarray(scene.images[view]) for view in sources]
    poses = [np.ascontiguousarray(scene.world_from_cam[view]) for view in views]
    return digest(*images, *poses, scene.stamps_ns, cameras, repr(float(scene_scale))).hex()

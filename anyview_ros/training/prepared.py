"""Prepared examples: all of a training example that does not change from step to step, in arrays.

What a step adds, another light, the mirror, noise, and the warps themselves, is quick where the
arrays lie in the memory of a GPU; see `training.resident`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.plane_sweep import nearest_first, plane_maps, planes_of
from anyview_ros.engine.surfaces.composite import composite
from anyview_ros.training.batches import Example, scene_tensors
from anyview_ros.whole_file import whole_file


@dataclass(frozen=True)
class PreparedExample:
    """The arrays of an example with S sources and K targets of T frames.

    Args:
        sources, targets: (S, T, H, W, 3) and (K, T, H, W, 3) uint8.
        source_rays, target_rays: (S, R, T', H', W') and (K, R, T', H', W').
        order: (K, S), the sources of each target by parallax, the nearest one first.
        homographies: (K, S, P, T, 3, 3) of the plane sweep, sources in that order; see `PlaneMaps`.
        signs: (K, S, P, T, 2, 3), see there.
        composite: (K, T, H, W, 3) uint8, what the chosen surfaces show.
        hidden: (K, T', H', W'), the share of a cell that no source shows.
    """

    sources: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    source_rays: NDArray[np.float32]
    target_rays: NDArray[np.float32]
    order: NDArray[np.int64]
    homographies: NDArray[np.float32]
    signs: NDArray[np.float32]
    composite: NDArray[np.uint8]
    hidden: NDArray[np.float32]

    def write(self, file: Path) -> None:
        with whole_file(file, shared=True) as part:
            np.savez(part, **asdict(self))

    @classmethod
    def read(cls, file: Path) -> PreparedExample:
        with np.load(file) as arrays:
            return cls(**arrays)


def prepare(contract: Contract, example: Example, scene_scale: float) -> PreparedExample:
    """Return the arrays of an example that has composites.

    Args:
        scene_scale: of its set of scenes.
    """
    assert example.shown is not None
    scene, views = example.scene, [example.scene.view(place) for place in example.targets]
    clips = [scene.clip(place) for place in example.sources]
    depths = [scene_scale * depth for depth in contract.plane_sweep]
    _, source_rays, _, target_rays = scene_tensors(
        contract, scene, example.sources, example.targets, scene_scale
    )
    orders = [nearest_first(clips, view, depths) for view in views]
    maps = [
        [plane_maps(clips[s], view, planes_of(view.world_from_cam, depths)) for s in order]
        for view, order in zip(views, orders, strict=True)
    ]
    shown = [
        composite(example.shown.choices(k), clips, view, contract.latent)
        for k, view in enumerate(views)
    ]
    return PreparedExample(
        sources=scene.images[example.sources],
        targets=scene.images[example.targets],
        source_rays=source_rays,
        target_rays=target_rays,
        order=np.array(orders),
        homographies=np.array([[m.homographies for m in row] for row in maps], np.float32),
        signs=np.array([[m.signs for m in row] for row in maps], np.float32),
        composite=np.stack([candidates.images[0] for candidates in shown]),
        hidden=np.stack([candidates.marks[0, 1] for candidates in shown]),
    )

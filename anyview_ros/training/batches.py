"""Batches as a pure function of (config, step): which scenes, which views, which noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.engine import conditioning
from anyview_ros.engine.plane_sweep import plane_sweep
from anyview_ros.training.augmentation import augmented
from anyview_ros.training.config import MONOCULAR, RunConfig, TrainingConfig
from anyview_ros.training.monocular import turned_views
from anyview_ros.training.scenes import SceneConfig, SceneViews

SIGMA_MAX = 80.0
LEVEL_MEAN, LEVEL_STD = 0.8, 1.4  # of log(sigma) below the highest noise level
KNOWN_NOISE = 0.3  # highest sigma of frames that are given
ANY_SOURCE = 0.3  # share of scenes whose sources are any views, not first those of a rig


class Scenes(Protocol):
    """A set of scenes: rendered ones (store) or ones from files."""

    config: SceneConfig

    def __getitem__(self, index: int) -> SceneViews: ...


@dataclass(frozen=True)
class Batch:
    """G scenes with S sources and K targets each, scene by scene.

    Args:
        source, target: (G * S, 3, T, H, W) and (G * K, 3, T, H, W) in [-1, 1].
        source_rays, target_rays: (G * S, R, T', H', W') and (G * K, R, T', H', W').
        sweep: (P, T, H, W, 3) uint8 candidates of the plane sweep of each target; () without.
        marks: (P, 2, T', H', W') beside them.
        levels: (G * K, T') sigma of each latent frame.
        known: (G * K, T') bool, frames that are given; they have little noise or none, so that the
            network goes on from frames of its own making too.
        scenes: G.
        noise_seed: of the noise itself, whose shape the codec knows.
    """

    source: Tensor
    source_rays: Tensor
    target: Tensor
    target_rays: Tensor
    sweep: tuple[Tensor, ...]
    marks: tuple[Tensor, ...]
    levels: Tensor
    known: Tensor
    scenes: int
    noise_seed: int

    def to(self, device: torch.device) -> Batch:
        def moved(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(tensor.to(device) for tensor in value)
            return value.to(device) if isinstance(value, Tensor) else value

        return Batch(*[moved(getattr(self, field.name)) for field in fields(self)])


def draw_batch(
    run: RunConfig, contract: Contract, stores: Mapping[str, Scenes], step: int
) -> Batch:
    """The batch of a step: the same at every call, whatever was drawn before."""
    training = run.training
    rng = np.random.default_rng([training.seed, step])
    name = drawn_name(run, step, rng)
    scenes = stores[name.removesuffix(MONOCULAR)]
    scale = scenes.config.scene_scale
    pool = training.pool(step, scenes.config.count)
    count = 1 + int(np.sum(rng.random() < np.cumprod(training.more_sources)))
    if not name.endswith(MONOCULAR):
        count = min(count, scenes.config.views - 1)  # one view is left to be the target
    few = pool < training.scenes_per_step
    chosen = rng.choice(pool, training.scenes_per_step, replace=few).tolist()
    depths = [scale * depth for depth in contract.plane_sweep]
    parts, swept = [], []
    for index in chosen:
        views = augmented(rng, scenes[index])
        if name.endswith(MONOCULAR):
            cuts = count + training.targets_per_scene - 1
            views = turned_views(rng, views, int(rng.integers(len(views.cameras))), cuts)
            order = rng.permutation(len(views.cameras))
        else:
            order = _order(rng, scenes.config, len(views.cameras))
        sources = order[:count].tolist()
        # Again from the first where there are few.
        targets = np.resize(order[count:], training.targets_per_scene).tolist()
        parts.append(scene_tensors(contract, views, sources, targets, scale))
        clips = [views.clip(view) for view in sources]
        swept += [
            plane_sweep(clips, views.view(v), depths, contract.latent) for v in targets if depths
        ]
    source, source_rays, target, target_rays = (
        torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True)
    )
    levels, known = draw_levels(rng, len(target), source_rays.shape[2], training)
    return Batch(
        source,
        source_rays,
        target,
        target_rays,
        sweep=tuple(torch.from_numpy(candidates.images) for candidates in swept),
        marks=tuple(torch.from_numpy(candidates.marks) for candidates in swept),
        levels=levels,
        known=known,
        scenes=len(chosen),
        noise_seed=int(rng.integers(2**62)),
    )


def drawn_name(run: RunConfig, step: int, rng: np.random.Generator) -> str:
    """The scene set of a step, one name of the stage's mixture."""
    mixture = run.stage(step).mixture
    shares = np.array(list(mixture.values()))
    return str(rng.choice(list(mixture), p=shares / shares.sum()))


def scene_tensors(
    contract: Contract,
    scene: SceneViews,
    sources: Sequence[int],
    targets: Sequence[int],
    scene_scale: float,
) -> tuple[NDArray[np.generic], ...]:
    """Source video and rays, target video and rays of one scene, as in `Batch`."""
    anchor_from_world = conditioning.anchor(
        contract, scene.world_from_cam[sources[0]], scene.world_from_cam[targets[0]]
    )

    def rays(view: int) -> NDArray[np.float32]:
        anchor_from_cam = anchor_from_world @ scene.world_from_cam[view]
        return conditioning.unshuffle_rays(
            contract, scene.cameras[view], anchor_from_cam, scene_scale
        )[0]

    def video(views: Sequence[int]) -> NDArray[np.float32]:
        return np.concatenate([conditioning.video_tensor(scene.images[view]) for view in views])

    return (
        video(sources),
        np.concatenate([rays(view) for view in sources]),
        video(targets),
        np.concatenate([rays(view) for view in targets]),
    )


def draw_levels(
    rng: np.random.Generator, count: int, frames: int, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """(count, T') noise levels, and which frames are known.

    A share of targets is at the highest level, the others are log-normal below it; the first
    latent frames of a share are known, half of those without any noise.
    """
    sigma = np.exp(rng.normal(LEVEL_MEAN, LEVEL_STD, count)).clip(max=SIGMA_MAX)
    sigma[rng.random(count) < training.pure_noise] = SIGMA_MAX
    given = rng.integers(1, frames, count) * (rng.random(count) < training.known)
    known = np.arange(frames) < given[:, None]
    small = rng.uniform(0, KNOWN_NOISE, count) * (rng.random(count) < 0.5)
    levels = np.where(known, np.minimum(small, sigma)[:, None], sigma[:, None])
    return torch.from_numpy(levels.astype(np.float32)), torch.from_numpy(known)


def _order(rng: np.random.Generator, config: SceneConfig, views: int) -> NDArray[np.int64]:
    """Views in an order of which the first are sources: mostly the rig's, where there is one."""
    if not config.sources or rng.random() < ANY_SOURCE:
        return rng.permutation(views)
    rig, free = np.arange(config.sources), np.arange(config.sources, config.views)
    return np.concatenate([rng.permutation(rig), rng.permutation(free)])

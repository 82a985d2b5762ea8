"""Batches as a pure function of (config, step): which scenes, which views, which noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.engine import conditioning
from anyview_ros.training.config import RunConfig
from anyview_ros.training.scenes import SceneViews
from anyview_ros.training.store import SceneStore

SIGMA_MAX = 80.0
LEVEL_MEAN, LEVEL_STD = 0.8, 1.4  # of log(sigma) below the highest noise level


@dataclass(frozen=True)
class Batch:
    """S sources and S * K targets, target i of source i // K.

    Args:
        source, target: (S, 3, T, H, W) and (S * K, 3, T, H, W) in [-1, 1].
        source_rays, target_rays: (S, 96, T', H', W') and (S * K, 96, T', H', W').
        sigma: (S * K,) noise levels.
        noise_seed: of the noise itself, whose shape the codec knows.
    """

    source: Tensor
    source_rays: Tensor
    target: Tensor
    target_rays: Tensor
    sigma: Tensor
    noise_seed: int

    def to(self, device: torch.device) -> Batch:
        return Batch(
            self.source.to(device),
            self.source_rays.to(device),
            self.target.to(device),
            self.target_rays.to(device),
            self.sigma.to(device),
            self.noise_seed,
        )


def draw_batch(run: RunConfig, contract: Contract, store: SceneStore, step: int) -> Batch:
    """The batch of a step: the same at every call, whatever was drawn before."""
    training = run.training
    rng = np.random.default_rng([training.seed, step])
    pool = training.pool(step, run.scenes.count)
    chosen = rng.choice(pool, training.scenes_per_step, replace=False).tolist()
    sources, targets = [], []
    for index in chosen:
        scene = store[index]
        source = int(rng.integers(run.scenes.sources))
        others = [v for v in range(run.scenes.views) if v != source]
        picked = rng.choice(others, training.targets_per_scene, replace=False).tolist()
        sources.append(view_tensors(contract, scene, source, source))
        targets += [view_tensors(contract, scene, view, source) for view in picked]
    source_video, source_rays = map(_stacked, zip(*sources, strict=True))
    target_video, target_rays = map(_stacked, zip(*targets, strict=True))
    sigma = draw_sigmas(rng, len(targets), training.pure_noise)
    noise_seed = int(rng.integers(2**62))
    return Batch(source_video, source_rays, target_video, target_rays, sigma, noise_seed)


def view_tensors(
    contract: Contract, scene: SceneViews, view: int, source: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Video (1, 3, T, H, W) and rays (1, 96, T', H', W') of a view, anchored on a source."""
    anchor_from_world = conditioning.anchor(
        contract, scene.world_from_cam[source], scene.world_from_cam[view]
    )
    rays, _ = conditioning.unshuffle_rays(
        contract,
        scene.cameras[view],
        anchor_from_world @ scene.world_from_cam[view],
        contract.scene_scale,
    )
    return conditioning.video_tensor(scene.images[view]), rays


def draw_sigmas(rng: np.random.Generator, count: int, pure_noise: float) -> Tensor:
    """(count,) noise levels: a share at the highest, the others log-normal below it."""
    sigma = np.exp(rng.normal(LEVEL_MEAN, LEVEL_STD, count)).clip(max=SIGMA_MAX)
    sigma[rng.random(count) < pure_noise] = SIGMA_MAX
    return torch.from_numpy(sigma.astype(np.float32))


def _stacked(arrays: tuple[NDArray[np.float32], ...]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))

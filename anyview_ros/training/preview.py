"""Pictures of held-out scenes of a run in progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.request import SynthesisOptions, check_sampling
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.training.batches import Example, candidates_of, scene_tensors
from anyview_ros.training.composites import Composer
from anyview_ros.training.config import RunConfig
from anyview_ros.training.scenes import SceneConfig, SceneViews, render_scene
from anyview_ros.worlds.seeds import PREVIEW_SEED

SCENES = 2  # of each set
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class TrainedModel:
    """Hold what a run has learnt so far, not exported.

    Args:
        contract: of the run.
        network, codec: on one device.
        composer: of a run with composites.
    """

    contract: Contract
    network: OneWayDenoiser
    codec: LinearCodec
    composer: Composer | None = None


class Preview:
    """The same few examples at every call: rows of source, truth, and one image a speed.

    Args:
        run: whose sets of moving, rendered scenes are shown.
    """

    def __init__(self, run: RunConfig) -> None:
        self._scenes = [
            (render_scene(scenes, PREVIEW_SEED + i), scenes.scene_scale)
            for scenes in run.scenes.values()
            if isinstance(scenes, SceneConfig) and not scenes.still
            for i in range(SCENES)
        ]

    def write(self, path: Path, model: TrainedModel) -> None:
        """Write a picture of what the model makes of the middle frames."""
        rows = [
            np.concatenate(list(_row(scene, scale, model)), axis=1) for scene, scale in self._scenes
        ]
        if not rows:
            return
        width = max(row.shape[1] for row in rows)
        padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
        save_picture(np.concatenate(padded), path, MIXED)


def _row(scene: SceneViews, scale: float, model: TrainedModel) -> Iterator[Image]:
    middle = len(scene.stamps_ns) // 2
    target = len(scene.cameras) - 1
    yield scene.images[0, middle]
    yield scene.images[target, middle]
    for speed in model.contract.sigmas:
        method = check_sampling(model.contract, SynthesisOptions(speed))
        yield generate(model, scene, target, scale, method)[middle]


@torch.no_grad()
def generate(
    model: TrainedModel,
    scene: SceneViews,
    target: int,
    scene_scale: float,
    method: sampler.SamplerSettings,
) -> Image:
    """Generate view `target` of a scene from its first view, (T, H, W, 3), by the network
    itself."""
    contract, network, codec = model.contract, model.network, model.codec
    device = next(network.parameters()).device

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    source, source_rays, truth, rays = map(
        tensor, scene_tensors(contract, scene, [0], [target], scene_scale)
    )
    cached = network.condition(codec.encode(source), source_rays)
    sweep = None
    if contract.plane_sweep:
        depths = [scene_scale * depth for depth in contract.plane_sweep]
        shown = None
        if model.composer is not None:
            shown = model.composer.shown(scene, [0], [target], scene_scale)
        (swept,) = candidates_of(contract, Example(scene, [0], [target], shown), depths)
        videos = [tensor(conditioning.video_tensor(clip)) for clip in swept.images]
        latents = torch.cat([codec.encode(video) for video in videos])
        marks = tensor(swept.marks)
        sweep = torch.cat([latents * marks[:, :1], marks], dim=1)[None]
    shape = codec.encode(truth).shape

    def predict(noisy: NDArray[np.float32], t: NDArray[np.float32]) -> NDArray[np.float32]:
        levels = torch.full((1, shape[2]), float(t[0]), device=device)
        x0: NDArray[np.float32] = network(tensor(noisy), levels, rays, cached, sweep).cpu().numpy()
        return x0

    noise = sampler.unit_noise(0, shape[1:])[None]
    denoiser = sampler.denoiser_of(predict, contract.prediction)
    latent = sampler.sample_by(method, denoiser, sampler.initial_state(method, noise))
    return conditioning.images_of(codec.decode(tensor(latent)).cpu().numpy())

"""Questions to the joint network: source clips, and the rays of both cameras as videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros import release as official
from anyview_ros.engine import conditioning
from anyview_ros.geometry import inverse
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import LATENT_CHANNELS
from anyview_ros.training.batches import Example, draw_examples
from anyview_ros.training.flow import noise_like
from anyview_ros.training.joint.config import JointRun
from anyview_ros.training.scenes import SceneSet

PIECE = 1  # latent frames that the autoencoder works on at a time: the least memory


@dataclass(frozen=True)
class JointExample:
    """One target of one source clip. What the target saw is not used: the teacher generates it.

    Args:
        source: (1, 3, T, H, W) in [-1, 1].
        source_rays, target_rays: (1, 6, T, H, W), rays and moments.
        noise_seed: of the noise, whose shape the autoencoder knows.
    """

    source: Tensor
    source_rays: Tensor
    target_rays: Tensor
    noise_seed: int


@dataclass(frozen=True)
class EncodedExample:
    """An example, encoded.

    Args:
        target: (1, 36, T', H', W'), all but the image of the target's stream.
        source: (1, 52, T', H', W').
        noise: (1, 16, T', H', W').
    """

    target: Tensor
    source: Tensor
    noise: Tensor

    def start(self, level: float) -> Tensor:
        """Return y at the first level."""
        return level * self.noise

    def keep_given(self, y: Tensor, moved: Tensor) -> Tensor:
        """Return `moved`: nothing of the target is given."""
        return moved


def draw_joint(
    run: JointRun, stores: Mapping[str, SceneSet], step: int, share: tuple[int, int] = (0, 1)
) -> list[JointExample]:
    """Draw the examples of a step: the same at every call, whatever was drawn before.

    Args:
        share: (i, n): every n-th scene from the i-th, for one of n processes.
    """
    rng = np.random.default_rng([run.training.seed, step])
    drawn = draw_examples(rng, run, stores, step, share)
    scale = drawn.scenes.scene_scale
    return [
        joint_example(example, scale, seed)
        for example, seed in zip(drawn.examples, drawn.noise_seeds, strict=True)
    ]


def joint_example(example: Example, scene_scale: float, noise_seed: int) -> JointExample:
    """Return the tensors of an example; poses are relative to the target's first frame."""
    scene, source, target = example.scene, example.sources[0], example.targets[0]
    anchor_from_world = inverse(scene.world_from_cam[target][0])

    def rays(view: int) -> NDArray[np.float32]:
        anchor_from_cam = anchor_from_world @ scene.world_from_cam[view]
        values, _ = conditioning.ray_video(scene.cameras[view], anchor_from_cam, scene_scale)
        return np.ascontiguousarray(values.transpose(3, 0, 1, 2)[None])

    return JointExample(
        torch.from_numpy(conditioning.video_tensor(scene.images[source])),
        torch.from_numpy(rays(source)),
        torch.from_numpy(rays(target)),
        noise_seed,
    )


@torch.no_grad()
def encode_example(
    example: JointExample, autoencoder: Autoencoder, device: torch.device
) -> EncodedExample:
    """Encode the video and the rays of an example into latents."""

    def encode(video: Tensor) -> NDArray[np.float32]:
        latent: NDArray[np.float32] = autoencoder.encode(video.to(device), PIECE).cpu().numpy()
        return latent

    def stream(rgb: NDArray[np.float32], rays: Tensor, generated: bool) -> Tensor:
        values = official.stream(rgb, encode(rays[:, :3]), encode(rays[:, 3:]), generated)
        return torch.from_numpy(values).to(device)

    image = encode(example.source)
    target = stream(np.zeros_like(image), example.target_rays, generated=True)
    return EncodedExample(
        target[:, LATENT_CHANNELS:],
        stream(image, example.source_rays, generated=False),
        noise_like(target[:, :LATENT_CHANNELS], (example.noise_seed,)),
    )

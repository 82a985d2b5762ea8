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
from anyview_ros.training.batches import Example, draw_questions
from anyview_ros.training.flow import noise_like
from anyview_ros.training.joint.config import JointRun
from anyview_ros.training.scenes import SceneSet

PIECE = 1  # latent frames that the autoencoder works on at a time: the least memory


@dataclass(frozen=True)
class JointQuestion:
    """One target of one source clip. What the target saw is not asked for: its teacher tells.

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
class JointAsked:
    """A question, coded.

    Args:
        target: (1, 36, T', H', W'), all but the image of the target's stream.
        source: (1, 52, T', H', W').
        noise: (1, 16, T', H', W').
    """

    target: Tensor
    source: Tensor
    noise: Tensor

    def start(self, level: float) -> Tensor:
        """y at the first level."""
        return level * self.noise

    def kept(self, y: Tensor, moved: Tensor) -> Tensor:
        """`moved`: nothing of the target is given."""
        return moved


def draw_joint(
    run: JointRun, stores: Mapping[str, SceneSet], step: int, share: tuple[int, int] = (0, 1)
) -> list[JointQuestion]:
    """The questions of a step: the same at every call, whatever was drawn before.

    Args:
        share: (i, n): every n-th scene from the i-th, for one of n processes.
    """
    rng = np.random.default_rng([run.training.seed, step])
    drawn = draw_questions(rng, run, stores, step, share)
    scale = drawn.scenes.scene_scale
    return [
        joint_question(question, scale, seed)
        for question, seed in zip(drawn.questions, drawn.noise_seeds, strict=True)
    ]


def joint_question(question: Example, scene_scale: float, noise_seed: int) -> JointQuestion:
    """The tensors of a question; poses are relative to the target's first frame."""
    scene, source, target = question.scene, question.sources[0], question.targets[0]
    anchor_from_world = inverse(scene.world_from_cam[target][0])

    def rays(view: int) -> NDArray[np.float32]:
        anchor_from_cam = anchor_from_world @ scene.world_from_cam[view]
        values, _ = conditioning.ray_video(scene.cameras[view], anchor_from_cam, scene_scale)
        return np.ascontiguousarray(values.transpose(3, 0, 1, 2)[None])

    return JointQuestion(
        torch.from_numpy(conditioning.video_tensor(scene.images[source])),
        torch.from_numpy(rays(source)),
        torch.from_numpy(rays(target)),
        noise_seed,
    )


@torch.no_grad()
def coded(question: JointQuestion, autoencoder: Autoencoder, device: torch.device) -> JointAsked:
    """Through the autoencoder; images, rays and moments are videos to it."""

    def encode(video: Tensor) -> NDArray[np.float32]:
        latent: NDArray[np.float32] = autoencoder.encode(video.to(device), PIECE).cpu().numpy()
        return latent

    def stream(rgb: NDArray[np.float32], rays: Tensor, generated: bool) -> Tensor:
        values = official.stream(rgb, encode(rays[:, :3]), encode(rays[:, 3:]), generated)
        return torch.from_numpy(values).to(device)

    image = encode(question.source)
    target = stream(np.zeros_like(image), question.target_rays, generated=True)
    return JointAsked(
        target[:, LATENT_CHANNELS:],
        stream(image, question.source_rays, generated=False),
        noise_like(target[:, :LATENT_CHANNELS], (question.noise_seed,)),
    )

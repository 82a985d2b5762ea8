"""Distillation of the joint family: the teacher's steps, spread over devices.

True clips take no part. What the teacher makes in many steps is what the release is for, and its
noise decides every detail of it, so a regression need not blur it. And the true clips at hand are
worlds of ours and recordings of a user: they would draw the network, which has seen a dozen data
sets, towards their look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from anyview_ros.model.checkpoint import Checkpoint, parts
from anyview_ros.model.joint.config import PRECISIONS
from anyview_ros.model.joint.imported import STORED, Import
from anyview_ros.model.joint.loss import clean_image
from anyview_ros.model.joint.package import model_of, network_of
from anyview_ros.model.joint.release import AUTOENCODER, TEXT
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.training.distributed import gather, rank_and_processes, require_even
from anyview_ros.training.joint.config import JointRun, parse_joint
from anyview_ros.training.joint.examples import (
    EncodedExample,
    JointExample,
    draw_joint,
    encode_example,
)
from anyview_ros.training.joint.sharding import (
    gather_whole,
    mesh_of,
    shard_student,
    shard_teacher,
    share_of,
    take_shares,
)
from anyview_ros.training.loop import MAX_GRADIENT_NORM, Progress, average
from anyview_ros.training.optimizers import load_state, state_of
from anyview_ros.training.phased_distillation import Denoiser, TrainingPair, phase_of, training_pair
from anyview_ros.training.store import Store

BETAS = 0.9, 0.99  # of AdamW, as the release was trained; weights do not decay: they were trained


def denoiser(network: JointTransformer, encoded: EncodedExample, text: Tensor) -> Denoiser:
    """Return the network as a function of the noise alone."""

    def denoise(y: Tensor, level: float) -> Tensor:
        sigma = torch.full((len(y),), level, device=y.device)
        return clean_image(network, y, sigma, encoded.target, encoded.source, text)

    return denoise


class JointDistiller:
    """The learner of a student of imported weights; a `training.loop.Learner`.

    Questions are answered one at a time, and their gradients summed: memory is that of one.

    Args:
        run: of the student.
        stores: its scenes.
        device: of this process, which has joined a group, of one if it is alone.
        teacher: whose weights teach, and are the student's first ones.

    Raises:
        AnyviewError: `invalid_config` when scenes cannot be shared evenly by the processes.
    """

    def __init__(
        self, run: JointRun, stores: Mapping[str, Store], device: torch.device, teacher: Import
    ) -> None:
        self.run, self.stores, self.device, self.student = run, stores, device, run.student
        self.rank, self.processes = rank_and_processes()
        require_even(run.training.scenes_per_step)
        mesh, precision = mesh_of(device), PRECISIONS["bf16"]
        model = model_of(teacher, precision)
        self.teacher, self.network = model.network, network_of(teacher, precision)
        shard_teacher(self.teacher, mesh)
        shard_student(self.network, mesh)
        self.autoencoder = model.autoencoder.to(device)
        self.text = model.text.to(device)
        # What packages are made of beside the network; it stays in the teacher's files until then.
        self._kept = {STORED[file]: teacher.state(file) for file in (AUTOENCODER, TEXT)}
        self._weights = dict(self.network.named_parameters())
        self.ema = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._optimizer = torch.optim.AdamW(self._weights.values(), betas=BETAS, weight_decay=0.0)
        self.step = 0

    def fit(self) -> None:
        """Do nothing: all is the teacher's."""

    def draw(self, step: int) -> list[JointExample]:
        return draw_joint(self.run, self.stores, step, (self.rank, self.processes))

    def train_step(self, batch: Sequence[JointExample]) -> Progress:
        """Make one update, on this process's examples and those of the others."""
        phase = phase_of(self.step, len(self.student.phases))
        losses = torch.stack([self._learn(example, phase, len(batch)) for example in batch])
        nn.utils.clip_grad_norm_(self._weights.values(), MAX_GRADIENT_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = self.run.training.rate(self.step)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        average(self.run.training.ema, self.step, self.ema.values(), self._weights.values())
        losses = gather(losses)
        loss = float(losses.mean())
        return Progress(self.step, loss, loss if phase == 0 else float("nan"), len(losses))

    def _learn(self, example: JointExample, phase: int, examples: int) -> Tensor:
        """Add the gradients of an example; return its mean squared error in latents."""
        encoded = encode_example(example, self.autoencoder, self.device)
        pair = self._training_pair(encoded, phase)
        answer = denoiser(self.network, encoded, self.text)(pair.y, pair.level)
        loss = (answer - pair.wanted).square().mean()
        torch.autograd.backward(loss / examples)
        return loss.detach()

    @torch.no_grad()
    def _training_pair(self, encoded: EncodedExample, phase: int) -> TrainingPair:
        own, teacher = (denoiser(n, encoded, self.text) for n in (self.network, self.teacher))
        return training_pair(encoded, own, teacher, self.student, phase, self.student.solver)

    def checkpoint(self) -> Checkpoint:
        """Gather a checkpoint in the first process; empty in others. All call it together."""
        tensors = parts(
            network=gather_whole(self._weights),
            ema=gather_whole(self.ema),
            optimizer=gather_whole(state_of(self._optimizer, list(self._weights))),
            **self._kept,
        )
        return Checkpoint(self.step, self.run.text, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same distillation, of the same length.

        Raises:
            AnyviewError: `other_config`, `invalid_checkpoint`.
        """
        self.run.require_same(checkpoint.config, parse_joint)
        take_shares(self._weights, checkpoint.part("network"))
        take_shares(self.ema, checkpoint.part("ema"))
        state = checkpoint.part("optimizer")
        shares = {
            name: share_of(t, self._weights[name.split(".", 1)[1]]) for name, t in state.items()
        }
        load_state(self._optimizer, list(self._weights), shares)
        self.step = checkpoint.step

"""Distillation of the one-way family: the teacher's steps, and a perceptual loss on true clips.

A regression alone blurs what it cannot tell, so in the last phase (see `phased_distillation`)
answers may also be compared with true clips, as far as the sources show those (see
`perceptual_loss`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn

from anyview_ros.engine.flow import flow_state, flow_time
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.precision import training_autocast
from anyview_ros.training.batches import Batch
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.distributed import gather
from anyview_ros.training.flow import noise_like, pixel_losses, source_cache, sweep_latents
from anyview_ros.training.joint.config import is_joint
from anyview_ros.training.loop import MAX_GRADIENT_NORM, Progress, Trainer, average
from anyview_ros.training.perceptual_loss import explained_mask, load_distance, perceptual_losses
from anyview_ros.training.phased_distillation import Denoiser, TrainingPair, phase_of, training_pair
from anyview_ros.training.store import Store
from anyview_ros.training.student import StudentConfig


@dataclass(frozen=True)
class EncodedBatch:
    """A batch of B targets, encoded.

    Args:
        batch: see there.
        source: latents of the sources.
        truth: (B, C, T', H', W').
        noise: of that shape.
        sweep: as `sweep_latents`; None without.
        temperature: of the sampling, see `contract.Sampling`.
    """

    batch: Batch
    source: Tensor
    truth: Tensor
    noise: Tensor
    sweep: Tensor | None
    temperature: float

    @property
    def known(self) -> Tensor:
        """Return which frames are given, (B, 1, T', 1, 1)."""
        return self.batch.known[:, None, :, None, None]

    def levels(self, level: float) -> Tensor:
        """Return (B, T'): `level`, and the own levels of given frames."""
        return torch.where(self.batch.known, self.batch.levels, level)

    def start(self, level: float) -> Tensor:
        """Return y where sampling starts: noise, and given frames with what noise they have."""
        own = self.batch.levels[:, None, :, None, None]
        start = self.temperature * level * self.noise
        return torch.where(self.known, self.truth + own * self.noise, start)

    def keep_given(self, y: Tensor, moved: Tensor) -> Tensor:
        """Return `moved`, with the given frames of `y`."""
        return torch.where(self.known, y, moved)


def denoiser(network: OneWayDenoiser, encoded: EncodedBatch) -> Denoiser:
    """Return the network as a function of the noise alone, in `training_dtype` where it is safe."""
    kind = encoded.truth.device.type

    @cache
    def sources() -> list[tuple[Tensor, Tensor]]:
        return source_cache(network, encoded.source, encoded.batch)

    def denoise(y: Tensor, level: float) -> Tensor:
        t: Tensor = flow_time(encoded.levels(level))
        z: Tensor = flow_state(y, t[:, None, :, None, None])
        with training_autocast(kind):
            x0 = network(z, t, encoded.batch.target_rays, sources(), encoded.sweep)
        return cast("Tensor", x0.float())

    return denoise


class Answer(nn.Module):
    """One answer of a network as a module, which torch's DistributedDataParallel can wrap."""

    def __init__(self, network: OneWayDenoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, encoded: EncodedBatch, y: Tensor, level: float) -> Tensor:
        return denoiser(self.network, encoded)(y, level)


class Distiller(Trainer):
    """The trainer of a student.

    Args:
        run: of the student, see `student_run`.
        stores: its scenes.
        device: of the networks.
        teacher: whose averaged weights teach, and are the student's first ones.
    """

    objective = Answer

    def __init__(
        self,
        run: RunConfig,
        stores: Mapping[str, Store],
        device: torch.device,
        teacher: Checkpoint,
    ) -> None:
        super().__init__(run, stores, device)
        assert run.student is not None
        self.student: StudentConfig = run.student
        weights = teacher.part("ema")
        self.teacher = OneWayDenoiser(run.network).to(device).requires_grad_(False)
        try:
            for network in (self.teacher, self.network, self.ema):
                network.load_state_dict(weights)
                network.set_choice(run.choice)
            self.codec.load_state_dict(teacher.part("codec"))
        except RuntimeError as error:
            raise AnyviewError(
                "invalid_checkpoint", f"the teacher is of another network: {error}"
            ) from None
        self.mean_clips = teacher.part("mean")
        self.distance = load_distance(run, device) if self.student.look else None

    def fit(self) -> None:
        """Do nothing: codec, mean clips and variance are the teacher's."""

    def train_step(self, batch: Batch) -> Progress:
        encoded = self._encode(batch.to(self.device))
        phase = phase_of(self.step, len(self.student.phases))
        pair = self._training_pair(encoded, phase)
        answer = self.loss(encoded, pair.y, pair.level)
        losses = pixel_losses(self.codec, answer, pair.wanted, encoded.batch.known)
        total, look = losses.mean(), torch.full((), torch.nan, device=losses.device)
        if self.student.look and phase == len(self.student.phases) - 1:
            look = self._perceptual_loss(encoded, answer).mean()
            total = total + self.student.look * look
        torch.autograd.backward(total)
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizers.step(self.run.training.rate(self.step))
        self.step += 1
        average(self.run.training.ema, self.step, self.ema.parameters(), self.network.parameters())
        losses, looks = gather(losses.detach()), gather(look.detach()[None])
        loss = float(losses.mean())
        pure = loss if phase == 0 else float("nan")
        return Progress(self.step, loss, pure, len(losses), look=float(looks.mean()))

    def _encode(self, batch: Batch) -> EncodedBatch:
        with torch.no_grad():
            truth = self.codec.encode(batch.target)
            sweep = sweep_latents(self.codec, batch) if self.network.sweep is not None else None
            noise = noise_like(truth, batch.noise_seeds)
            source = self.codec.encode(batch.source)
            return EncodedBatch(batch, source, truth, noise, sweep, self.run.temperature)

    @torch.no_grad()
    def _training_pair(self, encoded: EncodedBatch, phase: int) -> TrainingPair:
        own, teacher = (denoiser(network, encoded) for network in (self.network, self.teacher))
        return training_pair(encoded, own, teacher, self.student, phase, self.contract.solver)

    def _perceptual_loss(self, encoded: EncodedBatch, answer: Tensor) -> Tensor:
        """Return `perceptual_losses`; given frames are taken for true."""
        assert encoded.sweep is not None
        assert self.distance is not None
        certain = explained_mask(encoded.sweep, encoded.truth)
        answer = torch.where(encoded.known, encoded.truth, answer)
        target, seeds = encoded.batch.target, encoded.batch.noise_seeds
        return perceptual_losses(self.distance, self.codec, answer, target, certain, seeds)


def teacher_run(teacher: Checkpoint) -> RunConfig:
    """Return the config of a teacher.

    Raises:
        AnyviewError: `invalid_teacher` when the teacher is a student itself.
    """
    if is_joint(teacher.config) or parse_config(teacher.config).student is not None:
        raise AnyviewError(
            "invalid_teacher", "the teacher is a student itself; take the checkpoint it came from"
        )
    return parse_config(teacher.config)


def student_run(teacher: Checkpoint, student: StudentConfig) -> RunConfig:
    """Return the config of a student, its teacher's and a section `student`; errors as
    `teacher_run`."""
    return parse_config(teacher_run(teacher).text + student.section)

"""Distillation of the one-way family: lessons of the teacher's steps, and a judge of true clips.

A regression alone blurs what it cannot tell, so in the last phase (see `lessons`) a judge, which
knows true clips, moves the wanted answer towards what it takes for true (adversarial diffusion
distillation, arXiv 2311.17042), by a fixed distance in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint, parts
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.training.batches import Batch
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.distributed import gathered
from anyview_ros.training.flow import noise_like, pixel_losses, source_cache, sweep_latents
from anyview_ros.training.joint.config import is_joint
from anyview_ros.training.judge import BETAS, RATE, Judge, Verdict
from anyview_ros.training.lessons import Denoiser, Lesson, lesson, phase_of
from anyview_ros.training.loop import MAX_GRADIENT_NORM, Progress, Trainer, average
from anyview_ros.training.optimizers import load_state, state_of
from anyview_ros.training.store import Store
from anyview_ros.training.student import StudentConfig

PULL_RISE = 0.2  # share of the steps over which the pull rises: the judge learns first


@dataclass(frozen=True)
class Asked:
    """The questions of a batch of B targets, coded.

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
        """(B, 1, T', 1, 1), frames that are given."""
        return self.batch.known[:, None, :, None, None]

    def levels(self, level: float) -> Tensor:
        """(B, T'): `level`, but that of their own for given frames."""
        return torch.where(self.batch.known, self.batch.levels, level)

    def start(self, level: float) -> Tensor:
        """y where sampling starts: noise, and given frames with what noise they have."""
        own = self.batch.levels[:, None, :, None, None]
        start = self.temperature * level * self.noise
        return torch.where(self.known, self.truth + own * self.noise, start)

    def kept(self, y: Tensor, moved: Tensor) -> Tensor:
        """`moved`, with the given frames of `y`."""
        return torch.where(self.known, y, moved)


def denoiser(network: OneWayDenoiser, asked: Asked) -> Denoiser:
    """The network as a function of the noise alone; it runs in bfloat16 where that is safe."""
    kind = asked.truth.device.type

    @cache
    def sources() -> list[tuple[Tensor, Tensor]]:
        return source_cache(network, asked.source, asked.batch)

    def denoise(y: Tensor, level: float) -> Tensor:
        levels = asked.levels(level)
        share = 1 / (1 + levels)[:, None, :, None, None]
        t = levels / (1 + levels)
        with torch.autocast(kind, torch.bfloat16):
            x0 = network(share * y, t, asked.batch.target_rays, sources(), asked.sweep)
        return cast("Tensor", x0.float())

    return denoise


class Answer(nn.Module):
    """One answer of a network as a module, which torch's DistributedDataParallel can wrap."""

    def __init__(self, network: OneWayDenoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, asked: Asked, y: Tensor, level: float) -> Tensor:
        return denoiser(self.network, asked)(y, level)


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
                network.decide(run.choice)
            self.codec.load_state_dict(teacher.part("codec"))
        except RuntimeError as error:
            raise AnyviewError(
                "invalid_checkpoint", f"the teacher is of another network: {error}"
            ) from None
        self.mean_clips = teacher.part("mean")
        self.judge = Judge(weights["variance"]).to(device)
        self.verdict: nn.Module = Verdict(self.judge)
        if self.processes > 1:
            self.verdict = DistributedDataParallel(self.verdict)
        self._judge_names = [name for name, _ in self.judge.named_parameters()]
        self._judge_optimizer = torch.optim.AdamW(
            self.judge.parameters(), lr=RATE, betas=BETAS, weight_decay=0.0
        )

    def fit(self) -> None:
        """Nothing: codec, mean clips and variance are the teacher's."""

    def train_step(self, batch: Batch) -> Progress:
        """One update of the student, and one of the judge where it has a say."""
        asked = self._asked(batch.to(self.device))
        phase = phase_of(self.step, len(self.student.phases))
        learnt = self._lesson(asked, phase)
        answer = self.loss(asked, learnt.y, learnt.level)
        aim, told_apart = learnt.wanted, torch.full((), torch.nan)
        if self.student.pull and phase == len(self.student.phases) - 1:
            aim = aim + self._pull(asked, answer.detach(), learnt.first)
            told_apart = self._judged(asked, answer.detach(), learnt.first)
        torch.autograd.backward(pixel_losses(self.codec, answer, aim, asked.batch.known).mean())
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizers.step(self.run.training.rate(self.step))
        self.step += 1
        average(self.run.training.ema, self.step, self.ema.parameters(), self.network.parameters())
        losses = gathered(
            pixel_losses(self.codec, answer.detach(), learnt.wanted, asked.batch.known)
        )
        loss = float(losses.mean())
        pure = loss if phase == 0 else float("nan")
        return Progress(self.step, loss, pure, len(losses), told_apart=float(told_apart))

    def _asked(self, batch: Batch) -> Asked:
        with torch.no_grad():
            truth = self.codec.encode(batch.target)
            sweep = sweep_latents(self.codec, batch) if self.network.sweep is not None else None
            noise = noise_like(truth, batch.noise_seeds)
            source = self.codec.encode(batch.source)
            return Asked(batch, source, truth, noise, sweep, self.run.temperature)

    @torch.no_grad()
    def _lesson(self, asked: Asked, phase: int) -> Lesson:
        own, teacher = (denoiser(network, asked) for network in (self.network, self.teacher))
        return lesson(asked, own, teacher, self.student, phase, self.contract.solver)

    def _pull(self, asked: Asked, answer: Tensor, layout: Tensor) -> Tensor:
        """Where the judge wants an answer moved, (B, C, T', H', W'); known frames stay."""
        answer = answer.requires_grad_()
        doubt = functional.softplus(-self.judge(answer, layout)).sum()
        (slope,) = torch.autograd.grad(doubt, answer)
        slope = slope.masked_fill(asked.known, 0)
        still = torch.zeros_like(slope)
        moved = gathered(pixel_losses(self.codec, slope, still, asked.batch.known)).mean().sqrt()
        risen = min(1.0, self.step / (PULL_RISE * self.student.steps))
        return -slope * (risen * self.student.pull / moved.clamp(min=1e-12))

    def _judged(self, asked: Asked, answer: Tensor, layout: Tensor) -> Tensor:
        """Train the judge on these answers; the share of patches it sorted right."""
        seeds = tuple(seed + 1 for seed in asked.batch.noise_seeds)
        jitter = noise_like(asked.truth, seeds)
        loss, right = self.verdict(asked.truth, answer, jitter, layout, ~asked.batch.known)
        self._judge_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._judge_optimizer.step()
        return gathered(right[None]).mean()

    def checkpoint(self) -> Checkpoint:
        known = super().checkpoint()
        added = parts(
            judge=self.judge.state_dict(),
            judge_optimizer=state_of(self._judge_optimizer, self._judge_names),
        )
        return Checkpoint(known.step, known.config, {**known.tensors, **added})

    def restore(self, checkpoint: Checkpoint) -> None:
        """As `Trainer.restore`; the teacher must be the same too."""
        super().restore(checkpoint)
        self.judge.load_state_dict(checkpoint.part("judge"))
        tensors = checkpoint.part("judge_optimizer")
        load_state(self._judge_optimizer, self._judge_names, tensors)


def teachers_run(teacher: Checkpoint) -> RunConfig:
    """The config of a teacher.

    Raises:
        AnyviewError: `invalid_teacher` when the teacher is a student itself.
    """
    if is_joint(teacher.config) or parse_config(teacher.config).student is not None:
        raise AnyviewError(
            "invalid_teacher", "the teacher is a student itself; take the checkpoint it came from"
        )
    return parse_config(teacher.config)


def student_run(teacher: Checkpoint, student: StudentConfig) -> RunConfig:
    """The config of a student, its teacher's and a section `student`; errors as `teachers_run`."""
    return parse_config(teachers_run(teacher).text + student.section)

"""Distillation: a student takes in one step what its teacher takes in several.

The teacher's way from noise to a clip is cut at the student's levels (phases, as in phased
consistency models, arXiv 2405.18407), and the student learns to make each phase in one step: its
wanted answer is the one whose step ends where the teacher's ends (progressive distillation, arXiv
2202.00512), from where the student's own steps before it have led, so that it sees in training what
it meets in use (DMD2, arXiv 2405.14867). A regression alone blurs what it cannot tell, so in the
last phase a judge, which knows true clips, moves the wanted answer towards what it takes for true
(adversarial diffusion distillation, arXiv 2311.17042), by a fixed distance in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
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
from anyview_ros.training.judge import BETAS, RATE, Judge, Verdict
from anyview_ros.training.loop import MAX_GRADIENT_NORM, Progress, Trainer
from anyview_ros.training.optimizers import load_state, state_of
from anyview_ros.training.store import Store
from anyview_ros.training.student import StudentConfig

PULL_RISE = 0.2  # share of the steps over which the pull rises: the judge learns first
EARLIER_EVERY = 4  # steps, of which one is for the phases before the last one

Denoiser = Callable[[Tensor, float], Tensor]  # (y, level) -> x0


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

    def onward(self, y: Tensor, x0: Tensor, level: float, following: float) -> Tensor:
        """y after an Euler step, as `engine.sampler` takes it."""
        return torch.where(self.known, y, x0 + (following / level) * (y - x0))


def denoiser(network: OneWayDenoiser, asked: Asked) -> Denoiser:
    """The network as a function of the noise alone; it runs in bfloat16 where that is safe."""
    kind = asked.truth.device.type
    with torch.autocast(kind, torch.bfloat16):
        cached = source_cache(network, asked.source, asked.batch)

    def denoise(y: Tensor, level: float) -> Tensor:
        levels = asked.levels(level)
        share = 1 / (1 + levels)[:, None, :, None, None]
        t = levels / (1 + levels)
        with torch.autocast(kind, torch.bfloat16):
            x0 = network(share * y, t, asked.batch.target_rays, cached, asked.sweep)
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
        phase = self._phase()
        way = self.student.phases[phase]
        with torch.no_grad():
            y, layout = self._led(asked, phase)
            wanted, first = self._shown(asked, y, way)
        answer = self.loss(asked, y, way[0])
        aim, told_apart = wanted, torch.full((), torch.nan)
        if self.student.pull and phase == len(self.student.phases) - 1:
            layout = first if layout is None else layout
            aim = wanted + self._pull(asked, answer.detach(), layout)
            told_apart = self._judged(asked, answer.detach(), layout)
        torch.autograd.backward(pixel_losses(self.codec, answer, aim, asked.batch.known).mean())
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizers.step(self.run.training.rate(self.step))
        self.step += 1
        self._average()
        losses = gathered(pixel_losses(self.codec, answer.detach(), wanted, asked.batch.known))
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

    def _phase(self) -> int:
        """Of this step: mostly the last one, which has most to learn; the others take turns."""
        last = len(self.student.phases) - 1
        turn, place = divmod(self.step, EARLIER_EVERY)
        return turn % last if last and place == 0 else last

    def _led(self, asked: Asked, phase: int) -> tuple[Tensor, Tensor | None]:
        """y where the student's own steps lead, and its first answer; None before any."""
        levels = self.student.levels
        y = asked.start(levels[0])
        if phase == 0:
            return y, None
        denoise = denoiser(self.network, asked)
        answers = []
        for level, following in pairwise(levels[: phase + 1]):
            answers.append(denoise(y, level))
            y = asked.onward(y, answers[-1], level, following)
        return y, answers[0]

    def _shown(self, asked: Asked, y: Tensor, way: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        """The answer whose one step ends where the teacher's steps end, and its first answer."""
        denoise = denoiser(self.teacher, asked)
        first = answer = denoise(y, way[0])
        end = asked.onward(y, first, way[0], way[1])
        for level, following in pairwise(way[1:]):
            answer = denoise(end, level)
            end = asked.onward(end, answer, level, following)
        left = way[-1] / way[0]
        return (end - left * y) / (1 - left), first

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


def student_run(teacher: Checkpoint, student: StudentConfig) -> RunConfig:
    """The config of a student, its teacher's and a section `student`.

    Raises:
        AnyviewError: `invalid_teacher` when the teacher is a student itself.
    """
    if parse_config(teacher.config).student is not None:
        raise AnyviewError(
            "invalid_teacher", "the teacher is a student itself; take the checkpoint it came from"
        )
    return parse_config(teacher.config + student.section)

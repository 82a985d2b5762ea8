"""The training loop: draws, steps, averages, saves; stops on time and resumes where it stopped."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from anyview_ros.engine import conditioning
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint, parts, read_checkpoint, write_checkpoint
from anyview_ros.model.codec import LinearCodec, fit_codec, latent_variance
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.one_way.sweep import with_more_candidates
from anyview_ros.training.batches import SIGMA_MAX, Batch, draw_batch
from anyview_ros.training.composites import composer_of
from anyview_ros.training.config import Run, RunConfig, parse_config
from anyview_ros.training.distributed import any_process, gather, rank_and_processes, require_even
from anyview_ros.training.flow import FlowLoss, level_weights
from anyview_ros.training.optimizers import Optimizers
from anyview_ros.training.package import CONFIG_FILE, parameters_of
from anyview_ros.training.prefetch import Prefetcher
from anyview_ros.training.resident_batches import ResidentBatches, may_be_resident
from anyview_ros.training.store import Store, wait_for

LATEST = "latest.safetensors"
SAVE_EVERY_S, SAVING_SHARE = 120.0, 0.05  # and the share of time that saving may take
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Progress:
    """Figures of one step.

    Args:
        step: updates done.
        loss: mean squared pixel error of the batch, in [-1, 1] units.
        pure_noise_loss: of the samples at the highest noise level, nan when there were none.
        samples: targets trained on in this step.
        waited_s: seconds that the run has waited for batches so far.
        look: how unlike true clips answers look, see `training.perceptual_loss`; nan where none
            looked.
    """

    step: int
    loss: float
    pure_noise_loss: float
    samples: int
    waited_s: float = 0.0
    look: float = math.nan


class Learner(Protocol):
    """A run of any family: what the loop asks of it, in every process alike."""

    @property
    def run(self) -> Run: ...

    @property
    def stores(self) -> Mapping[str, Store]: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def rank(self) -> int: ...

    @property
    def step(self) -> int:
        """Return how many updates are done."""
        ...

    def fit(self) -> None:
        """Make what a new run needs of its first scenes."""
        ...

    def draw(self, step: int) -> Any:
        """Draw the batch of a step, or this process's share of it; called from other threads."""
        ...

    def train_step(self, batch: Any) -> Progress: ...

    def checkpoint(self) -> Checkpoint:
        """Return all that the next step depends on; whole in the first process."""
        ...

    def restore(self, checkpoint: Checkpoint) -> None: ...


class Trainer:
    """Of the one-way family: a run's networks, optimizers and step: all that a checkpoint holds.

    Args:
        run: the config.
        stores: its scenes by name; the first `codec_scenes` of each must be rendered.
        device: of the networks.
    """

    objective: type[nn.Module] = FlowLoss  # of a network; the module that DDP wraps

    def __init__(self, run: RunConfig, stores: Mapping[str, Store], device: torch.device) -> None:
        torch.manual_seed(run.training.seed)
        self.run, self.stores, self.device = run, stores, device
        self.contract = run.contract()
        self.rank, self.processes = rank_and_processes()
        require_even(run.training.scenes_per_step)
        self.network = OneWayDenoiser(run.network).to(device)
        self.loss: nn.Module = self.objective(self.network)
        if self.processes > 1:
            self.loss = DistributedDataParallel(self.loss)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizers = Optimizers(self.network)
        self.codec = LinearCodec(run.network.channels).to(device)
        self.mean_clips: dict[str, Tensor] = {}
        self.composer = composer_of(run, stores)
        self.resident: ResidentBatches | None = None
        if device.type == "cuda" and may_be_resident(run):
            self.resident = ResidentBatches(run, stores, device, os.cpu_count() or 1)
        self.step = 0
        self._begun = False  # with weights and codec of a package

    def fit(self) -> None:
        """Make the codec, and the mean clip of each set, from the first scenes of all sets."""
        clips = {name: self._first_clips(store) for name, store in self.stores.items()}
        self.mean_clips = {name: frames.mean(0) for name, frames in clips.items()}
        if self._begun:
            return
        fitted = fit_codec(list(clips.values()), self.run.network.channels)
        self.codec.load_state_dict(fitted.state_dict())  # in place: pictures are made with it, too
        variance = latent_variance(self.codec, list(clips.values()))
        for network in (self.network, self.ema):
            network.variance.copy_(variance)

    def start_from(self, package: Path) -> None:
        """Begin with the weights of a package in place of random ones, and with its codec.

        Raises:
            AnyviewError: `other_network` when the config's is another one; as `parameters_of`.
        """
        network, codec = parameters_of(package)
        if self.run.composite and self.network.sweep is not None:
            network = with_more_candidates(network, self.network.sweep)
        try:
            for own in (self.network, self.ema):
                own.load_state_dict(network)
            self.codec.load_state_dict(codec)
        except RuntimeError as error:
            raise AnyviewError(
                "other_network",
                f"{package} holds another network than the config asks for; give [network] and "
                f"plane_sweep as its {CONFIG_FILE} does: {error}",
            ) from None
        self._begun = True

    def _first_clips(self, store: Store) -> Tensor:
        """Return clips (N, 3, T, H, W) in [-1, 1]."""
        count = min(self.run.training.codec_scenes, store.config.count)
        images = np.concatenate([store[i].images for i in range(count)])
        return torch.from_numpy(np.concatenate([conditioning.video_tensor(c) for c in images]))

    def draw(self, step: int) -> Batch:
        share = self.rank, self.processes
        if self.resident is not None:
            return self.resident.draw(step, share)
        return draw_batch(self.run, self.contract, self.stores, step, share, self.composer)

    def train_step(self, batch: Batch) -> Progress:
        """Make one update on the batch of this step, or on this process's share of it."""
        batch = batch.to(self.device)
        losses = self.loss(self.codec, batch)
        (losses * level_weights(batch.levels)).mean().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizers.step(self.run.training.rate(self.step))
        self.step += 1
        average(self.run.training.ema, self.step, self.ema.parameters(), self.network.parameters())
        losses, levels = gather(losses.detach()), gather(batch.levels)
        pure = losses[levels[:, -1] == SIGMA_MAX]
        return Progress(self.step, float(losses.mean()), float(pure.mean()), len(losses))

    def checkpoint(self) -> Checkpoint:
        tensors = parts(
            network=self.network.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=self.optimizers.state(),
            codec=self.codec.state_dict(),
            mean=self.mean_clips,
        )
        return Checkpoint(self.step, self.run.text, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same run; its length may have changed, but a student's.

        Raises:
            AnyviewError: `other_config` when it is of another run, `invalid_checkpoint` when the
                shapes differ.
        """
        self.run.require_same(checkpoint.config, parse_config)
        try:
            self.network.load_state_dict(checkpoint.part("network"))
            self.ema.load_state_dict(checkpoint.part("ema"))
            self.codec.load_state_dict(checkpoint.part("codec"))
        except RuntimeError as error:
            raise AnyviewError(
                "invalid_checkpoint", f"the checkpoint is of another network: {error}"
            ) from None
        self.optimizers.load_state(checkpoint.part("optimizer"))
        self.mean_clips = checkpoint.part("mean")
        self.step = checkpoint.step


@torch.no_grad()
def average(most: float, step: int, slow: Iterable[Tensor], fast: Iterable[Tensor]) -> None:
    """Move an exponential moving average, quicker at the start: it forgets the first weights.

    Args:
        most: share of the old weights that it ever keeps.
        step: updates done.
    """
    keep = min(most, (1 + step) / (10 + step))
    for old, new in zip(slow, fast, strict=True):
        old.lerp_(new, 1 - keep)


def train(
    trainer: Learner,
    out: Path,
    resume: bool,
    stopped: Callable[[], bool],
    on_step: Callable[[Progress], None] = lambda progress: None,
    loaders: int = 1,
    max_part_bytes: int = 0,
) -> int:
    """Train until the run's steps are done or `stopped()`; returns the step reached.

    The newest state is always in `out`/latest.safetensors: written every two minutes, or less often
    where that takes long, and at the end, by the first process. A resumed run gives the same
    numbers as one that was never stopped.

    Raises:
        AnyviewError: `run_exists` when `out` holds a run without `resume`.
    """
    latest = out / LATEST
    if latest.exists() and not resume:
        raise AnyviewError(
            "run_exists", f"{latest} exists; continue it with --resume or choose another folder"
        )
    ready = partial(wait_for, trainer.stores, trainer.run, stopped=stopped)
    if latest.exists():
        trainer.restore(read_checkpoint(latest))
    elif ready(0):
        trainer.fit()
    else:
        return 0
    out.mkdir(parents=True, exist_ok=True)

    def save() -> float:
        """Save the state, and return the seconds until it is worth while again."""
        started = time.monotonic()
        state = trainer.checkpoint()
        if trainer.rank == 0:
            write_checkpoint(latest, state, max_part_bytes)
        return max(SAVE_EVERY_S, (time.monotonic() - started) / SAVING_SHARE)

    saved, pause = time.monotonic(), SAVE_EVERY_S
    drawn = range(trainer.step, trainer.run.training.steps)[: loaders + 1]
    for step in drawn:  # the first of them of a stage before, perhaps
        ready(step)
    with Prefetcher(trainer.draw, trainer.step, loaders) as batches:
        while trainer.step < trainer.run.training.steps:
            ready(trainer.step + loaders + 1)
            if any_process(stopped(), trainer.device):
                break
            progress = trainer.train_step(batches.next())
            on_step(replace(progress, waited_s=batches.waited_s))
            if any_process(time.monotonic() - saved > pause, trainer.device):
                pause = save()
                saved = time.monotonic()
    save()
    return trainer.step

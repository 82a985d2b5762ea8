"""The learner of the surface network."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from anyview_ros.model.checkpoint import Checkpoint, parts
from anyview_ros.model.surfaces.network import SurfaceNetwork, load_weights
from anyview_ros.training.distributed import (
    gather,
    rank_and_processes,
    require_even,
    sum_gradients,
)
from anyview_ros.training.loop import MAX_GRADIENT_NORM, Progress, average
from anyview_ros.training.optimizers import Optimizers
from anyview_ros.training.store import SceneStore, Store
from anyview_ros.training.surfaces.batches import SurfaceBatch, draw_surfaces
from anyview_ros.training.surfaces.config import SurfaceRun, parse_surfaces
from anyview_ros.training.surfaces.loss import SurfaceLoss
from anyview_ros.training.surfaces.package import take_weights


class SurfaceTrainer:
    """Of the surface network, a `training.loop.Learner`.

    Args:
        run: the config.
        stores: its scenes by name, with depth.
        device: of the network.
    """

    def __init__(self, run: SurfaceRun, stores: Mapping[str, Store], device: torch.device) -> None:
        torch.manual_seed(run.training.seed)
        self.run, self.stores, self.device = run, stores, device
        # All of them: `SurfaceRun` refuses scenes from files.
        self._rendered = {n: s for n, s in stores.items() if isinstance(s, SceneStore)}
        self.rank, self.processes = rank_and_processes()
        require_even(run.training.scenes_per_step)
        network = SurfaceNetwork(run.network, run.surfaces)
        self.network = network.to(device)
        self.loss = SurfaceLoss(self.network)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizers = Optimizers(self.network)
        self.step = 0

    def fit(self) -> None:
        """Do nothing: the network needs no statistics of its scenes."""

    def start_from(self, package: Path) -> None:
        """Begin with the weights of a package in place of random ones.

        Raises:
            AnyviewError: as `take_weights`.
        """
        for network in (self.network, self.ema):
            take_weights(network, package)

    def draw(self, step: int) -> list[SurfaceBatch]:
        return draw_surfaces(self.run, self._rendered, step, (self.rank, self.processes))

    def train_step(self, batch: list[SurfaceBatch]) -> Progress:
        """Make one update on the frames of this step, or on this process's share of them."""
        all_likelihoods: list[Tensor] = []
        for part in batch:
            losses, likelihoods = self.loss(part.to(self.device))
            (losses.sum() / self.run.training.scenes_per_step).backward()
            all_likelihoods.append(likelihoods)
        sum_gradients(self.network.parameters())
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizers.step(self.run.training.rate(self.step))
        self.step += 1
        average(self.run.training.ema, self.step, self.ema.parameters(), self.network.parameters())
        all_frames = gather(torch.cat(all_likelihoods))
        return Progress(self.step, float(all_frames.mean()), math.nan, len(all_frames))

    def checkpoint(self) -> Checkpoint:
        tensors = parts(
            network=self.network.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=self.optimizers.state(),
        )
        return Checkpoint(self.step, self.run.text, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same run; its length and later scenes may have changed.

        Raises:
            AnyviewError: `other_config` when it is of another run, `invalid_checkpoint` when the
                shapes differ.
        """
        self.run.require_same(checkpoint.config, parse_surfaces)
        load_weights(self.network, checkpoint.part("network"))
        load_weights(self.ema, checkpoint.part("ema"))
        self.optimizers.load_state(checkpoint.part("optimizer"))
        self.step = checkpoint.step

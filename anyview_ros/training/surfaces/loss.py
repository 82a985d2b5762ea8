"""What the surface network is trained by: how likely it thinks the true inverse depths are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.contract import SurfaceRange
from anyview_ros.model.precision import training_autocast
from anyview_ros.model.surfaces.network import SurfaceNetwork
from anyview_ros.training.surfaces.batches import SurfaceBatch

EDGE_WEIGHT = 2.0  # of pixels at an edge: there, what is wrong bends things
MOVING_WEIGHT = 4.0  # of what moves: its matching costs name another depth, and it is rare
EDGE_STEP, EDGE_SHARE = 0.1, 0.15  # inverse depth over scene_scale, and of itself
EDGE_REACH = 2  # pixels


class SurfaceLoss(nn.Module):
    """Cross entropies of a batch."""

    def __init__(self, network: SurfaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: SurfaceBatch) -> tuple[Tensor, Tensor]:
        """Return what is minimised, and the mean negative log-likelihood of each frame, (N,)."""
        inputs, pixels = batch.inputs, batch.pixels
        with training_autocast(batch.truth.device.type):
            scores = self.network.scores(*inputs, pixels)
        # Channels are last in memory, where a softmax is several times faster.
        likely = torch.log_softmax(scores.permute(0, 2, 3, 1).float(), dim=-1).permute(0, 3, 1, 2)
        truth, edges = batch.truth[..., *pixels], at_edges(batch.truth)[..., *pixels]
        losses = cross_entropy(likely, truth, self.network.surfaces)
        moving = batch.moving[..., *pixels]
        weights = 1 + (EDGE_WEIGHT - 1) * edges.float() + (MOVING_WEIGHT - 1) * moving.float()
        weighted = (weights * losses).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))
        return weighted, losses.detach().mean(dim=(1, 2))


def cross_entropy(likely: Tensor, truth: Tensor, surfaces: SurfaceRange) -> Tensor:
    """Return (N, H, W) against the truth put on the two inverse depths beside it.

    Args:
        likely: (N, B, H, W) log-probabilities.
        truth: (N, H, W) inverse depth over scene_scale, 0 to the nearest.
    """
    place: Tensor = surfaces.places(truth)
    lower = place.floor().long().clamp(max=surfaces.count - 2)
    above = place - lower
    both = likely.gather(1, torch.stack([lower, lower + 1], dim=1))
    return -((1 - above) * both[:, 0] + above * both[:, 1])


def at_edges(truth: Tensor, reach: int = EDGE_REACH) -> Tensor:
    """Return (N, H, W) bool, pixels within `reach` of a jump of inverse depth."""
    side = 2 * reach - 1
    most = functional.max_pool2d(truth[:, None], 3, 1, 1)
    least = -functional.max_pool2d(-truth[:, None], 3, 1, 1)
    jumps = (most - least > (EDGE_SHARE * most).clamp(min=EDGE_STEP)).float()
    return functional.max_pool2d(jumps, side, 1, side // 2)[:, 0] > 0

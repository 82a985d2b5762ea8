"""The training loss: rectified flow, predicting the clean latent, measured in pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.network import OneWayDenoiser
from anyview_ros.training.batches import Batch


def flow_losses(network: OneWayDenoiser, codec: LinearCodec, batch: Batch) -> Tensor:
    """(S * K,) mean squared pixel errors, in [-1, 1] units, of the predicted target clips.

    On the straight path z = (1 - t) x0 + t n with t = sigma / (1 + sigma) (arXiv 2209.03003).
    Only the coded part of the pixels counts: what the codec drops, no prediction can change.
    """
    with torch.no_grad():
        source, x0 = codec.encode(batch.source), codec.encode(batch.target)
        t = batch.sigma / (1 + batch.sigma)
        share = t[:, None, None, None, None]
        noise = _noise(x0, batch.noise_seed)
    repeats = len(x0) // len(source)
    cached = [
        (key.repeat_interleave(repeats, 0), value.repeat_interleave(repeats, 0))
        for key, value in network.condition(source, batch.source_rays)
    ]
    predicted = network((1 - share) * x0 + share * noise, t, batch.target_rays, cached)
    weight = codec.pixel_weight(x0.shape[2])[None, :, :, None, None]
    losses: Tensor = (weight * (predicted.float() - x0) ** 2).mean(dim=(1, 2, 3, 4))
    return losses


def _noise(like: Tensor, seed: int) -> Tensor:
    """Standard normal noise, drawn on the CPU so that every device gets the same numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(like.shape, generator=generator).to(like.device)

"""The training loss: rectified flow, predicting the clean latent, measured in pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anyview_ros.engine.flow import flow_time
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.precision import training_autocast, training_dtype
from anyview_ros.training.batches import Batch

EVEN_FROM = 0.35  # sigma below which errors fall with the noise
LOWEST = 0.05  # sigma below which weights rise no more


def flow_losses(network: OneWayDenoiser, codec: LinearCodec, batch: Batch) -> Tensor:
    """Return (G * K,) mean squared pixel errors, in [-1, 1] units, of the predicted target clips.

    On the straight path z = (1 - t) x0 + t n of `engine.flow`.
    Only the coded part of the pixels counts: what the codec drops, no prediction can change.
    Known frames have no loss. The network runs in `training_dtype` where that is safe.
    """
    with torch.no_grad():
        source, x0 = codec.encode(batch.source), codec.encode(batch.target)
        t: Tensor = flow_time(batch.levels)
        share = t[:, None, :, None, None]
        noisy = (1 - share) * x0 + share * noise_like(x0, batch.noise_seeds)
        sweep = sweep_latents(codec, batch) if network.sweep is not None else None
    with training_autocast(x0.device.type):
        cached = source_cache(network, source, batch)
        predicted = network(noisy, t, batch.target_rays, cached, sweep)
    return pixel_losses(codec, predicted.float(), x0, batch.known)


def pixel_losses(codec: LinearCodec, latent: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Return (B,) mean squared pixel errors between latents (B, C, T', H', W'), known frames left
    out."""
    errors = (latent - wanted).square().mean(dim=(1, 3, 4)) * codec.pixel_weight(wanted.shape[2])
    unknown = (~known).float()
    losses: Tensor = (errors * unknown).sum(dim=1) / unknown.sum(dim=1)
    return losses


def level_weights(levels: Tensor) -> Tensor:
    """Return (N,) weights of samples with levels (N, T'), of which the last frame's is never given.

    The error of an answer falls with the square of the noise; weighted so, levels count alike.
    """
    return 1 + (EVEN_FROM / levels[:, -1].clamp(min=LOWEST)).square()


class FlowLoss(nn.Module):
    """`flow_losses` as a module, which torch's DistributedDataParallel can wrap."""

    def __init__(self, network: OneWayDenoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, codec: LinearCodec, batch: Batch) -> Tensor:
        return flow_losses(self.network, codec, batch)


def sweep_latents(codec: LinearCodec, batch: Batch) -> Tensor:
    """Return (G * K, P, C + 2, T', H', W') in `training_dtype`: candidates, their marks last.

    Cells that no source sees are 0. On a CPU one target at a time, so that the pixels stay in the
    cache; on a GPU all at once.
    """
    marks = torch.stack(batch.marks)
    marks = marks.to(training_dtype(marks.device.type))
    if marks.is_cuda:
        latents = codec.encode_bytes(torch.stack(batch.sweep).flatten(0, 1))
        return torch.cat(
            [torch.unflatten(latents, 0, marks.shape[:2]) * marks[:, :, :1], marks], dim=2
        )
    size = (codec.channels, *marks.shape[3:])
    latents = marks.new_zeros(*marks.shape[:2], *size)
    for images, mark, latent in zip(batch.sweep, marks, latents, strict=True):
        seen = mark[:, 0].flatten(1).any(dim=1)
        latent[seen] = codec.encode_bytes(images[seen]) * mark[seen, :1]
    return torch.cat([latents, marks], dim=2)


def source_cache(
    network: OneWayDenoiser, source: Tensor, batch: Batch
) -> list[tuple[Tensor, Tensor]]:
    """Return keys and values of the sources of each target, those of several sources end to end."""
    scenes = len(batch.noise_seeds)
    repeats = len(batch.target) // scenes

    def laid(tensor: Tensor) -> Tensor:
        sources = torch.unflatten(tensor, 0, (scenes, -1))
        return sources.transpose(1, 2).flatten(2, 3).repeat_interleave(repeats, 0)

    cached = network.condition(source, batch.source_rays)
    return [(laid(key), laid(value)) for key, value in cached]


def noise_like(like: Tensor, seeds: tuple[int, ...]) -> Tensor:
    """Return standard normal noise of G scenes with K targets each, for a tensor (G * K, ...).

    A seed gives other numbers on another kind of device: where they are drawn costs no time.
    """
    shape = (len(like) // len(seeds), *like.shape[1:])
    place = like.device
    draws = [torch.Generator(place).manual_seed(seed) for seed in seeds]
    return torch.cat([torch.randn(shape, generator=draw, device=place) for draw in draws])

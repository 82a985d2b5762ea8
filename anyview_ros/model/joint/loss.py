"""The loss of the released network; only the image channels of the target are supervised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from anyview_ros.engine.flow import flow_state, flow_time, x0_of_velocity
from anyview_ros.model.joint.config import LATENT_CHANNELS
from anyview_ros.model.joint.transformer import Views

Transformer = Callable[[Views, Views, Tensor], Views]  # streams, times, text -> output streams
HIGH_SHARE = 0.05  # samples whose noise level is drawn from the high range instead
HIGH_SIGMAS = (200.0, 1e5)
AUGMENT = (0.001, 0.01)  # noise levels added to what is given
WEIGHT = 10.0 / 4.0


@dataclass(frozen=True)
class Draws:
    """The random numbers of one loss, in the order they are drawn.

    Args:
        normal: (B,) standard normal, float64.
        high, high_position: (B,) uniform in 0..1, float64: whether and where in the high range.
        noise: (B, 52, T', H', W') standard normal of each view.
        augment: (B,) uniform in 0..1.
        augment_noise: as `noise`.
    """

    normal: Tensor
    high: Tensor
    high_position: Tensor
    noise: Views
    augment: Tensor
    augment_noise: Views


def noise_levels(draws: Draws, latent_frames: int) -> Tensor:
    """Return (B,) float32 sigmas: log-normal, longer clips noisier; or log-uniform in the high
    range."""
    usual = draws.normal.exp() * latent_frames**0.5
    low, high = (torch.tensor(s, dtype=torch.float64).log() for s in HIGH_SIGMAS)
    unusual = (low + draws.high_position * (high - low)).exp()
    return torch.where(draws.high < HIGH_SHARE, unusual, usual).float()


def training_loss(network: Transformer, clean: Views, text: Tensor, draws: Draws) -> Tensor:
    """Return weighted squared error of the target's x0.

    Args:
        clean: streams (B, 52, T', H', W') of target and source, the target's true image included.
        text: (1, M, C) or (B, M, C).
    """
    sigma = noise_levels(draws, clean[0].shape[2]).view(-1, 1, 1, 1, 1)
    amount = AUGMENT[0] + draws.augment.view_as(sigma) * (AUGMENT[1] - AUGMENT[0])
    given = [x + amount * n for x, n in zip(clean, draws.augment_noise, strict=True)]
    truth = clean[0][:, :LATENT_CHANNELS]
    y = truth + sigma * draws.noise[0][:, :LATENT_CHANNELS]
    x0 = clean_image(network, y, sigma.flatten(), given[0][:, LATENT_CHANNELS:], given[1], text)
    error: Tensor = (sigma**2 + 1) / sigma**2 * (x0 - truth) ** 2
    return error.mean() * WEIGHT


def clean_image(
    network: Transformer, y: Tensor, sigma: Tensor, given: Tensor, source: Tensor, text: Tensor
) -> Tensor:
    """Return x0 of the target's image from y = x0 + sigma * noise, (B, 16, T', H', W').

    Args:
        sigma: (B,).
        given: (B, 36, T', H', W'), the other channels of the target's stream.
        source: (B, 52, T', H', W').
        text: (1, M, C) or (B, M, C).
    """
    times: Tensor = flow_time(sigma)[:, None]
    t = times[..., None, None, None]
    z: Tensor = flow_state(y, t)
    target = torch.cat([z, given], dim=1)
    velocity = network([target, source], [times, times], text.expand(len(y), -1, -1))[0]
    x0: Tensor = x0_of_velocity(velocity[:, :LATENT_CHANNELS], z, t)
    return x0

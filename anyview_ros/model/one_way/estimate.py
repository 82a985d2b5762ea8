"""Linear estimates of latents from noisy ones, channel by channel (Wiener)."""

from __future__ import annotations

import torch
from torch import Tensor


def linear_estimate(noisy: Tensor, t: Tensor, variance: Tensor) -> Tensor:
    """Return the best linear estimate of an x0 of this variance and mean 0, from (1 - t) x0 + t
    noise."""
    return noisy * (variance * (1 - t) / noise_power(t, variance))


def noise_power(t: Tensor, variance: Tensor) -> Tensor:
    """Return variance of (1 - t) x0 + t noise."""
    return variance * (1 - t) ** 2 + t**2


def of_frames(values: Tensor, latent_frames: int) -> Tensor:
    """Map (2, C), for frame 0 and for later frames, to (1, C, T', 1, 1)."""
    first, later = values[:, None, :, None, None]
    return torch.stack([first, *[later] * (latent_frames - 1)], dim=2)

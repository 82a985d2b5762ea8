"""Latents and rays to tokens, and tokens to latents."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from anyview_ros.model.one_way.config import RAY_VALUES, NetworkConfig

RAY_OCTAVES = 5
Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class FramewiseLinear(nn.Module):
    """One linear map for the tokens of latent frame 0, another for those of later frames.

    A causal codec codes frame 0 alone and then four frames together, so channel c means one thing
    in frame 0 and another one after it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, outputs)
        self.later = nn.Linear(inputs, outputs)

    def zero_init(self) -> None:
        for part in (self.first, self.later):
            zero_init(part)

    def forward(self, x: Tensor, latent_frames: int) -> Tensor:
        """Map tokens (B, N, inputs) of `latent_frames` frames to (B, N, outputs)."""
        cells = x.shape[1] // latent_frames
        return torch.cat([self.first(x[:, :cells]), self.later(x[:, cells:])], dim=1)


class Tokens(nn.Module):
    """Latent and rays of one view to tokens; source and target have one each."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.patch, self.seeing = config.patch, config.rays
        cells = config.patch**2
        self.latent = FramewiseLinear(config.channels * cells, config.width)
        self.rays = nn.Sequential(
            nn.Linear(RAY_VALUES * cells + 2 * 6 * RAY_OCTAVES, config.width),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.width, config.width),
        )

    def forward(self, latent: Tensor, rays: Tensor) -> Tensor:
        """Map latent (B, C, T', H', W') and rays (B, R, T', H', W') to tokens (B, N, width)."""
        ray_tokens = patchify(rays if self.seeing else torch.zeros_like(rays), self.patch)
        features = torch.cat([ray_tokens, self._fourier(ray_tokens)], dim=-1)
        seen: Tensor = self.latent(patchify(latent, self.patch), latent.shape[2])
        where: Tensor = self.rays(features)
        return seen + where

    def _fourier(self, ray_tokens: Tensor) -> Tensor:
        """Return sines and cosines of the token's mean ray: they tell fine differences of pose."""
        mean = torch.unflatten(ray_tokens, -1, (6, -1)).mean(-1)
        octaves = 2.0 ** torch.arange(RAY_OCTAVES, device=mean.device)
        phase = (mean[..., None] * (0.5 * math.pi * octaves)).flatten(-2)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


def zero_init(layer: Layer) -> Layer:
    """Set a layer to zero, and return it: residual branches and heads start from a known point."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def patchify(x: Tensor, patch: int) -> Tensor:
    """Map (B, C, T', H', W') to tokens (B, T'*H'/p*W'/p, C*p*p), channels first in a token."""
    batch, channels, time, height, width = x.shape
    cut = x.reshape(batch, channels, time, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 3, 5, 1, 4, 6).reshape(
        batch, time * (height // patch) * (width // patch), channels * patch * patch
    )


def unpatchify(tokens: Tensor, shape: torch.Size, patch: int) -> Tensor:
    """Undo `patchify` for a latent of `shape`."""
    batch, channels, time, height, width = shape
    cut = tokens.reshape(batch, time, height // patch, width // patch, channels, patch, patch)
    return cut.permute(0, 4, 1, 2, 5, 3, 6).reshape(batch, channels, time, height, width)

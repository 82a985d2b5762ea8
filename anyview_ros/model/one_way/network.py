"""The one-way denoiser: target tokens attend to source and target, source tokens to source.

So the keys and values of the source depend on the source alone: `condition` computes them once,
and every step and every virtual camera of that source reuses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from anyview_ros.model.one_way.block import Block, normalised
from anyview_ros.model.one_way.config import NetworkConfig
from anyview_ros.model.one_way.position import rotary_angles
from anyview_ros.model.one_way.sweep import Sweep
from anyview_ros.model.one_way.tokens import FramewiseLinear, Tokens, silent, unpatchify

TIME_OCTAVES = 10
SEAM_WIDTH = 64
DETAIL = 0.15  # standard deviation, in latents, of what no token can say


class OneWayDenoiser(nn.Module):
    """Predicts the clean latent x0 of the target from a noisy one, its rays and a source.

    The network speaks of x0 itself and not of the noise, which has more dimensions than a token
    (arXiv 2511.13720); only where the noise is below DETAIL the input passes, as in EDM (arXiv
    2206.00364, table 1). Each latent frame has a noise level of its own (arXiv 2407.01392): frames
    that are known have 0.

    Tokens see the best linear estimate of x0 from each channel of the noisy latent (Wiener): where
    the noise hides a channel they see its mean, and not the noise.
    """

    variance: Tensor  # (2, C) of the channels of latents, of frame 0 and of later frames

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("variance", torch.ones(2, config.channels))
        self.source_tokens = Tokens(config)
        self.target_tokens = Tokens(config)
        self.sweep = Sweep(config) if config.planes else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.level = nn.Sequential(
            nn.Linear(2 * TIME_OCTAVES, width), nn.SiLU(), silent(nn.Linear(width, 6 * width))
        )
        self.head = FramewiseLinear(width, config.channels * config.patch**2)
        self.head.silence()
        self.seams = Seams(config.channels)

    @property
    def stack(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def condition(self, latent: Tensor, rays: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the source, computed once.

        Args:
            latent: (B, C, T', H', W') of the source.
            rays: (B, 96, T', H', W') of the source.

        Returns:
            Key and value of each block: (B, heads, N, head width) both.
        """
        x = self.source_tokens(latent, rays)
        angles = self._angles(latent)
        level = self._level(latent.new_zeros(len(latent), latent.shape[2]))  # clean: t = 0
        cached = []
        for block in self.stack:
            modulation = block.modulation(level, x)
            qkv = block.heads_of(x, angles, modulation)
            cached.append(qkv[1:])
            x = block(x, qkv, modulation)
        return cached

    def forward(
        self,
        noisy: Tensor,
        t: Tensor,
        rays: Tensor,
        source: Sequence[tuple[Tensor, Tensor]],
        sweep: Tensor | None = None,
    ) -> Tensor:
        """x0 of the target.

        Args:
            noisy: (B, C, T', H', W'), (x0 + sigma * noise) / (1 + sigma).
            t: (B, T'), sigma / (1 + sigma) of each latent frame.
            rays: (B, R, T', H', W') of the target.
            source: from `condition`, one source for each target; several are laid end to end.
            sweep: (B, P, C + 2, T', H', W'), the candidates of a plane sweep: latents, marks.
        """
        share = t[:, None, :, None, None]
        visible = linear_estimate(noisy, share, self._variances(noisy.shape[2]))
        x = self.target_tokens(visible, rays)
        if self.sweep is not None:
            assert sweep is not None
            x = x + self.sweep.seen(sweep)
        angles = self._angles(noisy)
        level = self._level(t)
        for block, (source_key, source_value) in zip(self.stack, source, strict=True):
            modulation = block.modulation(level, x)
            query, key, value = block.heads_of(x, angles, modulation)
            key = torch.cat([source_key.to(key), key], dim=2)
            value = torch.cat([source_value.to(value), value], dim=2)
            x = block(x, (query, key, value), modulation)
        x = normalised(x)
        x0 = unpatchify(self.head(x, noisy.shape[2]), noisy.shape, self.config.patch)
        if self.sweep is not None and sweep is not None:
            x0 = x0 + self.sweep.chosen(x, sweep)
        x0 = self.seams(x0)
        said: Tensor = x0 * (share**2 / noise_power(share, DETAIL**2))
        return linear_estimate(noisy, share, DETAIL**2) + said

    def _variances(self, latent_frames: int) -> Tensor:
        """(1, C, T', 1, 1)"""
        first, later = self.variance[:, None, :, None, None]
        return torch.stack([first, *[later] * (latent_frames - 1)], dim=2)

    def _level(self, t: Tensor) -> Tensor:
        """(B, T') -> modulation (B, T', 6, width)."""
        octaves = 2.0 ** torch.arange(TIME_OCTAVES, device=t.device)
        phase = t[..., None] * (0.5 * math.pi * octaves)
        level = self.level(torch.cat([phase.sin(), phase.cos()], dim=-1))
        return torch.unflatten(level, -1, (6, -1))

    def _angles(self, latent: Tensor) -> Tensor:
        patch = self.config.patch
        grid = (latent.shape[2], latent.shape[3] // patch, latent.shape[4] // patch)
        return rotary_angles(grid, self.config.head_width, latent.device)


class Seams(nn.Module):
    """Convolutions over cells that smooth the borders of tokens; at first they do nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = self._layers(channels)
        self.later = self._layers(channels)

    @staticmethod
    def _layers(channels: int) -> nn.Sequential:
        layers = nn.Sequential(
            nn.Conv2d(channels, SEAM_WIDTH, 3, padding=1),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(SEAM_WIDTH, channels, 3, padding=1),
        )
        for parameter in layers[-1].parameters():
            nn.init.zeros_(parameter)
        return layers

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T', H', W') of the same shape; frame 0 has a code, so layers, of its own."""
        frames = x.transpose(1, 2)
        later = frames[:, 1:].flatten(0, 1)
        smoothed = torch.unflatten(self.later(later), 0, (len(x), -1))
        added = torch.cat([self.first(frames[:, 0])[:, None], smoothed], dim=1)
        return x + added.transpose(1, 2)


def linear_estimate(noisy: Tensor, t: Tensor, variance: Tensor | float) -> Tensor:
    """The best linear estimate of an x0 of this variance and mean 0, from (1 - t) x0 + t noise."""
    return noisy * (variance * (1 - t) / noise_power(t, variance))


def noise_power(t: Tensor, variance: Tensor | float) -> Tensor:
    """Variance of (1 - t) x0 + t noise."""
    return variance * (1 - t) ** 2 + t**2

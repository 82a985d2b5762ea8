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

from anyview_ros.model.one_way.block import Block, rms_normalize
from anyview_ros.model.one_way.config import NetworkConfig
from anyview_ros.model.one_way.detail import Detail
from anyview_ros.model.one_way.estimate import linear_estimate, of_frames
from anyview_ros.model.one_way.position import rotary_angles
from anyview_ros.model.one_way.sweep import Sweep
from anyview_ros.model.one_way.tokens import FramewiseLinear, Tokens, unpatchify, zero_init

TIME_OCTAVES = 10


class OneWayDenoiser(nn.Module):
    """Predicts the clean latent x0 of the target from a noisy one, its rays and a source.

    The network speaks of x0 itself and not of the noise, which has more dimensions than a token
    (arXiv 2511.13720); where there is little noise the input passes, see `Detail`. Each latent
    frame has a noise level of its own (arXiv 2407.01392): frames that are known have 0.

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
            nn.Linear(2 * TIME_OCTAVES, width), nn.SiLU(), zero_init(nn.Linear(width, 6 * width))
        )
        self.head = FramewiseLinear(width, config.channels * config.patch**2)
        self.head.zero_init()
        self.detail = Detail(config.channels)

    @property
    def stack(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def set_choice(self, choice: float) -> None:
        """Set how far detail is copied from one candidate of a plane sweep, see `Sweep`."""
        if self.sweep is not None:
            self.sweep.choice = choice

    def condition(self, latent: Tensor, rays: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of the source, computed once.

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
        """Return x0 of the target alone, see `answer`."""
        return self.answer(noisy, t, rays, source, sweep)[0]

    def answer(
        self,
        noisy: Tensor,
        t: Tensor,
        rays: Tensor,
        source: Sequence[tuple[Tensor, Tensor]],
        sweep: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return x0 of the target, and which candidates its cells show, see `Sweep.weights`.

        Args:
            noisy: (B, C, T', H', W'), (x0 + sigma * noise) / (1 + sigma).
            t: (B, T'), sigma / (1 + sigma) of each latent frame.
            rays: (B, R, T', H', W') of the target.
            source: from `condition`, one source for each target; several are laid end to end.
            sweep: (B, P, C + 2, T', H', W'), the candidates of a plane sweep: latents, marks.
        """
        share = t[:, None, :, None, None]
        visible = linear_estimate(noisy, share, of_frames(self.variance, noisy.shape[2]))
        x = self.target_tokens(visible, rays)
        if self.sweep is not None:
            assert sweep is not None
            x = x + self.sweep.embed(sweep)
        angles = self._angles(noisy)
        level = self._level(t)
        for block, (source_key, source_value) in zip(self.stack, source, strict=True):
            modulation = block.modulation(level, x)
            query, key, value = block.heads_of(x, angles, modulation)
            key = torch.cat([source_key.to(key), key], dim=2)
            value = torch.cat([source_value.to(value), value], dim=2)
            x = block(x, (query, key, value), modulation)
        x = rms_normalize(x)
        x0 = unpatchify(self.head(x, noisy.shape[2]), noisy.shape, self.config.patch)
        weights = None
        if self.sweep is not None and sweep is not None:
            scores = self.sweep.scores(x, sweep)
            x0, weights = x0 + self.sweep.copy(scores, sweep), scores.softmax(dim=1)
        return self.detail(x0, noisy, visible, share), weights

    def _level(self, t: Tensor) -> Tensor:
        """Map (B, T') to modulation (B, T', 6, width)."""
        octaves = 2.0 ** torch.arange(TIME_OCTAVES, device=t.device)
        phase = t[..., None] * (0.5 * math.pi * octaves)
        level = self.level(torch.cat([phase.sin(), phase.cos()], dim=-1))
        return torch.unflatten(level, -1, (6, -1))

    def _angles(self, latent: Tensor) -> Tensor:
        patch = self.config.patch
        grid = (latent.shape[2], latent.shape[3] // patch, latent.shape[4] // patch)
        return rotary_angles(grid, self.config.head_width, latent.device)

"""The one-way denoiser: target tokens attend to source and target, source tokens to source.

So the keys and values of the source depend on the source alone: `condition` computes them once,
and every step and every virtual camera of that source reuses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.errors import AnyviewError
from anyview_ros.model.position import rotary_angles, rotate

RAY_VALUES = 24  # 6 Plücker values x 4 frames x 1 ray a latent cell
RAY_OCTAVES = 5
TIME_OCTAVES = 10
COARSE = 12  # channels of a candidate that tokens look at: most of an image's variance
SEAM_WIDTH = 64
SWEEP_MARKS = 2  # the last channels of a candidate: seen, and how far sources disagree
DETAIL = 0.15  # standard deviation, in latents, of what no token can say
UNSEEN = 30.0  # taken from the score of a candidate that no source sees


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the denoiser.

    Args:
        channels: C of the latent.
        patch: latent cells a token side.
        width, depth, heads: of the transformer; width / heads is a multiple of 8.
        planes: P of the plane sweep, with the ground; 0 = the network has rays only.
        rays: whether tokens know their rays; without, an ablation, no camera is known.
    """

    channels: int = 48
    patch: int = 4
    width: int = 256
    depth: int = 8
    heads: int = 4
    planes: int = 0
    rays: bool = True

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 8:
            raise AnyviewError(
                "invalid_config",
                f"width / heads must be a multiple of 8, got {self.width} / {self.heads}",
            )

        if self.planes and self.channels < COARSE:
            raise AnyviewError(
                "invalid_config",
                f"a plane sweep needs at least {COARSE} channels, got {self.channels}",
            )

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class FramewiseLinear(nn.Module):
    """One linear map for the tokens of latent frame 0, another for those of later frames.

    A causal codec codes frame 0 alone and then four frames together, so channel c means one thing
    in frame 0 and another one after it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, outputs)
        self.later = nn.Linear(inputs, outputs)

    def silence(self) -> None:
        for part in (self.first, self.later):
            _silent(part)

    def forward(self, x: Tensor, latent_frames: int) -> Tensor:
        """Tokens (B, N, inputs) of `latent_frames` frames -> (B, N, outputs)."""
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
        """latent (B, C, T', H', W'), rays (B, R, T', H', W') -> (B, N, width)."""
        ray_tokens = patchify(rays if self.seeing else torch.zeros_like(rays), self.patch)
        features = torch.cat([ray_tokens, self._fourier(ray_tokens)], dim=-1)
        seen: Tensor = self.latent(patchify(latent, self.patch), latent.shape[2])
        where: Tensor = self.rays(features)
        return seen + where

    def _fourier(self, ray_tokens: Tensor) -> Tensor:
        """Sines and cosines of the token's mean ray: fine differences of pose, made visible."""
        mean = torch.unflatten(ray_tokens, -1, (6, -1)).mean(-1)
        octaves = 2.0 ** torch.arange(RAY_OCTAVES, device=mean.device)
        phase = (mean[..., None] * (0.5 * math.pi * octaves)).flatten(-2)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class Sweep(nn.Module):
    """What target tokens see of the candidates of a plane sweep, and how they copy from them.

    Each latent cell of the output is a mixture of its candidates, and of nothing; the weights come
    from the token and from how well it likes the coarse content of a candidate. Detail is copied
    this way, instead of being squeezed through the width of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        cells, planes = config.patch**2, config.planes
        self.look = FramewiseLinear(cells * planes * (COARSE + SWEEP_MARKS), config.width)
        self.weigh = FramewiseLinear(config.width, cells * (planes + 1))
        self.like = FramewiseLinear(config.width, cells * COARSE)
        self.weigh.silence()
        self.like.silence()

    def seen(self, sweep: Tensor) -> Tensor:
        """Candidates (B, P, C + 2, T', H', W') to tokens (B, N, width)."""
        coarse = torch.cat([sweep[:, :, :COARSE], sweep[:, :, -SWEEP_MARKS:]], dim=2).flatten(1, 2)
        tokens: Tensor = self.look(patchify(coarse, self.config.patch), sweep.shape[3])
        return tokens

    def chosen(self, x: Tensor, sweep: Tensor) -> Tensor:
        """The mixture (B, C, T', H', W') for tokens x (B, N, width)."""
        batch, planes, _, time, height, width = sweep.shape
        patch = self.config.patch
        grid = torch.Size((batch, planes + 1, time, height, width))
        scores = unpatchify(self.weigh(x, time), grid, patch)
        grid = torch.Size((batch, COARSE, time, height, width))
        liked = unpatchify(self.like(x, time), grid, patch)
        latents, seen = sweep[:, :, :-SWEEP_MARKS], sweep[:, :, -SWEEP_MARKS]
        match = (liked[:, None] * latents[:, :, :COARSE]).sum(dim=2)
        scores = torch.cat([scores[:, :1], scores[:, 1:] + match - UNSEEN * (1 - seen)], dim=1)
        weights = scores.softmax(dim=1)[:, 1:, None]
        mixture: Tensor = (weights * latents).sum(dim=1)
        return mixture


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


class Block(nn.Module):
    """Attention and MLP, modulated by the noise level; a table per block, one shared network.

    The norms have no weights of their own, the modulation's scale does their work. Everything is
    cast to the dtype of the tokens, or mixed precision would fall back to float32 at each product.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.table = nn.Parameter(torch.zeros(6, width))
        self.query_scale = nn.Parameter(torch.ones(config.head_width))
        self.key_scale = nn.Parameter(torch.ones(config.head_width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = _silent(nn.Linear(width, width, bias=False))
        self.expand = nn.Linear(width, 4 * width)
        self.shrink = _silent(nn.Linear(4 * width, width))

    def modulation(self, level: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Six (B, N, width): shift, scale, gate of the attention, then of the MLP.

        Args:
            level: (B, T', 6, width) of the latent frames.
            x: (B, N, width) tokens, frame by frame.
        """
        batch, time = level.shape[:2]
        frames = (level + self.table).to(x)[:, :, None]
        shape = (batch, time, x.shape[1] // time, 6, x.shape[2])
        return torch.unbind(frames.expand(shape).flatten(1, 2), dim=2)

    def heads_of(
        self, x: Tensor, angles: Tensor, modulation: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values (B, heads, N, head width) of tokens x (B, N, width)."""
        shift, scale = modulation[:2]
        mixed = self.qkv(normalised(x) * (1 + scale) + shift)
        parts = torch.unflatten(mixed, -1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind()
        return (
            rotate(normalised(query) * self.query_scale.to(query), angles),
            rotate(normalised(key) * self.key_scale.to(key), angles),
            value,
        )

    def forward(
        self, x: Tensor, qkv: tuple[Tensor, Tensor, Tensor], modulation: tuple[Tensor, ...]
    ) -> Tensor:
        """Tokens x (B, N, width) after attention with `qkv` and the MLP."""
        _, _, attention_gate, shift, scale, mlp_gate = modulation
        x = x + (1 + attention_gate) * self.out(attend(*qkv).transpose(1, 2).flatten(2))
        hidden = self.expand(normalised(x) * (1 + scale) + shift)
        added: Tensor = self.shrink(functional.gelu(hidden, approximate="tanh"))
        return x + (1 + mlp_gate) * added


def normalised(x: Tensor) -> Tensor:
    """x over its root mean square along the last axis."""
    return torch.rms_norm(x, x.shape[-1:], eps=1e-6)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention written out: in bf16 on a CPU it trains 3-5 times faster than the fused
    kernel at these lengths, and it exports to plain operators."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return torch.matmul(scores.softmax(dim=-1), value)


class OneWayDenoiser(nn.Module):
    """Predicts the clean latent x0 of the target from a noisy one, its rays and a source.

    The network speaks of x0 itself and not of the noise, which has more dimensions than a token
    (arXiv 2511.13720); only where the noise is below DETAIL the input passes, as in EDM (arXiv
    2206.00364, table 1). Each latent frame has a noise level of its own (arXiv 2407.01392): frames
    that are known have 0.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.source_tokens = Tokens(config)
        self.target_tokens = Tokens(config)
        self.sweep = Sweep(config) if config.planes else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.level = nn.Sequential(
            nn.Linear(2 * TIME_OCTAVES, width), nn.SiLU(), _silent(nn.Linear(width, 6 * width))
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
        x = self.target_tokens(noisy, rays)
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
        t = t[:, None, :, None, None]
        power = DETAIL**2 * (1 - t) ** 2 + t**2
        passed: Tensor = noisy * (DETAIL**2 * (1 - t) / power) + x0 * (t**2 / power)
        return passed

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


def _silent(layer: nn.Linear) -> nn.Linear:
    """Residual branches and heads start at zero, so training starts from a known point."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def patchify(x: Tensor, patch: int) -> Tensor:
    """(B, C, T', H', W') -> tokens (B, T'*H'/p*W'/p, C*p*p), channels first in a token."""
    batch, channels, time, height, width = x.shape
    cut = x.reshape(batch, channels, time, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 3, 5, 1, 4, 6).reshape(
        batch, time * (height // patch) * (width // patch), channels * patch * patch
    )


def unpatchify(tokens: Tensor, shape: torch.Size, patch: int) -> Tensor:
    """Inverse of `patchify` for a latent of `shape`."""
    batch, channels, time, height, width = shape
    cut = tokens.reshape(batch, time, height // patch, width // patch, channels, patch, patch)
    return cut.permute(0, 4, 1, 2, 5, 3, 6).reshape(batch, channels, time, height, width)

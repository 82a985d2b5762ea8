"""The parts of the joint transformer. No layer has a bias.

Letters: B batch, D width, N tokens, M tokens attended to, F frames, T' H' W' of a latent.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.model.attention import attention
from anyview_ros.model.joint.config import MLP_RATIO, PATCH, STREAM_CHANNELS, JointConfig
from anyview_ros.model.joint.position import Rotation, rotate

EPSILON = 1e-6
LONGEST_PERIOD = 10000.0


class Terms(NamedTuple):
    """A modulation, (B, N, D) each, or broadcast to it."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


class RMSNorm(nn.Module):
    """x / rms(x) * weight in float32, rounded once at the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)
        return (scaled * self.weight.float()).to(x.dtype)


class Matrix(nn.Linear):
    """A linear map without bias, computed as wide as what comes in, however it is stored.

    So weights that are bfloat16 numbers stay mapped from their file, half as large, where the
    arithmetic is float32; one at a time is widened.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.to(x.dtype))


class Patches(nn.Module):
    """(B, C, T', H', W') -> (B, N, C*4): tokens row-major, values (channel, row, column)."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, time, height, width = x.shape
        cut = x.reshape(batch, channels, time, height // PATCH, PATCH, width // PATCH, PATCH)
        return cut.permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(1, 3)


class PatchEmbed(nn.Module):
    def __init__(self, config: JointConfig) -> None:
        super().__init__()
        values = STREAM_CHANNELS * PATCH**2
        self.proj = nn.Sequential(Patches(), Matrix(values, config.width))

    def forward(self, stream: Tensor) -> Tensor:
        """Map (B, 52, T', H', W') to (B, N, D)."""
        tokens: Tensor = self.proj(stream)
        return tokens


class Sinusoid(nn.Module):
    """t (B, F) in 0..1 -> (B, F, D) float32: all cosines, then all sines."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pairs = width // 2

    def forward(self, t: Tensor) -> Tensor:
        exponent = torch.arange(self.pairs, device=t.device, dtype=torch.float32) / self.pairs
        phase = t.float()[..., None] * torch.exp(-math.log(LONGEST_PERIOD) * exponent)
        return torch.cat([phase.cos(), phase.sin()], dim=-1)


class SharedModulation(nn.Module):
    """The sinusoid (..., D) -> the term (..., 3 D) that all modulations of all blocks share."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = Matrix(width, width)
        self.linear_2 = Matrix(width, 3 * width)

    def forward(self, raw: Tensor) -> Tensor:
        shared: Tensor = self.linear_2(functional.silu(self.linear_1(raw)))
        return shared


class Modulation(nn.Sequential):
    """A low-rank network of the noise level, (..., D) -> (..., parts * D), its own term."""

    def __init__(self, config: JointConfig, parts: int) -> None:
        super().__init__(
            nn.SiLU(),
            Matrix(config.width, config.lora),
            Matrix(config.lora, parts * config.width),
        )


class Attention(nn.Module):
    """Multi-head attention whose queries and keys are normalised per head.

    Args:
        context_width: values a token of what is attended to.
    """

    def __init__(self, config: JointConfig, context_width: int) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.q_proj = Matrix(width, width)
        self.k_proj = Matrix(context_width, width)
        self.v_proj = Matrix(context_width, width)
        self.output_proj = Matrix(width, width)
        self.q_norm = RMSNorm(config.head_width)
        self.k_norm = RMSNorm(config.head_width)

    def forward(self, x: Tensor, context: Tensor, rotation: Rotation | None = None) -> Tensor:
        """Let x (B, N, D) attend to context (B, M, C).

        Args:
            rotation: of the M tokens of the context, where positions count; the N tokens of x are
                then the first of them.
        """
        query = self.q_norm(self.q_proj(x).unflatten(-1, (self.heads, -1)))
        key = self.k_norm(self.k_proj(context).unflatten(-1, (self.heads, -1)))
        value = self.v_proj(context).unflatten(-1, (self.heads, -1))
        if rotation is not None:
            query = rotate(query, rotation.first(query.shape[1]))
            key = rotate(key, rotation)
        result: Tensor = self.output_proj(attention(query, key, value))
        return result


class MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer1 = Matrix(width, MLP_RATIO * width)
        self.layer2 = Matrix(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer2(functional.gelu(self.layer1(x)))
        return result


def modulate(x: Tensor, terms: Terms) -> Tensor:
    """Apply layer norm without weights, then scale and shift; as wide as the terms at the end."""
    normed = functional.layer_norm(x, x.shape[-1:], eps=EPSILON)
    return (normed * (1 + terms.scale) + terms.shift).to(terms.shift.dtype)


def add_gated(x: Tensor, gate: Tensor, change: Tensor) -> Tensor:
    """Add a gated change to tokens, as wide as the tokens: float16 could not hold every product."""
    return x + gate.to(x.dtype) * change

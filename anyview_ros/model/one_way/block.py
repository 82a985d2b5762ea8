"""A transformer block, modulated by the noise level of each latent frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.model.one_way.config import NetworkConfig
from anyview_ros.model.one_way.position import rotate
from anyview_ros.model.one_way.tokens import zero_init


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
        self.out = zero_init(nn.Linear(width, width, bias=False))
        self.expand = nn.Linear(width, 4 * width)
        self.shrink = zero_init(nn.Linear(4 * width, width))

    def modulation(self, level: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return six (B, N, width): shift, scale, gate of the attention, then of the MLP.

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
        """Return queries, keys, values (B, heads, N, head width) of tokens x (B, N, width)."""
        shift, scale = modulation[:2]
        mixed = self.qkv(rms_normalize(x) * (1 + scale) + shift)
        parts = torch.unflatten(mixed, -1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind()
        return (
            rotate(rms_normalize(query) * self.query_scale.to(query), angles),
            rotate(rms_normalize(key) * self.key_scale.to(key), angles),
            value,
        )

    def forward(
        self, x: Tensor, qkv: tuple[Tensor, Tensor, Tensor], modulation: tuple[Tensor, ...]
    ) -> Tensor:
        """Return tokens x (B, N, width) after attention with `qkv` and the MLP."""
        _, _, attention_gate, shift, scale, mlp_gate = modulation
        x = x + (1 + attention_gate) * self.out(attend(*qkv).transpose(1, 2).flatten(2))
        hidden = self.expand(rms_normalize(x) * (1 + scale) + shift)
        added: Tensor = self.shrink(functional.gelu(hidden, approximate="tanh"))
        return x + (1 + mlp_gate) * added


def rms_normalize(x: Tensor) -> Tensor:
    """Return x over its root mean square along the last axis."""
    return torch.rms_norm(x, x.shape[-1:], eps=1e-6)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax attention, on a CPU written out: there it trains 3-5 times faster in bf16 than
    the fused kernel at these lengths, and it exports to plain operators."""
    if query.is_cuda:
        return functional.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return torch.matmul(scores.softmax(dim=-1), value)

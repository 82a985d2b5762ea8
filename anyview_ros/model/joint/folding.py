"""The joint network as one package runs it, with everything folded that is constant there.

One clip, one text, one noise time for all frames, one grid for each view. The result is that of
`JointTransformer`, but for the rounding of sums taken in another order:

- text: where tokens 1.. are zero, their keys and values are zero too, so attention to the text is
  a number between 0 and 1 a head times a constant vector; otherwise its keys and values are
  constants;
- noise levels: a table of the modulations of a known schedule;
- rotary angles: cosines and sines are constants;
- mask channels of the streams: a bias of the embedding;
- what no one reads is left out: the source's output, its tokens after the last self-attention,
  and the target's output beyond the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyview_ros.model.joint.config import (
    LATENT_CHANNELS,
    PATCH,
    RAY_CHANNELS,
    STREAM_CHANNELS,
)
from anyview_ros.model.joint.layers import (
    EPSILON,
    Attention,
    PatchEmbed,
    Patches,
    Terms,
    add_gated,
    modulate,
)
from anyview_ros.model.joint.position import Grid, Rotation, rotation_of
from anyview_ros.model.joint.transformer import (
    Block,
    BlockTerms,
    JointTransformer,
    unpatchify,
)

# Channels of a stream: image latent, its masks (given, made), rays and moments, their masks.
IMAGE_GIVEN, IMAGE_MADE = LATENT_CHANNELS, LATENT_CHANNELS + 1
RAYS = LATENT_CHANNELS + 2
RAYS_GIVEN = RAYS + RAY_CHANNELS
TIME_TOLERANCE = 1e-6  # noise times of a schedule lie a thousand times further apart


class AllTerms(NamedTuple):
    """Modulations at one noise level, broadcast over tokens: of each block, of the final layer."""

    blocks: Sequence[BlockTerms]
    final: Terms


class FoldedDenoiser(nn.Module):
    """Predicts the velocity of the target's image latent.

    Args:
        network: whose weights are shared, not copied.
        text: (1, M, C).
        target, source: token grids of the views.
        times: noise times t that it will be called with, for a table of modulations; empty = any
            time, modulations computed at every call.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(
        self,
        network: JointTransformer,
        text: Tensor,
        target: Grid,
        source: Grid,
        times: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.precision = network.precision
        self.grid = target
        rotation = rotation_of(network.angles([target, source]))
        self.register_buffer("cosine", rotation.cosine)
        self.register_buffer("sine", rotation.sine)
        source_embedder = cast(PatchEmbed, network.x_embedder_newviews[0])
        dtype = network.precision.dtype
        self.embed_target = folded_embed(network.x_embedder, IMAGE_MADE, dtype)
        self.embed_source = folded_embed(source_embedder, IMAGE_GIVEN, dtype)
        self.embed_source.bias.data += network.view_embs_newviews[0][0]
        text = network.precision.entering(text)
        blocks = cast(Sequence[Block], network.blocks)
        self.blocks = nn.ModuleList(FoldedBlock(block, text) for block in blocks)
        self.levels = LevelTable(network, times) if times else Levels(network)
        self.head = folded_head(network.final_layer.linear, dtype)

    def condition(self, latent: Tensor, rays: Tensor) -> Tensor:
        """Return tokens of the source (1, N, D), from its latents (1, 16, ..) and rays (1, 32, ..).

        They are float32, as everything is that goes in or out of a graph.
        """
        return self._embedded(self.embed_source, latent, rays).float()

    def forward(self, noisy: Tensor, t: Tensor, rays: Tensor, source: Tensor) -> Tensor:
        """Return velocity (1, 16, T', H', W').

        Args:
            noisy: (1, 16, T', H', W'), (x0 + sigma * noise) / (1 + sigma).
            t: (1,), sigma / (1 + sigma).
            rays: (1, 32, T', H', W') latents of the target's rays and moments.
            source: from `condition`.
        """
        target = self._embedded(self.embed_target, noisy, rays)
        x = torch.cat([target, source.to(target.dtype)], dim=1)
        rotation = Rotation(self.cosine, self.sine)
        terms: AllTerms = self.levels(t)
        last = len(self.blocks) - 1
        for index, (block, own) in enumerate(zip(self.blocks, terms.blocks, strict=True)):
            count = target.shape[1] if index == last else x.shape[1]
            x = block(x, own, rotation, count)
        patches = self.head(modulate(x, terms.final))
        return unpatchify(patches, self.grid, LATENT_CHANNELS).float()

    def _embedded(self, embed: nn.Linear, latent: Tensor, rays: Tensor) -> Tensor:
        values = self.precision.entering(torch.cat([latent, rays], dim=1))
        tokens: Tensor = embed(Patches()(values))
        return tokens.to(self.precision.tokens_dtype)


class FoldedBlock(nn.Module):
    """`Block` with a constant text; the last one keeps the tokens of the target only."""

    def __init__(self, block: Block, text: Tensor) -> None:
        super().__init__()
        self.self_attn = block.self_attn
        self.read_text = folded_text(block.cross_attn, text)
        self.mlp = block.mlp

    def forward(self, x: Tensor, terms: BlockTerms, rotation: Rotation, count: int) -> Tensor:
        """Map tokens (1, N, D) to the first `count` of them."""
        mixed = modulate(x, terms.self_attn)
        attended = self.self_attn(mixed[:, :count], mixed, rotation)
        x = add_gated(x[:, :count], terms.self_attn.gate, attended)
        x = add_gated(x, terms.mlp.gate, self.read_text(modulate(x, terms.cross_attn)))
        return add_gated(x, terms.mlp.gate, self.mlp(modulate(x, terms.mlp)))


def folded_text(attention: Attention, text: Tensor) -> nn.Module:
    """Return attention to a text (1, M, C) that never changes."""
    if text.shape[1] > 1 and not text[:, 1:].any():
        return OneTokenText(attention, text)
    return ConstantText(attention, text)


class OneTokenText(nn.Module):
    """Attention to a text whose tokens 1.. are zero, in closed form.

    Without biases, zero tokens have zero keys and values, so their logits are 0. A head's softmax
    gives token 0 the weight exp(l) / (exp(l) + M - 1), a sigmoid, and the result is that weight
    times the value of token 0, which the output projection maps to a constant vector.
    """

    key: Tensor  # (heads, d)
    result: Tensor  # (heads, D)

    def __init__(self, attention: Attention, text: Tensor) -> None:
        super().__init__()
        width = attention.q_norm.weight.shape[0]
        self.q_proj = attention.q_proj
        key = attention.k_norm(attention.k_proj(text[0, 0]).unflatten(-1, (-1, width)))
        weighed = key * attention.q_norm.weight / math.sqrt(width)
        value = attention.v_proj(text[0, 0]).unflatten(-1, (-1, width))
        weight = attention.output_proj.weight.to(value.dtype)
        output = torch.unflatten(weight, 1, (-1, width))
        self.register_buffer("key", weighed)
        self.register_buffer("result", torch.einsum("hd,ohd->ho", value, output))
        self.others = math.log(text.shape[1] - 1)

    def forward(self, x: Tensor) -> Tensor:
        query = self.q_proj(x).unflatten(-1, tuple(self.key.shape)).float()
        scale = torch.rsqrt(query.square().mean(-1) + EPSILON)
        logit = (query * self.key).sum(-1) * scale
        weight = torch.sigmoid(logit - self.others)  # (1, N, heads)
        read: Tensor = weight.to(x.dtype) @ self.result
        return read


class ConstantText(nn.Module):
    """Attention to a text whose keys and values are constants."""

    key: Tensor  # (1, heads, M, d)
    value: Tensor

    def __init__(self, attention: Attention, text: Tensor) -> None:
        super().__init__()
        self.q_proj, self.q_norm = attention.q_proj, attention.q_norm
        self.output_proj = attention.output_proj
        heads = (attention.heads, -1)
        key = attention.k_norm(attention.k_proj(text).unflatten(-1, heads))
        self.register_buffer("key", key.transpose(1, 2))
        self.register_buffer("value", attention.v_proj(text).unflatten(-1, heads).transpose(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        query = self.q_norm(self.q_proj(x).unflatten(-1, (self.key.shape[1], -1)))
        attended = functional.scaled_dot_product_attention(
            query.transpose(1, 2), self.key, self.value
        )
        read: Tensor = self.output_proj(attended.transpose(1, 2).flatten(2))
        return read


class Levels(nn.Module):
    """Modulations of any noise time."""

    def __init__(self, network: JointTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Tensor) -> AllTerms:
        """Return the modulations at time t (1,)."""
        level = self.network.level(t[None])
        blocks = cast(Sequence[Block], self.network.blocks)
        return AllTerms(
            [block.terms(level) for block in blocks], self.network.final_layer.terms(level)
        )


class LevelTable(nn.Module):
    """Modulations of known noise times, looked up.

    A time that is not in the table gives nan, never the modulation of its neighbour.
    """

    times: Tensor  # (S,)
    blocks: Tensor  # (S + 1, blocks, 9, D): shift, scale, gate of self-attention, text, MLP
    final: Tensor  # (S + 1, 3, D)

    def __init__(self, network: JointTransformer, times: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("times", torch.tensor(times, dtype=torch.float32))
        levels = Levels(network)
        every = [levels(t[None]) for t in self.times]
        blocks = [torch.stack([_rows(sum(own, ())) for own in terms.blocks]) for terms in every]
        final = [_rows(terms.final) for terms in every]
        self.register_buffer("blocks", _with_unknown(torch.stack(blocks)))
        self.register_buffer("final", _with_unknown(torch.stack(final)))

    def forward(self, t: Tensor) -> AllTerms:
        """Return the modulations at time t (1,)."""
        apart, nearest = (self.times - t).abs().min(dim=0)
        index = torch.where(apart <= TIME_TOLERANCE, nearest, len(self.times))
        blocks = [
            BlockTerms(*(Terms(*rows[None, 3 * i : 3 * i + 3].unbind(1)) for i in range(3)))
            for rows in self.blocks[index]
        ]
        return AllTerms(blocks, Terms(*self.final[index][None].unbind(1)))


def _rows(parts: Sequence[Tensor]) -> Tensor:
    """Map (1, 1, D) each to (n, D)."""
    return torch.cat([part[0] for part in parts])


def _with_unknown(table: Tensor) -> Tensor:
    """Return a table with one more row, of nan."""
    return torch.cat([table, torch.full_like(table[:1], torch.nan)])


def folded_embed(embed: PatchEmbed, made_or_given: int, dtype: torch.dtype) -> nn.Linear:
    """Return the embedding of image latent and rays alone; channels that are always 1 become a
    bias.

    Args:
        made_or_given: which mask of the image is 1.
        dtype: in which it is computed and stored.
    """
    stored = cast(nn.Linear, embed.proj[1]).weight.to(dtype)
    weight = torch.unflatten(stored, 1, (STREAM_CHANNELS, -1))
    ones = weight[:, made_or_given] + weight[:, RAYS_GIVEN]
    varying = torch.cat([weight[:, :LATENT_CHANNELS], weight[:, RAYS:RAYS_GIVEN]], dim=1)
    return _linear(varying.flatten(1), ones.sum(1))


def folded_head(linear: nn.Linear, dtype: torch.dtype) -> nn.Linear:
    """Return the rows of the final layer that make the image latent."""
    weight = torch.unflatten(linear.weight.to(dtype), 0, (PATCH**2, STREAM_CHANNELS))
    return _linear(weight[:, :LATENT_CHANNELS].flatten(0, 1))


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer

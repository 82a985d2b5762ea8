"""The joint transformer: target and source tokens attend to each other at every step.

Attribute names are those of the released checkpoint, so its state dict loads as it is. View 0 is
the target (generated), view 1 the source (input video); the latent size of each is its own.

Letters: B batch, D width, N tokens, F frames of both views, T' H' W' latent frames, rows, columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.config import (
    PATCH,
    PRECISIONS,
    STREAM_CHANNELS,
    JointConfig,
    Precision,
)
from anyview_ros.model.joint.layers import (
    MLP,
    Attention,
    Matrix,
    Modulation,
    PatchEmbed,
    RMSNorm,
    SharedModulation,
    Sinusoid,
    Terms,
    add_gated,
    modulate,
)
from anyview_ros.model.joint.position import Grid, Rotation, rotary_angles, rotation_of

Views = Sequence[Tensor]  # the same thing of the target, then of the source


class NoiseLevel(NamedTuple):
    """What the noise times of all F = T' + T' frames become, target's frames first.

    Args:
        raw: (B, F, D) sinusoid of the time; the final layers read it.
        normed: (B, F, D) the same, normalised; the blocks read it.
        shared: (B, F, 3 D) a term of every modulation.
    """

    raw: Tensor
    normed: Tensor
    shared: Tensor


class BlockTerms(NamedTuple):
    """The three modulations of a block."""

    self_attn: Terms
    cross_attn: Terms
    mlp: Terms


class Block(nn.Module):
    """Joint self-attention, attention to the text, MLP."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config, config.width)
        self.cross_attn = Attention(config, config.text_width)
        self.mlp = MLP(config.width)
        self.adaln_modulation_self_attn = Modulation(config, 3)
        self.adaln_modulation_cross_attn = Modulation(config, 3)
        self.adaln_modulation_mlp = Modulation(config, 3)

    def terms(self, level: NoiseLevel) -> BlockTerms:
        """Return the modulations, (B, F, D) each: one a frame."""
        networks = (
            self.adaln_modulation_self_attn,
            self.adaln_modulation_cross_attn,
            self.adaln_modulation_mlp,
        )
        return BlockTerms(
            *[Terms(*(network(level.normed) + level.shared).chunk(3, -1)) for network in networks]
        )

    def forward(
        self, x: Tensor, level: NoiseLevel, frames: Tensor, text: Tensor, rotation: Rotation
    ) -> Tensor:
        """Map tokens of both views (B, N, D) to the same; text (B, M, C).

        Args:
            level: of all frames. Their modulations are spread over tokens in here: a block that is
                run again for its gradients keeps the level, and none of those.
            frames: (N,) which of the frames each token belongs to.
        """
        terms = BlockTerms(*[at_tokens(t, frames) for t in self.terms(level)])
        mixed = modulate(x, terms.self_attn)
        x = add_gated(x, terms.self_attn.gate, self.self_attn(mixed, mixed, rotation))
        # The release gates the attention to the text by the gate of the MLP, not by its own.
        x = add_gated(x, terms.mlp.gate, self.cross_attn(modulate(x, terms.cross_attn), text))
        return add_gated(x, terms.mlp.gate, self.mlp(modulate(x, terms.mlp)))


class FinalLayer(nn.Module):
    """Tokens to the patches of an output stream; reads the raw sinusoid, not the normalised one."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__()
        self.linear = Matrix(config.width, PATCH**2 * STREAM_CHANNELS)
        self.adaln_modulation = Modulation(config, 2)

    def terms(self, level: NoiseLevel) -> Terms:
        """Return the modulation, (B, F, D) each; there is no gate."""
        own: Tensor = self.adaln_modulation(level.raw)
        shift, scale = (own + level.shared[..., : own.shape[-1]]).chunk(2, dim=-1)
        return Terms(shift, scale, torch.ones_like(scale))

    def forward(self, x: Tensor, terms: Terms) -> Tensor:
        """Map tokens of one view (B, N, D) to (B, N, 4 * 52)."""
        values: Tensor = self.linear(modulate(x, terms))
        return values


class JointTransformer(nn.Module):
    """Predicts the velocity of both streams; only the target's image channels are used.

    Args:
        config: sizes.
        precision: of weights and activations, and whether what enters is rounded.
    """

    def __init__(self, config: JointConfig, precision: Precision = PRECISIONS["f32"]) -> None:
        super().__init__()
        self.config = config
        self.precision = precision
        self.x_embedder = PatchEmbed(config)
        self.x_embedder_newviews = nn.ModuleList([PatchEmbed(config)])
        self.view_embs_newviews = nn.ParameterList([torch.zeros(1, config.width)])
        # The checkpoint also holds a `t_embedder` for view 0; the release never calls it.
        self.t_embedder_newviews = nn.ModuleList(
            [nn.Sequential(Sinusoid(config.width), SharedModulation(config.width))]
        )
        self.t_embedding_norm = RMSNorm(config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.final_layer = FinalLayer(config)
        self.final_layer_newviews = nn.ModuleList([FinalLayer(config)])
        self.to(precision.dtype)

    def forward(self, streams: Views, times: Views, text: Tensor) -> Views:
        """Return output streams (B, 52, T', H', W') of both views, float32.

        Args:
            streams: (B, 52, T', H', W') of each view; H' and W' even.
            times: (B, T') or (B, 1) of each view, sigma / (1 + sigma).
            text: (B, M, C).

        Raises:
            AnyviewError: `odd_latent`, `latent_too_large`.
        """
        grids = [grid_of(stream) for stream in streams]
        text = self.precision.entering(text)
        rotation = rotation_of(self.angles(grids).to(text.device))
        t = torch.cat([t.expand(-1, grid[0]) for t, grid in zip(times, grids, strict=True)], 1)
        level = self.level(t)
        frames = frame_of_token(grids).to(text.device)

        x = torch.cat(self.tokens(streams), dim=1)
        for block in cast(Sequence[Block], self.blocks):
            x = block(x, level, frames, text, rotation)

        counts = [math.prod(grid) for grid in grids]
        outputs = []
        for head, own, at, grid in zip(
            (self.final_layer, cast(FinalLayer, self.final_layer_newviews[0])),
            torch.split(x, counts, dim=1),
            torch.split(frames, counts),
            grids,
            strict=True,
        ):
            patches = head(own, at_tokens(head.terms(level), at))
            outputs.append(unpatchify(patches, grid, STREAM_CHANNELS).float())
        return outputs

    def tokens(self, streams: Views) -> list[Tensor]:
        """Return tokens (B, N of the view, D) of each view."""
        target, source = (self.precision.entering(stream) for stream in streams)
        embedded = self.x_embedder_newviews[0](source) + self.view_embs_newviews[0]
        return [
            tokens.to(self.precision.tokens_dtype) for tokens in (self.x_embedder(target), embedded)
        ]

    def level(self, t: Tensor) -> NoiseLevel:
        """Return the noise level of frames, from their times (B, F)."""
        sinusoid, shared = self.t_embedder_newviews[0].children()
        raw = sinusoid(self.precision.entering(t)).to(self.precision.dtype)
        return NoiseLevel(raw, self.t_embedding_norm(raw), shared(raw))

    def angles(self, grids: Sequence[Grid]) -> Tensor:
        """Return (N of all views, head width / 2) rotary angles; each view counts from 0."""
        width, dtype = self.config.head_width, self.precision.rotary_dtype
        return torch.cat([rotary_angles(grid, width, dtype) for grid in grids])


def grid_of(stream: Tensor) -> Grid:
    """Return (T', rows, columns) of the tokens of a stream (B, 52, T', H', W').

    Raises:
        AnyviewError: `odd_latent`.
    """
    time, height, width = stream.shape[2:]
    if height % PATCH or width % PATCH:
        raise AnyviewError(
            "odd_latent",
            "latent rows and columns must be even (image sides multiples of 16 pixels), "
            f"got {height} x {width}",
        )
    return time, height // PATCH, width // PATCH


def frame_of_token(grids: Sequence[Grid]) -> Tensor:
    """Return which of all frames each token belongs to, (N of all views,); frames count on over
    views."""
    first = [sum(grid[0] for grid in grids[:view]) for view in range(len(grids))]
    return torch.cat(
        [
            (start + torch.arange(time)).repeat_interleave(rows * columns)
            for start, (time, rows, columns) in zip(first, grids, strict=True)
        ]
    )


def at_tokens(terms: Terms, frames: Tensor) -> Terms:
    """Map terms of frames (B, F, D) to those of tokens (B, N, D); frames (N,)."""
    return Terms(*[part[:, frames] for part in terms])


def unpatchify(patches: Tensor, grid: Grid, channels: int) -> Tensor:
    """Map (B, N, 4 C), ordered (row, column, channel), to (B, C, T', H', W').

    Not the inverse of `Patches`: the release orders what comes out the other way round.
    """
    time, rows, columns = grid
    cut = patches.reshape(-1, time, rows, columns, PATCH, PATCH, channels)
    return cut.permute(0, 6, 1, 2, 4, 3, 5).reshape(
        -1, channels, time, rows * PATCH, columns * PATCH
    )

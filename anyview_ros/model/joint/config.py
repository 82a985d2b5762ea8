"""Sizes of the joint network and of its autoencoder, and the precision they run in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError

PATCH = 2  # latent cells a token side; one latent frame a token
LATENT_CHANNELS = 16
RAY_CHANNELS = 32  # autoencoder latents of rays and of moments
MASK_CHANNELS = 4  # input and output mask of the image, of the camera
STREAM_CHANNELS = LATENT_CHANNELS + RAY_CHANNELS + MASK_CHANNELS
MLP_RATIO = 4
VIEWS = 2  # target, then source


@dataclass(frozen=True)
class JointConfig:
    """Sizes of the transformer; the defaults are the released 2 B network.

    Args:
        width: D, values a token.
        blocks: transformer blocks.
        heads: attention heads; D / heads is even and at least 12, for three rotary axes.
        lora: rank of the modulation networks.
        text_width, text_tokens: size of the text embedding.

    Raises:
        AnyviewError: `invalid_config`.
    """

    width: int = 2048
    blocks: int = 28
    heads: int = 16
    lora: int = 256
    text_width: int = 1024
    text_tokens: int = 512

    def __post_init__(self) -> None:
        sizes = (self.blocks, self.heads, self.lora, self.text_width, self.text_tokens)
        if min(self.width, *sizes) < 1 or self.width % self.heads:
            raise AnyviewError(
                "invalid_config", f"sizes must be positive and heads divide the width, got {self}"
            )
        if self.head_width % 2 or self.head_width < 12:
            raise AnyviewError(
                "invalid_config",
                f"width / heads must be even and at least 12, got {self.width} / {self.heads}",
            )

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the causal video autoencoder; the defaults are the released tokenizer.

    Args:
        width: channels of the finest level.
        multipliers: channels of each level, in widths.
        res_blocks: residual blocks a level in the encoder; the decoder has one more.
        time_halves: whether the step below each level but the last halves time as well.

    Raises:
        AnyviewError: `invalid_config`.
    """

    width: int = 96
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    res_blocks: int = 2
    time_halves: tuple[bool, ...] = (False, True, True)

    def __post_init__(self) -> None:
        if len(self.time_halves) != len(self.multipliers) - 1:
            raise AnyviewError(
                "invalid_config",
                f"{len(self.multipliers)} levels have {len(self.multipliers) - 1} steps between "
                f"them, got time_halves {self.time_halves}",
            )
        if (len(self.time_halves), sum(self.time_halves)) != (3, 2):
            raise AnyviewError(
                "invalid_config",
                "a latent cell is 4 frames of 8 x 8 pixels: three steps, two of them in time, "
                f"got time_halves {self.time_halves}",
            )
        widths = [self.width * m for m in self.multipliers]
        if min(widths) < 1 or self.res_blocks < 1 or any(width % 2 for width in widths[1:]):
            raise AnyviewError(
                "invalid_config",
                "sizes must be positive, and even below the finest level, where each step up "
                f"halves the channels; got {self}",
            )


NETWORKS: dict[str, JointConfig] = {"anyview_dvs_2b": JointConfig()}
AUTOENCODERS: dict[str, AutoencoderConfig] = {"cosmos_predict2": AutoencoderConfig()}


@dataclass(frozen=True)
class Precision:
    """Where numbers are rounded.

    Args:
        name: its word in `PRECISIONS`.
        dtype: of weights and activations.
        rounds: round to bfloat16 where the release does: what enters a network, the rotary table,
            the autoencoder's constants and its latents.
    """

    name: str
    dtype: torch.dtype
    rounds: bool

    @property
    def rotary_dtype(self) -> torch.dtype:
        """Return the type in which the rotary table is evaluated."""
        return torch.bfloat16 if self.rounds else torch.float32

    @property
    def tokens_dtype(self) -> torch.dtype:
        """Return the type of tokens between blocks, which grow beyond what float16 holds."""
        return torch.float32 if self.dtype == torch.float16 else self.dtype

    def entering(self, x: Tensor) -> Tensor:
        """Return `x` as a network of this precision receives it."""
        return (x.bfloat16() if self.rounds else x).to(self.dtype)


PRECISIONS: Mapping[str, Precision] = {
    p.name: p
    for p in (
        Precision("f32", torch.float32, rounds=False),
        Precision("parity", torch.float32, rounds=True),
        Precision("bf16", torch.bfloat16, rounds=True),
        Precision("fp16", torch.float16, rounds=True),
    )
}

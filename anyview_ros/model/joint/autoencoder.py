"""The causal video autoencoder (Wan 2.1, as released with Cosmos-Predict2).

T = 1 + 4k frames of 8 x 8 pixels a cell become 1 + k latent frames. Attribute names are those of
the released checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.causal import (
    Causal,
    CausalConv,
    ChannelNorm,
    Downsample,
    FrameAttention,
    Past,
    ResidualBlock,
    Upsample,
)
from anyview_ros.model.joint.config import (
    LATENT_CHANNELS,
    PRECISIONS,
    AutoencoderConfig,
    Precision,
)

COLOURS = 3
TIME_FACTOR, SPACE_FACTOR = 4, 8
# Mean and standard deviation of the latents of the released autoencoder over its training set.
LATENT_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
LATENT_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.width * m for m in (1, *config.multipliers)]
        self.conv1 = CausalConv(COLOURS, widths[0])
        layers: list[nn.Module] = []
        for level, (before, width) in enumerate(pairwise(widths)):
            layers += [
                ResidualBlock(before if block == 0 else width, width)
                for block in range(config.res_blocks)
            ]
            if level < len(config.time_halves):
                layers.append(Downsample(width, config.time_halves[level]))
        self.downsamples = nn.ModuleList(layers)
        self.middle = middle(widths[-1])
        self.head = head(widths[-1], 2 * LATENT_CHANNELS)

    def forward(self, frames: Tensor, past: Past) -> Tensor:
        """Map (B, 3, T, H, W) to (B, 32, T', H/8, W/8)."""
        return apply_layers((self.conv1, *self.downsamples, *self.middle, *self.head), frames, past)


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.width * m for m in reversed(config.multipliers)]
        doubles = tuple(reversed(config.time_halves))
        self.conv1 = CausalConv(LATENT_CHANNELS, widths[0])
        self.middle = middle(widths[0])
        layers: list[nn.Module] = []
        before = widths[0]
        for level, width in enumerate(widths):
            for _ in range(config.res_blocks + 1):
                layers.append(ResidualBlock(before, width))
                before = width
            if level < len(doubles):
                layers.append(Upsample(width, doubles[level]))
                before = width // 2
        self.upsamples = nn.ModuleList(layers)
        self.head = head(widths[-1], COLOURS)

    def forward(self, code: Tensor, past: Past) -> Tensor:
        """Map (B, 16, T', H', W') to (B, 3, T, 8 H', 8 W')."""
        return apply_layers((self.conv1, *self.middle, *self.upsamples, *self.head), code, past)


class Autoencoder(nn.Module):
    """Frames in [-1, 1] to latents of about unit variance, and back.

    Args:
        config: sizes.
        precision: of weights and activations, and whether frames, constants and latents are
            rounded to bfloat16.
    """

    mean: Tensor
    inverse_std: Tensor

    def __init__(self, config: AutoencoderConfig, precision: Precision = PRECISIONS["f32"]) -> None:
        super().__init__()
        self.precision = precision
        self.encoder = Encoder(config)
        self.conv1 = nn.Conv3d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
        self.conv2 = nn.Conv3d(LATENT_CHANNELS, LATENT_CHANNELS, 1)
        self.decoder = Decoder(config)
        self.to(precision.dtype)
        self.take_constants(precision.rounds)

    def take_constants(self, rounds: bool) -> None:
        """Hold `latent_constants(rounds)`; they are no part of a checkpoint."""
        for name, values in zip(("mean", "inverse_std"), latent_constants(rounds), strict=True):
            shaped = values.to(self.precision.dtype).view(1, -1, 1, 1, 1)
            self.register_buffer(name, shaped, persistent=False)

    def encode(self, frames: Tensor, piece: int = 0) -> Tensor:
        """Encode (B, 3, T, H, W) in [-1, 1] into latents (B, 16, T', H/8, W/8), float32.

        Args:
            piece: latent frames made at a time, 0 = all. Any number gives the same latents.

        Raises:
            AnyviewError: `invalid_num_frames`, `invalid_size`.
        """
        latent = (self.encode_mean(frames, piece) - self.mean) * self.inverse_std
        return (latent.bfloat16() if self.precision.rounds else latent).float()

    def encode_mean(self, frames: Tensor, piece: int = 0) -> Tensor:
        """Encode as `encode`, before the latents are normalised: the mean the encoder predicts."""
        check_frames(frames.shape)
        x, past = self.precision.entering(frames), Past()
        sizes = piece_sizes(x.shape[2], piece * TIME_FACTOR, first=(piece - 1) * TIME_FACTOR + 1)
        codes = one_by_one(
            lambda part: self.conv1(self.encoder(part, past)), torch.split(x, sizes, dim=2)
        )
        return torch.cat(codes, dim=2)[:, :LATENT_CHANNELS]

    def decode(self, latent: Tensor, piece: int = 0) -> Tensor:
        """Decode latents (B, 16, T', H', W') into frames (B, 3, T, 8 H', 8 W') about [-1, 1],
        float32.

        Args:
            piece: latent frames read at a time, 0 = all. Any number gives the same frames; the
                memory needed grows with it.
        """
        code = self.conv2(latent.to(self.precision.dtype) / self.inverse_std + self.mean)
        sizes, past = piece_sizes(code.shape[2], piece, first=piece), Past()
        frames = one_by_one(lambda part: self.decoder(part, past), torch.split(code, sizes, dim=2))
        return torch.cat(frames, dim=2).float()


def latent_constants(rounds: bool) -> tuple[Tensor, Tensor]:
    """Return mean and inverse standard deviation of the latents, (16,) float32 each.

    Args:
        rounds: as the release holds them: mean, deviation and its inverse each in bfloat16, so
            that the inverse is up to 0.4 % off.
    """
    dtype = torch.bfloat16 if rounds else torch.float32
    mean, std = torch.tensor(LATENT_MEAN).to(dtype), torch.tensor(LATENT_STD).to(dtype)
    return mean.float(), (1.0 / std).float()


def check_frames(shape: Sequence[int]) -> None:
    """Refuse clips that cannot be coded: AnyviewError `invalid_num_frames` or `invalid_size`.

    Args:
        shape: (B, 3, T, H, W).
    """
    time, height, width = shape[2:]
    if time % TIME_FACTOR != 1:
        raise AnyviewError(
            "invalid_num_frames", f"a clip has 1 + 4k frames (1, 5, 9, ...), got {time}"
        )
    if height % SPACE_FACTOR or width % SPACE_FACTOR:
        raise AnyviewError(
            "invalid_size",
            f"image sides must be multiples of {SPACE_FACTOR} pixels, got {height} x {width}",
        )


def piece_sizes(total: int, size: int, first: int) -> list[int]:
    """Return lengths of the pieces of `total` frames: `first`, then `size` each; size 0 = one
    piece."""
    if size <= 0:
        return [total]
    sizes = [min(first, total)]
    while sum(sizes) < total:
        sizes.append(min(size, total - sum(sizes)))
    return sizes


def one_by_one(coded: Callable[[Tensor], Tensor], parts: Sequence[Tensor]) -> list[Tensor]:
    """Encode or decode pieces, each begun when the one before is done.

    In a graph nothing else fixes that order: ONNX Runtime would take all of them through the
    first layer, then through the next, and hold them all. So a number of the one before goes
    along with each.
    """
    made: list[Tensor] = []
    for part in parts:
        if made:
            number = made[-1].flatten()[:1].to(part.dtype)
            part = torch.cat([number, part.flatten()])[1:].reshape(part.shape)
        made.append(coded(part))
    return made


def middle(width: int) -> nn.ModuleList:
    return nn.ModuleList(
        [ResidualBlock(width, width), FrameAttention(width), ResidualBlock(width, width)]
    )


def head(width: int, channels: int) -> nn.ModuleList:
    return nn.ModuleList([ChannelNorm(width), nn.SiLU(), CausalConv(width, channels)])


def apply_layers(layers: Iterable[nn.Module], x: Tensor, past: Past) -> Tensor:
    """Apply one layer after the other; those that look back get the past."""
    for layer in layers:
        x = layer(x, past) if isinstance(layer, Causal) else layer(x)
    return x

"""The linear causal codec: blocks of 8x8 pixels and 4 frames, coded by principal components."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError

TIME_FACTOR = 4
SPACE_FACTOR = 8
FIRST_VALUES = SPACE_FACTOR * SPACE_FACTOR * 3
GROUP_VALUES = TIME_FACTOR * FIRST_VALUES


class LinearCodec(nn.Module):
    """T = 1 + 4k frames to 1 + k latent frames, 8 times smaller a side, and back.

    Frame 0 is coded alone and every later group of 4 frames alone, so a latent frame depends on
    its own frames only (causal). Each of the two projections has orthonormal rows; the channels
    are then divided by their standard deviation, so a latent has about unit variance.

    Args:
        channels: C, at most 192, the number of values in a block of one frame.
    """

    first_basis: Tensor  # (C, 192), orthonormal rows
    group_basis: Tensor  # (C, 768), orthonormal rows
    first_mean: Tensor  # (192,)
    group_mean: Tensor  # (768,)
    first_std: Tensor  # (C,)
    group_std: Tensor  # (C,)

    def __init__(self, channels: int) -> None:
        super().__init__()
        if not 1 <= channels <= FIRST_VALUES:
            raise AnyviewError(
                "invalid_config", f"codec channels must be 1..{FIRST_VALUES}, got {channels}"
            )
        self.channels = channels
        for name, values in (("first", FIRST_VALUES), ("group", GROUP_VALUES)):
            self.register_buffer(f"{name}_basis", torch.eye(channels, values))
            self.register_buffer(f"{name}_mean", torch.zeros(values))
            self.register_buffer(f"{name}_std", torch.ones(channels))

    def encode(self, frames: Tensor) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1] -> latent (B, C, T', H/8, W/8)."""
        first = (blocks(frames[:, :, :1]) - self.first_mean) @ self.first_basis.T / self.first_std
        if frames.shape[2] == 1:
            return first.permute(0, 4, 1, 2, 3)
        group = (blocks(frames[:, :, 1:]) - self.group_mean) @ self.group_basis.T / self.group_std
        return torch.cat([first, group], dim=1).permute(0, 4, 1, 2, 3)

    def decode(self, latent: Tensor) -> Tensor:
        """latent (B, C, T', H', W') -> (B, 3, T, 8H', 8W'), not clamped."""
        code = latent.permute(0, 2, 3, 4, 1)
        first = (code[:, :1] * self.first_std) @ self.first_basis + self.first_mean
        if code.shape[1] == 1:
            return images(first, 1)
        group = (code[:, 1:] * self.group_std) @ self.group_basis + self.group_mean
        return torch.cat([images(first, 1), images(group, TIME_FACTOR)], dim=2)

    def pixel_weight(self, latent_frames: int) -> Tensor:
        """(C, T'): the latent error (a - b)^2 times this, averaged, is the mean pixel error.

        The bases are orthonormal, so a squared distance in un-normalised latents is the squared
        distance of the decoded pixels.
        """
        variance = torch.stack([self.first_std, *[self.group_std] * (latent_frames - 1)], 1) ** 2
        values = FIRST_VALUES + (latent_frames - 1) * GROUP_VALUES
        return variance * (self.channels * latent_frames / values)


def blocks(frames: Tensor) -> Tensor:
    """(B, 3, T, H, W) -> (B, T/t, H/8, W/8, 3*t*64): t = 1 for a single frame, else 4."""
    batch, colours, time, height, width = frames.shape
    step, side = min(time, TIME_FACTOR), SPACE_FACTOR
    cut = frames.reshape(
        batch, colours, time // step, step, height // side, side, width // side, side
    )
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(
        batch, time // step, height // side, width // side, colours * step * side * side
    )


def images(values: Tensor, step: int) -> Tensor:
    """Inverse of `blocks`: (B, T', H', W', 3*step*64) -> (B, 3, T'*step, 8H', 8W')."""
    batch, time, height, width, _ = values.shape
    side = SPACE_FACTOR
    cut = values.reshape(batch, time, height, width, 3, step, side, side)
    return cut.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(
        batch, 3, time * step, height * side, width * side
    )


def fit_codec(frames: Tensor, channels: int) -> LinearCodec:
    """Principal components of the blocks of training clips.

    Args:
        frames: (N, 3, T, H, W) in [-1, 1], T > 1.
        channels: C.
    """
    codec = LinearCodec(channels)
    for name, part in (("first", frames[:, :, :1]), ("group", frames[:, :, 1:])):
        values = blocks(part).flatten(0, 3)
        mean = values.mean(0)
        centred = values - mean
        variance, vectors = torch.linalg.eigh((centred.T @ centred).double() / len(values))
        getattr(codec, f"{name}_mean").copy_(mean)
        getattr(codec, f"{name}_basis").copy_(vectors.flip(1)[:, :channels].T)
        std = variance.flip(0)[:channels].clamp(min=1e-8).sqrt()
        getattr(codec, f"{name}_std").copy_(std)
    return codec

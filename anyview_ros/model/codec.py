"""The linear causal codec: blocks of 4x4 pixels and 4 frames, coded by principal components."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError
from anyview_ros.model.one_way.config import SPACE_FACTOR, TIME_FACTOR
from anyview_ros.model.precision import training_dtype

FIRST_VALUES = SPACE_FACTOR * SPACE_FACTOR * 3
GROUP_VALUES = TIME_FACTOR * FIRST_VALUES


class LinearCodec(nn.Module):
    """T = 1 + 4k frames to 1 + k latent frames, 4 times smaller a side, and back.

    Frame 0 is coded alone and every later group of 4 frames alone, so a latent frame depends on
    its own frames only (causal). The two projections have orthonormal rows. All channels of a
    projection are divided by one number, which makes their mean variance 1: they keep the spectrum
    of images, so noise covers fine detail first and sampling goes from coarse to fine.

    Args:
        channels: C, at most 48, the number of values in a block of one frame.
    """

    first_basis: Tensor  # (C, 48), orthonormal rows
    group_basis: Tensor  # (C, 192), orthonormal rows
    first_mean: Tensor  # (48,)
    group_mean: Tensor  # (192,)
    first_std: Tensor  # ()
    group_std: Tensor  # ()

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
            self.register_buffer(f"{name}_std", torch.ones(()))

    def encode(self, frames: Tensor) -> Tensor:
        """Encode (B, 3, T, H, W) in [-1, 1] into a latent (B, C, T', H/4, W/4)."""
        first = (blocks(frames[:, :, :1]) - self.first_mean) @ self.first_basis.T / self.first_std
        if frames.shape[2] == 1:
            return first.permute(0, 4, 1, 2, 3)
        group = (blocks(frames[:, :, 1:]) - self.group_mean) @ self.group_basis.T / self.group_std
        return torch.cat([first, group], dim=1).permute(0, 4, 1, 2, 3)

    def encode_bytes(self, clips: Tensor) -> Tensor:
        """Encode (B, T, H, W, 3) uint8 clips in `training_dtype`, quicker than `encode`."""
        dtype = training_dtype(clips.device.type)
        parts = []
        for name, part in (("first", slice(0, 1)), ("group", slice(1, None))):
            basis, mean, std = (getattr(self, f"{name}_{k}") for k in ("basis", "mean", "std"))
            values = blocks(clips[:, part].permute(0, 4, 1, 2, 3)).to(dtype)
            offset = ((1 + mean) @ basis.T / std).to(dtype)
            parts.append(values @ (basis.T / (127.5 * std)).to(dtype) - offset)
        return torch.cat(parts, dim=1).permute(0, 4, 1, 2, 3)

    def decode(self, latent: Tensor) -> Tensor:
        """Decode a latent (B, C, T', H', W') into (B, 3, T, 4H', 4W'), not clamped."""
        code = latent.permute(0, 2, 3, 4, 1)
        first = (code[:, :1] * self.first_std) @ self.first_basis + self.first_mean
        if code.shape[1] == 1:
            return images(first, 1)
        group = (code[:, 1:] * self.group_std) @ self.group_basis + self.group_mean
        return torch.cat([images(first, 1), images(group, TIME_FACTOR)], dim=2)

    def pixel_weight(self, latent_frames: int) -> Tensor:
        """Return (T',) weights: the latent error (a - b)^2 times them, averaged, is the mean pixel
        error.

        The bases are orthonormal, so a squared distance in un-normalised latents is the squared
        distance of the decoded pixels.
        """
        variance = torch.stack([self.first_std, *[self.group_std] * (latent_frames - 1)]) ** 2
        values = FIRST_VALUES + (latent_frames - 1) * GROUP_VALUES
        return variance * (self.channels * latent_frames / values)


def blocks(frames: Tensor) -> Tensor:
    """Cut (B, 3, T, H, W) into (B, T/t, H/4, W/4, 3*t*16): t = 1 for a single frame, else 4."""
    batch, colours, time, height, width = frames.shape
    step, side = min(time, TIME_FACTOR), SPACE_FACTOR
    cut = frames.reshape(
        batch, colours, time // step, step, height // side, side, width // side, side
    )
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(
        batch, time // step, height // side, width // side, colours * step * side * side
    )


def images(values: Tensor, step: int) -> Tensor:
    """Undo `blocks`: (B, T', H', W', 3*step*16) to (B, 3, T'*step, 4H', 4W')."""
    batch, time, height, width, _ = values.shape
    side = SPACE_FACTOR
    cut = values.reshape(batch, time, height, width, 3, step, side, side)
    return cut.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(
        batch, 3, time * step, height * side, width * side
    )


def fit_codec(clips: Sequence[Tensor], channels: int) -> LinearCodec:
    """Return the codec of the principal components of blocks of training clips.

    Args:
        clips: (N, 3, T, H, W) in [-1, 1] each, T > 1; sizes may differ.
        channels: C.
    """
    codec = LinearCodec(channels)
    for name, part in (("first", slice(0, 1)), ("group", slice(1, None))):
        values = torch.cat([blocks(clip[:, :, part]).flatten(0, 3) for clip in clips])
        mean = values.mean(0)
        centred = values - mean
        variance, vectors = torch.linalg.eigh((centred.T @ centred).double() / len(values))
        getattr(codec, f"{name}_mean").copy_(mean)
        getattr(codec, f"{name}_basis").copy_(vectors.flip(1)[:, :channels].T)
        mean_variance = variance.flip(0)[:channels].mean().clamp(min=1e-8)
        getattr(codec, f"{name}_std").copy_(mean_variance.sqrt())
    return codec


def latent_variance(codec: LinearCodec, clips: Sequence[Tensor]) -> Tensor:
    """Return (2, C) variances of the channels, of latent frame 0 and of later ones; clips as
    above."""
    latents = [codec.encode(clip.to(codec.first_mean)) for clip in clips]
    first = torch.cat([latent[:, :, :1].transpose(0, 1).flatten(1) for latent in latents], dim=1)
    later = torch.cat([latent[:, :, 1:].transpose(0, 1).flatten(1) for latent in latents], dim=1)
    return torch.stack([first.var(dim=1), later.var(dim=1)]).clamp(min=1e-6)

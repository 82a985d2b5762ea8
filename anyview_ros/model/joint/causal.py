"""Layers of the causal video autoencoder: what is shown depends on the past alone.

A clip may come in pieces. Each layer that looks back leaves its last frames in a `Past`, so any
cut gives the same numbers as the whole clip at once; only the memory needed differs.

Tensors are (B, C, T, H, W). Attribute names are those of the released checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 3
SEEN = 2  # frames before its own that a kernel of 3 looks at
Past = dict[nn.Module, Tensor]  # what each layer keeps of the pieces before; empty at the start


class Causal(nn.Module):
    """A layer called with the frames of a piece and the past."""


class ChannelNorm(nn.Module):
    """Each position to unit length over its channels, times sqrt(C) times gamma.

    Args:
        axes: axes of gamma after the channel: 3 for video, 2 for single frames.
    """

    def __init__(self, channels: int, axes: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * axes))

    def forward(self, x: Tensor) -> Tensor:
        scale: float = self.gamma.shape[0] ** 0.5
        wide = x.float() if x.dtype == torch.float16 else x  # whose squares it does not hold
        return (functional.normalize(wide, dim=1) * scale * self.gamma).to(x.dtype)


class CausalConv(nn.Conv3d, Causal):
    """Convolution over this frame and those before; black frames before the first.

    Args:
        side: kernel side in space, 1 or 3, padded to keep the size.
    """

    def __init__(self, channels_in: int, channels_out: int, side: int = KERNEL) -> None:
        pad = side // 2
        super().__init__(channels_in, channels_out, (KERNEL, side, side), padding=(0, pad, pad))

    def forward(self, x: Tensor, past: Past) -> Tensor:  # type: ignore[override]
        before = past.get(self)
        if before is None:
            before = x.new_zeros(*x.shape[:2], SEEN, *x.shape[3:])
        x = torch.cat([before, x], dim=2)
        past[self] = x[:, :, -SEEN:].clone()  # a view would keep the whole piece in memory
        return super().forward(x)


class ResidualBlock(Causal):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        # Numbered as in the released checkpoint: 1 and 4 are activations, 5 was dropout.
        self.residual = nn.ModuleDict(
            {
                "0": ChannelNorm(channels_in),
                "2": CausalConv(channels_in, channels_out),
                "3": ChannelNorm(channels_out),
                "6": CausalConv(channels_out, channels_out),
            }
        )
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv3d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        first, second = self.residual["2"], self.residual["6"]
        change = first(functional.silu(self.residual["0"](x)), past)
        change = second(functional.silu(self.residual["3"](change)), past)
        result: Tensor = self.shortcut(x) + change
        return result


class FrameAttention(Causal):
    """Every position of a frame attends to all of that frame; one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels, axes=2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        frames = x.transpose(1, 2).flatten(0, 1)  # (B T, C, H, W)
        qkv = self.to_qkv(self.norm(frames)).flatten(2).transpose(1, 2).unsqueeze(1)
        attended = functional.scaled_dot_product_attention(*qkv.chunk(3, dim=-1))
        change = self.proj(attended.squeeze(1).transpose(1, 2).reshape(frames.shape))
        result: Tensor = x + change.reshape(x.transpose(1, 2).shape).transpose(1, 2)
        return result


class Downsample(Causal):
    """Halves rows and columns, and where `halves_time` also the frames after the first.

    Time: frame 0 stays as it is; then frames 0, 1, 2 make one, then 2, 3, 4, and so on.
    """

    def __init__(self, channels: int, halves_time: bool) -> None:
        super().__init__()
        pad = nn.ZeroPad2d((0, 1, 0, 1))  # right and bottom only
        self.resample = nn.Sequential(pad, nn.Conv2d(channels, channels, 3, stride=2))
        if halves_time:
            self.time_conv = nn.Conv3d(channels, channels, (KERNEL, 1, 1), stride=(2, 1, 1))
        self.halves_time = halves_time

    def forward(self, x: Tensor, past: Past) -> Tensor:
        x = each_frame(self.resample, x)
        if not self.halves_time:
            return x
        first = x[:, :, : 0 if self in past else 1]
        if self in past:
            x = torch.cat([past[self], x], dim=2)
        past[self] = x[:, :, -1:].clone()
        return first if x.shape[2] == 1 else torch.cat([first, self.time_conv(x)], dim=2)


class Upsample(Causal):
    """Doubles rows and columns, halves channels; where `doubles_time`, two frames of each but 0.

    Time: frame 0 stays as it is, and the frames after it are made as if it did not exist.
    """

    def __init__(self, channels: int, doubles_time: bool) -> None:
        super().__init__()
        enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.resample = nn.Sequential(enlarge, nn.Conv2d(channels, channels // 2, 3, padding=1))
        if doubles_time:
            self.time_conv = CausalConv(channels, 2 * channels, side=1)
        self.doubles_time = doubles_time

    def forward(self, x: Tensor, past: Past) -> Tensor:
        if self.doubles_time:
            x = self._doubled(x, past)
        return each_frame(self.resample, x)

    def _doubled(self, x: Tensor, past: Past) -> Tensor:
        first = x[:, :, : 0 if self in past else 1]
        past[self] = x.new_empty(0)  # frame 0 has been seen
        later = x[:, :, first.shape[2] :]
        if later.shape[2] == 0:
            return first
        earlier_and_later = self.time_conv(later, past).chunk(2, dim=1)
        return torch.cat([first, torch.stack(earlier_and_later, dim=3).flatten(2, 3)], dim=2)


def each_frame(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer of single frames (N, C, H, W) to every frame of (B, C, T, H, W)."""
    frames: Tensor = layer(x.transpose(1, 2).flatten(0, 1))
    return frames.reshape(x.shape[0], -1, *frames.shape[1:]).transpose(1, 2)

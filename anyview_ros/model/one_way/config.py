"""Sizes of the one-way denoiser and its latent."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.errors import AnyviewError

TIME_FACTOR, SPACE_FACTOR = 4, 4  # frames, and pixels a side, that a latent cell stands for
RAY_VALUES = 24  # 6 Plücker values x 4 frames x 1 ray a latent cell
COARSE = 12  # channels of a candidate that tokens look at: most of an image's variance
SWEEP_MARKS = 2  # the last channels of a candidate: seen, and how far sources disagree


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

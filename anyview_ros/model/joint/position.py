"""Rotary positions of tokens in time, row and column, with the rounding of the release.

Each view counts its own positions from 0; only the embedding distinguishes the two views.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from anyview_ros.errors import AnyviewError

BASE = 10000.0
SPACE_STRETCH = 3.0  # the released network saw images 3 times larger than its ancestor
MAX_FRAMES = 128
MAX_SIDE = 120  # token rows, token columns

Grid = tuple[int, int, int]  # T', token rows, token columns


def axis_widths(head_width: int) -> Grid:
    """Return how many values of a head follow time, row and column; each pair of values is one
    angle."""
    space = head_width // 6 * 2
    return head_width - 2 * space, space, space


def axis_angles(count: int, width: int, stretch: float, dtype: torch.dtype) -> Tensor:
    """Return (count, width / 2) float32 radians of positions 0, 1, ... along one axis.

    Every step is rounded to `dtype`. The release holds its tables in bfloat16, which moves angles
    by up to 0.09 rad, and was trained and scored that way.
    """
    # A stretch s of the longest wavelength, not of the shortest ("NTK-aware" scaling).
    base = BASE * stretch ** (width / (width - 2))
    exponent = (torch.arange(0, width, 2) / width).to(dtype)
    frequency = 1.0 / base**exponent
    return torch.outer(torch.arange(count).to(dtype), frequency).float()


def rotary_angles(grid: Grid, head_width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return (N, head_width / 2) float32 radians of the N tokens of a grid: time, row, column
    angles.

    Args:
        grid: (T', rows, columns) of tokens, numbered row-major.
        dtype: in which the table is evaluated, see `axis_angles`.

    Raises:
        AnyviewError: `latent_too_large`.
    """
    if grid[0] > MAX_FRAMES or max(grid[1:]) > MAX_SIDE:
        raise AnyviewError(
            "latent_too_large",
            f"rotary positions reach {MAX_FRAMES} latent frames and {MAX_SIDE} token rows or "
            f"columns (16 pixels each), got {grid}",
        )
    widths, stretches = axis_widths(head_width), (1.0, SPACE_STRETCH, SPACE_STRETCH)
    parts = []
    for axis, (count, width, stretch) in enumerate(zip(grid, widths, stretches, strict=True)):
        angles = axis_angles(count, width, stretch, dtype)
        shape = [count if a == axis else 1 for a in range(3)]
        parts.append(angles.view(*shape, -1).expand(*grid, -1))
    return torch.cat(parts, dim=-1).flatten(0, 2)


class Rotation(NamedTuple):
    """Cosine and sine of the angles of N tokens, (N, 1, head_width / 2) float32 each."""

    cosine: Tensor
    sine: Tensor

    def first(self, count: int) -> Rotation:
        """Return the rotation of the first tokens alone."""
        return Rotation(self.cosine[:count], self.sine[:count])


def rotation_of(angles: Tensor) -> Rotation:
    """Return the rotation of angles (N, head_width / 2)."""
    return Rotation(angles.cos()[:, None], angles.sin()[:, None])


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate the pairs (i, i + d/2) of x (B, N, heads, d), in float32."""
    cosine, sine = rotation
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1).to(x.dtype)

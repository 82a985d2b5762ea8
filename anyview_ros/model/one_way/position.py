"""Rotary positions in three axes (arXiv 2104.09864): time, row, column of a token."""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 100.0  # grids have tens of cells, not thousands: a short longest wavelength is enough


def rotary_angles(grid: tuple[int, int, int], head_width: int, device: torch.device) -> Tensor:
    """Return (N, head_width / 2) radians for the tokens of a (T', rows, columns) grid, row-major.

    A quarter of the angles follows time, the rest is shared by rows and columns.
    """
    pairs = head_width // 2
    time = pairs // 4
    rows = (pairs - time) // 2
    counts = (time, rows, pairs - time - rows)
    axes = torch.meshgrid(*[torch.arange(n, device=device) for n in grid], indexing="ij")
    parts = [
        axis.flatten()[:, None] * BASE ** (-torch.arange(count, device=device) / count)
        for axis, count in zip(axes, counts, strict=True)
    ]
    return torch.cat(parts, dim=-1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the pairs (i, i + d/2) of x (B, heads, N, d) by angles (N, d/2)."""
    cosine, sine = angles.cos().to(x), angles.sin().to(x)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)

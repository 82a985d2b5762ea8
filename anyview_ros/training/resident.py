"""Examples in the memory of a device, and batches that are made of them there.

On a GPU a step takes a hundredth of the time that a processor takes to warp its candidates. So
prepared examples are moved there once, and light, mirror, warps and marks are computed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from anyview_ros.contract import LatentShape
from anyview_ros.engine.plane_sweep import EMPTY
from anyview_ros.training.augmentation import Light
from anyview_ros.training.batches import Batch
from anyview_ros.training.prepared import PreparedExample

OPAQUE = 254.5 / 255  # from which an alpha of 8 bits is 255
BEYOND = -4.0  # a place outside an image whose sides are at -1 and 1
MIRRORED_RAY = (-1.0, 1.0, 1.0, 1.0, -1.0, -1.0)  # signs of a ray and its moment; x is reversed


@dataclass(frozen=True)
class ResidentExample:
    """The tensors of a `PreparedExample` on a device, under the same names."""

    sources: Tensor
    targets: Tensor
    source_rays: Tensor
    target_rays: Tensor
    order: Tensor
    homographies: Tensor
    signs: Tensor
    composite: Tensor
    hidden: Tensor

    @property
    def size(self) -> int:
        """Return how many bytes it takes."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    @classmethod
    def of(cls, prepared: PreparedExample, device: torch.device) -> ResidentExample:
        names = [field.name for field in fields(cls)]
        return cls(*[torch.from_numpy(getattr(prepared, name)).to(device) for name in names])


def resident_batch(
    examples: Sequence[ResidentExample],
    lights: Sequence[Light],
    mirrored: Sequence[bool],
    latent: LatentShape,
    **others: Any,
) -> Batch:
    """Return a batch of G examples of one size, with as many sources, targets and frames.

    Args:
        lights: of each example.
        mirrored: whether each is taken in a mirror.
        others: the fields of `Batch` that are drawn.
    """
    stacked = {
        field.name: torch.stack([getattr(example, field.name) for example in examples])
        for field in fields(ResidentExample)
    }
    device = stacked["sources"].device
    flip = torch.tensor(list(mirrored), device=device)
    lit = {name: relit(stacked[name], lights) for name in ("sources", "targets", "composite")}
    images, marks = swept(lit["sources"], stacked, latent)
    composite_marks = torch.stack([torch.ones_like(stacked["hidden"]), stacked["hidden"]], dim=2)
    images = torch.cat([images, lit["composite"][:, :, None]], dim=2)
    marks = torch.cat([marks, composite_marks[:, :, None]], dim=2)
    return Batch(
        _video(_flipped(lit["sources"], flip, 4)),
        _mirrored_rays(stacked["source_rays"], flip).flatten(0, 1),
        _video(_flipped(lit["targets"], flip, 4)),
        _mirrored_rays(stacked["target_rays"], flip).flatten(0, 1),
        sweep=_flipped(images, flip, 5).flatten(0, 1).unbind(),
        marks=_flipped(marks, flip, 6).flatten(0, 1).unbind(),
        **others,
    )


def relit(images: Tensor, lights: Sequence[Light]) -> Tensor:
    """Return uint8 images (G, ..., 3) under the lights of each example, see `Light`."""
    shape = len(images), *[1] * (images.ndim - 2)
    gain = torch.tensor(np.array([light.gain for light in lights]), dtype=torch.float32)
    gamma = torch.tensor(np.array([light.gamma for light in lights]), dtype=torch.float32)
    curve = (images / 255) ** gamma.to(images.device).reshape(*shape, 1)
    lit = curve * gain.to(images.device).reshape(*shape, 3)
    return (255 * lit.clamp(0, 1)).round().to(torch.uint8)


def swept(
    sources: Tensor, example: dict[str, Tensor], latent: LatentShape
) -> tuple[Tensor, Tensor]:
    """Return images (G, K, P, T, H, W, 3) uint8 and marks (G, K, P, 2, T', H', W') of plane sweeps.

    As `engine.plane_sweep`, but for the rounding of places.

    Args:
        sources: (G, S, T, H, W, 3) uint8.
        example: stacked tensors of `ResidentExample`.
    """
    rows = torch.arange(len(sources), device=sources.device)[:, None]
    warped = [
        _warped(
            sources[rows, example["order"][:, :, rank]],
            example["homographies"][:, :, rank],
            example["signs"][:, :, rank],
        )
        for rank in range(sources.shape[1])  # the nearest one first
    ]
    seen = torch.stack([_in_cells(each[..., 3] >= OPAQUE, latent) for each in warped])
    green = torch.stack([_in_cells(each[..., 1], latent) for each in warped])
    lowest = torch.where(seen, green, 255.0).amin(dim=0)
    highest = torch.where(seen, green, 0.0).amax(dim=0)
    shared = seen.sum(dim=0) > 1
    apart = torch.where(shared, highest - lowest, 0.0).sum(dim=-1)
    apart = apart / (255 * shared.sum(dim=-1).clamp(min=1))
    covered = seen.all(dim=-1).any(dim=0)
    merged = warped[0]
    for each in warped[1:]:
        merged = torch.where(merged[..., 3:] >= OPAQUE, merged, each)
    return merged[..., :3].to(torch.uint8), torch.stack([covered.to(apart), apart], dim=3)


def _warped(images: Tensor, homographies: Tensor, signs: Tensor) -> Tensor:
    """Return (G, K, P, T, H, W, 4): rounded colours, EMPTY where nothing is seen, and alpha 0 to 1.

    Args:
        images: (G, K, T, H, W, 3) uint8, the source of each target.
        homographies, signs: (G, K, P, T, 3, 3) and (G, K, P, T, 2, 3).
    """
    *front, planes, frames = homographies.shape[:4]
    height, width = images.shape[3:5]
    y, x = torch.meshgrid(
        torch.arange(height, device=images.device, dtype=torch.float32),
        torch.arange(width, device=images.device, dtype=torch.float32),
        indexing="ij",
    )
    pixels = torch.stack([x, y, torch.ones_like(x)]).flatten(1)  # (3, H * W)
    u, v, w = (homographies @ pixels).unbind(dim=-2)
    seen = (signs @ pixels > 0).all(dim=-2)  # NaN is not
    places = torch.stack([2 * (u / w) / (width - 1) - 1, 2 * (v / w) / (height - 1) - 1], dim=-1)
    places = torch.where(seen[..., None], places.clamp(BEYOND, -BEYOND), BEYOND)
    # One lookup a target and frame, its planes one below the other.
    rows = places.movedim(-4, -3).reshape(-1, planes * height, width, 2)
    colours = images.flatten(0, 2).permute(0, 3, 1, 2).float() - EMPTY
    layers = torch.cat([colours, torch.ones_like(colours[:, :1])], dim=1)
    found = functional.grid_sample(layers, rows, "bilinear", "zeros", align_corners=True)
    found = torch.unflatten(torch.unflatten(found, 2, (planes, height)), 0, (*front, frames))
    found = found.movedim(-4, -1).movedim(-4, -5)  # (G, K, P, T, H, W, 4)
    return torch.cat([(found[..., :3] + EMPTY).round(), found[..., 3:]], dim=-1)


def _in_cells(values: Tensor, latent: LatentShape) -> Tensor:
    """(..., T, H, W) -> (..., T', H', W', N), as `plane_sweep._in_cells`."""
    frames, height, width = values.shape[-3:]
    groups, rows, columns = latent.of(frames, height, width)[1:]
    grid = torch.unflatten(values, -1, (columns, latent.width))
    grid = torch.unflatten(grid, -3, (rows, latent.height))
    corners = grid[..., :: latent.height - 1, :, :: latent.width - 1]
    first = corners[..., :1, :, :, :, :].expand(
        *corners.shape[:-5], latent.time - 1, *corners.shape[-4:]
    )
    causal = torch.unflatten(torch.cat([first, corners], dim=-5), -5, (groups, latent.time))
    return causal.movedim((-5, -3, -1), (-3, -2, -1)).flatten(-3)


def _video(images: Tensor) -> Tensor:
    """(G, V, T, H, W, 3) uint8 -> (G * V, 3, T, H, W) in [-1, 1]."""
    return images.flatten(0, 1).permute(0, 4, 1, 2, 3) / 127.5 - 1


def _flipped(values: Tensor, flip: Tensor, columns: int) -> Tensor:
    """Return (G, ...) with the columns of those that are taken in a mirror reversed."""
    shape = len(values), *[1] * (values.ndim - 1)
    return torch.where(flip.reshape(shape), values.flip(columns), values)


def _mirrored_rays(rays: Tensor, flip: Tensor) -> Tensor:
    """Return ray codes (G, V, R, T', H', W') of cameras in a mirror: x is reversed."""
    signs = torch.tensor(MIRRORED_RAY, device=rays.device)
    per_ray = torch.unflatten(rays, 2, (len(MIRRORED_RAY), -1))
    turned = (per_ray * signs[:, None, None, None, None]).flatten(2, 3)
    shape = len(rays), *[1] * (rays.ndim - 1)
    return torch.where(flip.reshape(shape), turned.flip(-1), rays)

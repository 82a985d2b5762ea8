"""Perceptual distances, named for what they are: LPIPS-VGG, else ST-LPIPS.

LPIPS (Zhang et al. 2018) with VGG is the official metric; it is used where its weights are: VGG's
in torch's hub folder, and those on top of it in the wheel lpips. ST-LPIPS (Ghildyal and Liu, 2022,
arXiv 2207.13686) is another metric with the same idea: AlexNet's features, blurred before each
stride, so that small shifts count less. Its weights come in the wheel stlpips-pytorch. The values
of one say nothing about those of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anyview_ros.evaluation.task import Images

if TYPE_CHECKING:
    from torch import Tensor

NONE, LPIPS_VGG, ST_LPIPS = "none", "LPIPS-VGG", "ST-LPIPS (AlexNet)"
VGG_FILE = "vgg16-397923af.pth"  # as torchvision names what it fetches
VGG_HEADS = "weights/v0.1/vgg.pth"  # in lpips


@dataclass(frozen=True)
class Perceptual:
    """A distance between images.

    Args:
        name: of the metric.
        distance: of two (1, 3, H, W) in [-1, 1], (1,); smaller is nearer.
    """

    name: str
    distance: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, frames: Images, truth: Images) -> float:
        """Return the mean over (T, H, W, 3) frames; those whose truth is black are left out."""
        import torch

        pairs = [(a, b) for a, b in zip(frames, truth, strict=True) if b.any()]
        with torch.inference_mode():
            rows = [float(self.distance(_tensor(a), _tensor(b))) for a, b in pairs]
        return float(np.mean(rows)) if rows else float("nan")


def metric_name() -> str:
    """Return the name of the metric whose weights are installed; `none` if there is none."""
    if find_spec("torch") is None:
        return NONE
    from anyview_ros.training.feature_distance import shift_tolerant_weights

    if _vgg_files():
        return LPIPS_VGG
    return ST_LPIPS if shift_tolerant_weights() else NONE


def load(name: str) -> Perceptual | None:
    """Load the metric of that name, from `metric_name`; None for `none`."""
    if name == NONE:
        return None
    from anyview_ros.training.feature_distance import (
        lpips_vgg,
        shift_tolerant,
        shift_tolerant_weights,
    )

    if name == LPIPS_VGG:
        return Perceptual(name, lpips_vgg(*_vgg_files()))
    weights = shift_tolerant_weights()
    assert weights is not None
    return Perceptual(name, shift_tolerant(weights))


def _tensor(image: Images) -> Tensor:
    """Map (H, W, 3) uint8 to (1, 3, H, W) float32 in [-1, 1]."""
    import torch

    scaled = image.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    return torch.from_numpy(np.ascontiguousarray(scaled))


def _vgg_files() -> tuple[Path, ...]:
    """Return VGG's weights and those on top of it, or nothing."""
    import torch

    from anyview_ros.training.feature_distance import in_wheel

    network = Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE
    heads = in_wheel("lpips", VGG_HEADS)
    return (network, heads) if heads is not None and network.is_file() else ()

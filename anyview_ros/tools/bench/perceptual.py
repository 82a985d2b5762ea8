"""Perceptual distances, named for what they are: LPIPS-VGG, else ST-LPIPS.

LPIPS (Zhang et al. 2018) with VGG is the official metric; it is used where the user has `lpips`,
`torchvision` and VGG's weights. ST-LPIPS (Ghildyal and Liu, 2022, arXiv 2207.13686) is another
metric with the same idea: AlexNet's features, blurred before each stride, so that small shifts
count less. Its weights come in the wheel stlpips-pytorch. Neither is comparable to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anyview_ros.tools.bench.question import Images

if TYPE_CHECKING:
    from torch import Tensor

VGG_FILE = "vgg16-397923af.pth"
ST_FILE = Path("weights") / "vST0.0" / "alex_shift_tolerant.pth"
NONE, LPIPS_VGG, ST_LPIPS = "none", "LPIPS-VGG", "ST-LPIPS (AlexNet)"
EPSILON = 1e-10

Distance = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True)
class Perceptual:
    """A distance between images.

    Args:
        name: of the metric.
        distance: of two (N, 3, H, W) in [-1, 1], (N,); smaller is nearer.
    """

    name: str
    distance: Distance

    def __call__(self, frames: Images, truth: Images) -> float:
        """Mean over (T, H, W, 3) frames; those whose truth is black are left out."""
        import torch

        pairs = [(a, b) for a, b in zip(frames, truth, strict=True) if b.any()]
        with torch.inference_mode():
            rows = [float(self.distance(_tensor(a), _tensor(b))) for a, b in pairs]
        return float(np.mean(rows)) if rows else float("nan")


def metric_name() -> str:
    """Of the metric that this installation has; `none` where it has none."""
    if find_spec("torch") is None:
        return NONE
    if find_spec("lpips") and find_spec("torchvision") and _vgg_weights().is_file():
        return LPIPS_VGG
    return ST_LPIPS if _st_weights() is not None else NONE


def load(name: str) -> Perceptual | None:
    """The metric of that name, from `metric_name`."""
    if name == LPIPS_VGG:
        import lpips  # type: ignore[import-not-found]

        network = lpips.LPIPS(net="vgg", verbose=False).eval()
        return Perceptual(name, lambda a, b: network(a, b).flatten())
    weights = _st_weights()
    if name == ST_LPIPS and weights is not None:
        return Perceptual(name, shift_tolerant(weights))
    return None


def shift_tolerant(weights: Path) -> Distance:
    """ST-LPIPS with AlexNet from its published weights."""
    import torch

    state = torch.load(weights, map_location="cpu", weights_only=True)
    heads = [state[f"lin{k}.model.1.weight"] for k in range(5)]

    def distance(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(_features(a, state), _features(b, state), heads, strict=True)
        layers = [
            torch.nn.functional.conv2d((x - y) ** 2, head).mean(dim=(1, 2, 3))
            for x, y, head in pairs
        ]
        return torch.stack(layers).sum(dim=0)

    return distance


def _features(images: Tensor, state: dict[str, Tensor]) -> list[Tensor]:
    """Outputs of AlexNet's five layers, of unit length over channels.

    Strides come after a blur, and the first layer has its own before the activation.
    """
    from torch.nn import functional

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        return functional.conv2d(
            x, state[f"net.{name}.weight"], state[f"net.{name}.bias"], padding=padding
        )

    def halved(x: Tensor, name: str) -> Tensor:
        padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
        return functional.conv2d(padded, state[f"net.{name}.filt"], stride=2, groups=x.shape[1])

    def pooled(x: Tensor, name: str) -> Tensor:
        return halved(functional.max_pool2d(x, 3, stride=1), name)

    x = (images - state["scaling_layer.shift"]) / state["scaling_layer.scale"]
    layers = [functional.relu(halved(conv(x, "slice1.0", 2), "slice1.1"))]
    layers.append(functional.relu(conv(pooled(layers[0], "slice2.4"), "slice2.5", 2)))
    layers.append(functional.relu(conv(pooled(layers[1], "slice3.8"), "slice3.9", 1)))
    layers.append(functional.relu(conv(layers[2], "slice4.11", 1)))
    layers.append(functional.relu(conv(layers[3], "slice5.13", 1)))
    norms = [layer.square().sum(dim=1, keepdim=True).sqrt() for layer in layers]
    return [layer / (norm + EPSILON) for layer, norm in zip(layers, norms, strict=True)]


def _tensor(image: Images) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [-1, 1]."""
    import torch

    scaled = image.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    return torch.from_numpy(np.ascontiguousarray(scaled))


def _vgg_weights() -> Path:
    """Where torch keeps what torchvision fetches."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE


def _st_weights() -> Path | None:
    """In the installed wheel, which need not be imported (that needs torchvision and IPython)."""
    spec = find_spec("stlpips_pytorch")
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((f for folder in folders if (f := Path(folder) / ST_FILE).is_file()), None)

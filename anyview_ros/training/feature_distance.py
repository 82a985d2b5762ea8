"""Distances between the features of two images: LPIPS with VGG-16, ST-LPIPS with AlexNet.

Both make the features of five layers unit length over channels, square the differences, weigh
channels by what people found alike, and add up the means over pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

Distance = Callable[[Tensor, Tensor], Tensor]
Weights = Mapping[str, Tensor]
CPU = torch.device("cpu")

ST_FILE = "weights/vST0.0/alex_shift_tolerant.pth"  # in stlpips_pytorch
LAYERS = 5
EPSILON = 1e-10
# Of the images both networks were trained on, in [-1, 1].
SHIFT = torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1)
SCALE = torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1)
VGG_CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # by layer


def in_wheel(package: str, file: str) -> Path | None:
    """Return a file of an installed package without importing it: these need torchvision."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((path for f in folders if (path := Path(f) / file).is_file()), None)


def shift_tolerant_weights() -> Path | None:
    """Return the path of the ST-LPIPS weights; None if the wheel is not installed."""
    return in_wheel("stlpips_pytorch", ST_FILE)


def lpips_vgg(network: Path, heads: Path) -> Distance:
    """Return LPIPS version 0.1 from the weights of VGG-16 and those of the wheel lpips."""
    weights = _loaded(network)
    return _distance(lambda images: _vgg_layers(images, weights), _heads(_loaded(heads)))


def shift_tolerant(file: Path, device: torch.device = CPU) -> Distance:
    """Return ST-LPIPS version 0.0 from its weights, for images on a device, with gradients."""
    weights = {name: weight.to(device) for name, weight in _loaded(file).items()}
    return _distance(lambda images: _alexnet_layers(images, weights), _heads(weights))


def _distance(layers: Callable[[Tensor], list[Tensor]], heads: Sequence[Tensor]) -> Distance:
    def distance(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(layers(a), layers(b), heads, strict=True)
        means = [
            functional.conv2d((_unit(x) - _unit(y)) ** 2, head).mean(dim=(1, 2, 3))
            for x, y, head in pairs
        ]
        return torch.stack(means).sum(dim=0)

    return distance


def _unit(layer: Tensor) -> Tensor:
    """Return features of unit length over channels."""
    return layer / (layer.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)


def _vgg_layers(images: Tensor, weights: Weights) -> list[Tensor]:
    """Return the last activation before each pooling, and the last of all."""
    x, layers = (images - SHIFT.to(images)) / SCALE.to(images), []
    for k, convolutions in enumerate(VGG_CONVOLUTIONS):
        x = functional.max_pool2d(x, 2) if k else x
        for index in convolutions:
            x = functional.relu(_conv(x, weights, f"features.{index}", padding=1))
        layers.append(x)
    return layers


def _alexnet_layers(images: Tensor, weights: Weights) -> list[Tensor]:
    """Return activations of AlexNet's five convolutions; the first is blurred before its own.

    Every stride of 2 comes after a blur.
    """

    def halved(x: Tensor, name: str) -> Tensor:
        padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
        return functional.conv2d(padded, weights[f"{name}.filt"], stride=2, groups=x.shape[1])

    def pooled(x: Tensor, name: str) -> Tensor:
        return halved(functional.max_pool2d(x, 3, stride=1), name)

    def layer(x: Tensor, name: str, padding: int) -> Tensor:
        return functional.relu(_conv(x, weights, name, padding))

    x = _conv((images - SHIFT.to(images)) / SCALE.to(images), weights, "net.slice1.0", padding=2)
    layers = [functional.relu(halved(x, "net.slice1.1"))]
    layers.append(layer(pooled(layers[0], "net.slice2.4"), "net.slice2.5", 2))
    layers.append(layer(pooled(layers[1], "net.slice3.8"), "net.slice3.9", 1))
    layers.append(layer(layers[2], "net.slice4.11", 1))
    layers.append(layer(layers[3], "net.slice5.13", 1))
    return layers


def _conv(x: Tensor, weights: Weights, name: str, padding: int) -> Tensor:
    return functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=padding)


def _heads(weights: Weights) -> list[Tensor]:
    return [weights[f"lin{k}.model.1.weight"] for k in range(LAYERS)]


def _loaded(file: Path) -> Weights:
    weights: Weights = torch.load(file, map_location="cpu", weights_only=True)
    return weights

"""What the graphs of a package must answer, from torch, for the self-test at load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anyview_ros.engine.onnx.self_test import compared_values, noise

FEW = 64  # values of an input that is given as it is: levels, of which a network may know a few


def self_test_case(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str], rounded: bool = False
) -> Any:
    """Return a case of engine/onnx/self_test.py; `rounded` as in `relative_difference`."""
    shapes = {name: tuple(value.shape) for name, value in inputs.items()}
    few = {name: value for name, value in inputs.items() if value.numel() <= FEW}
    arrays = noise(shapes) | {name: value.numpy() for name, value in few.items()}
    with torch.no_grad():
        made = module(*(torch.from_numpy(np.array(arrays[name])) for name in inputs))
    made = made if isinstance(made, tuple) else (made,)
    return {
        "inputs": shapes,
        "values": {name: value.flatten().tolist() for name, value in few.items()},
        "outputs": {
            name: {
                "shape": list(value.shape),
                "kept": compared_values(value.float().numpy()).tolist(),
            }
            for name, value in zip(outputs, made, strict=True)
        },
        **({"rounded": True} if rounded else {}),
    }

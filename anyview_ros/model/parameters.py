"""The weights of a package as torch modules have them, so that training can go on from it.

The graphs hold them already, some transposed or of another shape, under names that the exporter
made up. Beside the graphs lies where each parameter is found in them; what is folded into something
else is written there itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError

PARAMETERS = "parameters.json"


def write_parameters(
    folder: Path, modules: Mapping[str, nn.Module], graphs: Sequence[str], file: str = PARAMETERS
) -> None:
    """Write where the parameters and buffers of modules lie in the graphs of a package.

    Args:
        modules: by the first part of their parameters' names.
        file: name of the file that is written.
    """
    places: dict[str, object] = {}
    wanted = {
        f"{part}.{name}": tensor.detach().float()
        for part, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    for graph in graphs:
        for name, found in _initializers(folder, graph):
            for parameter, tensor in wanted.items():
                if parameter not in places and tensor.numel() > 1:
                    if _equal(found, tensor):
                        places[parameter] = [graph, name, False]
                    elif found.dim() == 2 and _equal(found.T, tensor):
                        places[parameter] = [graph, name, True]
                    elif found.numel() == tensor.numel() and _equal(found.view_as(tensor), tensor):
                        places[parameter] = [graph, name, list(tensor.shape)]
    for parameter in wanted.keys() - places.keys():
        places[parameter] = wanted[parameter].tolist()
    text = json.dumps(dict(sorted(places.items())), allow_nan=False)
    (folder / file).write_text(text + "\n")


def read_parameters(folder: Path, file: str = PARAMETERS) -> dict[str, Tensor]:
    """Return all parameters and buffers by the names that `write_parameters` was given.

    Raises:
        AnyviewError: `no_parameters` for a package that does not say where they are.
    """
    if not (folder / file).is_file():
        raise AnyviewError(
            "no_parameters",
            f"{folder} has no {file}, so its weights cannot be read back: go on from a "
            "package that 'anyview export' of this version wrote, or from a checkpoint",
        )
    places = json.loads((folder / file).read_text())
    graphs = {place[0] for place in places.values() if _is_place(place)}
    found = {graph: dict(_initializers(folder, graph)) for graph in sorted(graphs)}
    return {name: _read(place, found) for name, place in places.items()}


def _read(place: object, found: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
    if not isinstance(place, list) or not _is_place(place):
        return torch.tensor(place, dtype=torch.float32)
    graph, name, changed = place
    tensor = found[graph][name]
    if isinstance(changed, list):
        return tensor.reshape(changed)
    return (tensor.T if changed else tensor).contiguous()


def _is_place(place: object) -> bool:
    return isinstance(place, list) and len(place) == 3 and isinstance(place[0], str)


def _initializers(folder: Path, graph: str) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of floats in a graph, in 32 bits."""
    model = onnx.load(str(folder / f"{graph}.onnx"))
    for tensor in model.graph.initializer:
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            array = np.array(numpy_helper.to_array(tensor), np.float32)
            yield tensor.name, torch.from_numpy(array)


def _equal(found: Tensor, wanted: Tensor) -> bool:
    return found.shape == wanted.shape and torch.equal(found, wanted)

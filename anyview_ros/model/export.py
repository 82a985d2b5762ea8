"""From a checkpoint to a model package: ONNX graphs, checked against torch, and a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.export import Dim

from anyview_ros.contract import Contract
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.onnx.self_test import SELF_TEST, relative_difference, write_cases
from anyview_ros.errors import AnyviewError
from anyview_ros.model.attention import fused_attention
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.exporter_log_filter import quiet_exporter
from anyview_ros.model.one_way.config import RAY_VALUES, SWEEP_MARKS
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.model.self_test_cases import self_test_case
from anyview_ros.model.weights import STORED_AS_16_BITS, WEIGHTS, SharedWeights
from anyview_ros.packages import MANIFEST, sha256_of, write_manifest

TOLERANCE = 1e-3  # of the largest value of an output; fp32 kernels of two makers differ by 1e-5
OPSET = 18
# The first with bfloat16 convolutions; what else such graphs have means the same as in OPSET.
BFLOAT16_OPSET = 22


@dataclass(frozen=True)
class GraphSpec:
    """A graph of a package: the module, example inputs by name, and which of their axes may vary.

    Args:
        free: by the name of an input, the sizes of axes that are not fixed, see torch.export.Dim.
        rounded: whether outputs are rounded to bfloat16 at the end, see `relative_difference`.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    free: Mapping[str, Mapping[int, Any]] | None = None
    rounded: bool = False


class Encode(nn.Module):
    def __init__(self, codec: LinearCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, frames: Tensor) -> Tensor:
        return self.codec.encode(frames)


class Decode(nn.Module):
    def __init__(self, codec: LinearCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, latent: Tensor) -> Tensor:
        return self.codec.decode(latent)


class Condition(nn.Module):
    """Keys and values of all blocks, stacked: (1, depth, heads, N, head width) each."""

    def __init__(self, network: OneWayDenoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, latent: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        cached = self.network.condition(latent, rays)
        return torch.stack([k for k, _ in cached], 1), torch.stack([v for _, v in cached], 1)


class Denoise(nn.Module):
    def __init__(self, network: OneWayDenoiser) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        noisy: Tensor,
        t: Tensor,
        rays: Tensor,
        keys: Tensor,
        values: Tensor,
        sweep: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        cached = list(zip(keys.unbind(1), values.unbind(1), strict=True))
        prediction, weights = self.network.answer(noisy, t, rays, cached, sweep)
        return prediction if weights is None else (prediction, weights)


def export_package(
    folder: Path, contract: Contract, network: OneWayDenoiser, codec: LinearCodec
) -> Contract:
    """Write graphs and manifest of a package; returns the contract with the files' hashes.

    The graphs take every size of the contract and any number of its sources; all are compared.
    Large weights are stored in 16 bits and computed with in 32, which halves the package. The
    torch networks are rounded in the same way first, so both sides mean the same numbers.

    Raises:
        AnyviewError: `export_differs` when ONNX Runtime and torch are apart; no manifest is
            written then, so what is in the folder is not a package.
    """
    for module in (network, codec):
        round_to_fp16(module)
    written = write_package(folder, contract, graph_specs(contract, network, codec))
    for size in contract.sizes:
        for sources in range(1, contract.max_sources + 1):
            check(folder, graph_specs(contract, network, codec, size, sources))
    return written


def write_package(folder: Path, contract: Contract, specs: Mapping[str, GraphSpec]) -> Contract:
    """Write the graphs and the manifest; returns the contract with the hashes.

    Raises:
        AnyviewError: `export_differs`, see `export_package`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with SharedWeights(folder) as weights:
        write_graphs(folder, specs, weights)
    check(folder, specs)
    write_self_test(folder, specs)
    return seal(folder, contract, specs)


def write_graphs(folder: Path, specs: Mapping[str, GraphSpec], weights: SharedWeights) -> None:
    """Write the graphs alone, their weights beside them."""
    for name, spec in specs.items():
        model = trace_graph(spec)
        weights.take_from(model)
        onnx.save(as_proto(model), folder / f"{name}.onnx")


def seal(folder: Path, contract: Contract, specs: Iterable[str]) -> Contract:
    """Write the manifest of a folder whose graphs are there."""
    names = [*(f"{name}.onnx" for name in specs), WEIGHTS, SELF_TEST]
    written = replace(contract, files={name: sha256_of(folder / name) for name in names})
    write_manifest(folder, written)
    return written


def write_self_test(folder: Path, specs: Mapping[str, GraphSpec]) -> None:
    """Write what graphs of the package must answer, for `self_test.SelfTest`."""
    write_cases(
        folder,
        {
            name: self_test_case(spec.module, spec.inputs, list(spec.outputs), spec.rounded)
            for name, spec in specs.items()
        },
    )


def check(
    folder: Path, specs: Mapping[str, GraphSpec], tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Compare ONNX Runtime with torch, and return what `compare` finds.

    Raises:
        AnyviewError: `export_differs` where it is too much; the folder is no package then.
    """
    errors = compare(folder, specs)
    wrong = {name: error for name, error in errors.items() if not error <= tolerance}
    if wrong:  # a nan is not <= anything, so it is apart too
        (folder / MANIFEST).unlink(missing_ok=True)
        raise AnyviewError(
            "export_differs",
            f"ONNX Runtime and torch are apart, relative to the largest value: {wrong}, allowed "
            f"is {tolerance}; {folder} holds no package",
        )
    return errors


def graph_specs(
    contract: Contract,
    network: OneWayDenoiser,
    codec: LinearCodec,
    size: tuple[int, int] = (0, 0),
    sources: int = 1,
) -> dict[str, GraphSpec]:
    """Return the four graphs with random inputs of a fixed seed.

    Args:
        size: (H, W) of the inputs; (0, 0) is the contract's first.
        sources: whose keys and values lie end to end.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    frames = contract.frames[0]
    height, width = size if all(size) else contract.sizes[0]
    channels, *grid = contract.latent.of(frames, height, width)
    latent, rays = normal(1, channels, *grid), normal(1, RAY_VALUES, *grid).clamp(-1, 1)
    condition = Condition(network)
    with torch.no_grad():
        keys, values = (torch.cat([v] * sources, dim=-2) for v in condition(latent, rays))
    noisy, target_rays = normal(1, channels, *grid), normal(1, RAY_VALUES, *grid).clamp(-1, 1)
    video = normal(1, 3, frames, height, width).clamp(-1, 1)
    levels = torch.full((1, grid[0]), 0.7)
    denoise = {"noisy": noisy, "t": levels, "rays": target_rays, "keys": keys, "values": values}
    if planes := network.config.planes:
        denoise["sweep"] = normal(1, planes, channels + SWEEP_MARKS, *grid)
    outputs = ["prediction", "weights"] if planes else ["prediction"]
    in_cells, in_pixels = _free_sizes(contract, network.config.patch)
    tokens = {3: Dim("tokens", min=4)}
    free = {
        "t": {},
        "keys": tokens,
        "values": tokens,
        "sweep": {a + 1: d for a, d in in_cells.items()},
    }
    view = {"latent": in_cells, "rays": in_cells}
    denoise_free = {name: free.get(name, in_cells) for name in denoise}
    return {
        "encode": GraphSpec(Encode(codec), {"frames": video}, ["latent"], {"frames": in_pixels}),
        "condition": GraphSpec(
            condition, {"latent": latent, "rays": rays}, ["keys", "values"], view
        ),
        "denoise": GraphSpec(Denoise(network), denoise, outputs, denoise_free),
        "decode": GraphSpec(Decode(codec), {"latent": latent}, ["frames"], {"latent": in_cells}),
    }


def _free_sizes(contract: Contract, patch: int) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return axes 3 and 4 of latents and of videos: as many tokens a side as a size needs."""
    latent = contract.latent
    if len(contract.sizes) == 1:
        return {}, {}
    rows, columns = Dim("rows", min=2), Dim("columns", min=2)
    down, across = patch * latent.height, patch * latent.width
    return {3: patch * rows, 4: patch * columns}, {3: down * rows, 4: across * columns}


def compare(folder: Path, specs: Mapping[str, GraphSpec]) -> dict[str, float]:
    """Return the largest difference between ONNX Runtime and torch by graph, over the largest
    value."""
    errors = {}
    for name, spec in specs.items():
        graph = Graph(folder / f"{name}.onnx", "cpu")  # one at a time is in memory
        with torch.no_grad():
            expected = spec.module(*spec.inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = graph(**{k: v.numpy() for k, v in spec.inputs.items()})
        pairs = zip(spec.outputs, expected, strict=True)
        differences = [
            relative_difference(found[o], reference.numpy(), spec.rounded) for o, reference in pairs
        ]
        errors[name] = float(np.max(differences))  # numpy's max keeps a nan
    return errors


def round_to_fp16(module: nn.Module) -> None:
    """Round every large tensor of a module to what 16 bits can say."""
    with torch.no_grad():
        for tensor in _large(module):
            tensor.copy_(tensor.half())


def _large(module: nn.Module) -> Iterator[Tensor]:
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.numel() >= STORED_AS_16_BITS:
            yield tensor


def onnx_model(spec: GraphSpec) -> onnx.ModelProto:
    """Return the graph with its weights in it."""
    return as_proto(trace_graph(spec))


def trace_graph(spec: GraphSpec) -> ir.Model:
    """Return the graph, whose weights are still those of the module."""
    with quiet_exporter(), fused_attention():
        program = torch.onnx.export(
            spec.module.eval(),
            tuple(spec.inputs.values()),
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            opset_version=OPSET,
            dynamic_shapes={k: dict(v) for k, v in spec.free.items()} if spec.free else None,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model: ir.Model = program.model
    if any(_convolves_bfloat16(node) for node in model.graph):
        model.opset_imports[""] = BFLOAT16_OPSET
    return model


def _convolves_bfloat16(node: ir.Node) -> bool:
    return node.op_type == "Conv" and node.outputs[0].dtype == ir.DataType.BFLOAT16


def as_proto(model: ir.Model) -> onnx.ModelProto:
    proto = ir.to_proto(model)
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info):
        part.ClearField("metadata_props")  # stack traces, with the paths of this machine
    return proto

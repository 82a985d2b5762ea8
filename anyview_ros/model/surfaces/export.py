"""The surface network as a graph of a package that is there already."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim

from anyview_ros.contract import SURFACES, Contract
from anyview_ros.engine.onnx.self_test import SELF_TEST, write_cases
from anyview_ros.engine.surfaces.photo_consistency import MOST
from anyview_ros.errors import AnyviewError
from anyview_ros.model.export import GraphSpec, check, round_to_fp16, write_graphs
from anyview_ros.model.known_answers import known_answer
from anyview_ros.model.parameters import write_parameters
from anyview_ros.model.surfaces.network import STRIDE, SurfaceNetwork
from anyview_ros.model.weights import SharedWeights
from anyview_ros.packages import load_package, sha256_of, write_manifest

GRAPH, WEIGHTS, PARAMETERS = (f"{SURFACES}.{suffix}" for suffix in ("onnx", "bin", "json"))
PART = "network"  # first part of the parameters' names
TESTED_FRAMES = (2, 1, 3)  # asked at once; the first is traced


def add_surfaces(folder: Path, network: SurfaceNetwork, beside: Mapping[str, str]) -> Contract:
    """Add `surfaces`, or replace it, in a package; returns the contract with it.

    The graph takes any number of frames, and all sizes whose sides are multiples of 16. Its weights
    have a file of their own, so those of the package stay as they are.

    Args:
        folder: of a package.
        network: is rounded to what 16 bits can say.
        beside: texts of further files by name, which are sealed too.

    Raises:
        AnyviewError: `invalid_size` for a package with other sides, `export_differs` when ONNX
            Runtime and torch are apart; the package is then as it was. What `load_package` refuses.
    """
    contract = load_package(folder).contract
    sizes = contract.sizes
    if wrong := [size for size in sizes if any(side % STRIDE for side in size)]:
        raise AnyviewError(
            "invalid_size",
            f"surfaces needs sides that are multiples of {STRIDE}, '{contract.name}' has {wrong}",
        )
    round_to_fp16(network)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        made = Path(name)
        with SharedWeights(made, name=WEIGHTS) as weights:
            write_graphs(made, {SURFACES: surface_spec(network, sizes[0])}, weights)
        for frames in TESTED_FRAMES:
            for size in sizes:
                check(made, {SURFACES: surface_spec(network, size, frames)})
        write_cases(made, {**known_answers(folder, contract), **_known_answer(network, sizes[0])})
        write_parameters(made, {PART: network}, [SURFACES], PARAMETERS)
        for file, text in beside.items():
            (made / file).write_text(text)
        names = [GRAPH, WEIGHTS, PARAMETERS, *beside, SELF_TEST]
        files = {**contract.files, **{file: sha256_of(made / file) for file in names}}
        for file in names:
            (made / file).replace(folder / file)
    sealed = replace(contract, surfaces=network.surfaces, files=files)
    write_manifest(folder, sealed)
    return sealed


def surface_spec(network: SurfaceNetwork, size: tuple[int, int], frames: int = 2) -> GraphSpec:
    """Return the graph with random inputs of a fixed seed, free in frames, rows and columns."""
    generator = torch.Generator().manual_seed(0)

    def uniform(channels: int, least: float, most: float) -> Tensor:
        drawn = torch.rand((frames, channels, *size), generator=generator)
        return least + (most - least) * drawn

    surfaces = network.surfaces
    inputs = {
        "image": uniform(3, -1, 1),
        "costs": uniform(surfaces.count, 0, MOST),
        "smooth": uniform(surfaces.count, 0, MOST),
        "ground": uniform(1, 0, surfaces.nearest),
    }
    rows, columns = STRIDE * Dim("rows", min=1), STRIDE * Dim("columns", min=1)
    free = {0: Dim("frames", min=1), 2: rows, 3: columns}
    return GraphSpec(network, inputs, [SURFACES], dict.fromkeys(inputs, free))


def known_answers(folder: Path, contract: Contract) -> dict[str, object]:
    """Return the known answers that a package has."""
    if SELF_TEST not in contract.files:
        return {}
    return dict(json.loads((folder / SELF_TEST).read_text()))


def _known_answer(network: SurfaceNetwork, size: tuple[int, int]) -> dict[str, object]:
    spec = surface_spec(network, size, frames=1)
    return {SURFACES: known_answer(spec.module, spec.inputs, list(spec.outputs))}

"""The surface network as a graph of a package that is there already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim

from anyview_ros.contract import SURFACES, Contract, SurfaceRange
from anyview_ros.engine.onnx.self_test import SELF_TEST, write_cases
from anyview_ros.engine.surfaces.photo_consistency import MOST
from anyview_ros.errors import AnyviewError
from anyview_ros.model.atomic_directory import replaced_directory
from anyview_ros.model.export import GraphSpec, check, round_to_fp16, write_graphs
from anyview_ros.model.parameters import write_parameters
from anyview_ros.model.self_test_cases import self_test_case
from anyview_ros.model.surfaces.network import STRIDE, SurfaceNetwork
from anyview_ros.model.weights import SharedWeights
from anyview_ros.packages import load_package, sha256_of, write_manifest
from anyview_ros.signatures import remove_signature

GRAPH, WEIGHTS, PARAMETERS = (f"{SURFACES}.{suffix}" for suffix in ("onnx", "bin", "json"))
PART = "network"  # first part of the parameters' names
TESTED_FRAMES = (2, 1, 3)  # frames of one call; the first is traced


def add_surfaces(folder: Path, network: SurfaceNetwork, beside: Mapping[str, str]) -> str:
    """Add `surfaces`, or replace it, in a package, whole or not at all.

    Returns what became of the signature, in words; empty where there was none.

    The graph takes any number of frames, and all sizes whose sides are multiples of 16. Its weights
    have a file of their own, so those of the package stay as they are.

    Args:
        folder: of a package.
        network: is rounded to what 16 bits can say.
        beside: texts of further files by name, which are sealed too.

    Raises:
        AnyviewError: `invalid_size` for a package with other sides, `export_differs` when ONNX
            Runtime and torch are apart, `disk_full`. What `load_package` refuses.
    """
    contract = load_package(folder).contract
    sizes = contract.sizes
    if wrong := [size for size in sizes if any(side % STRIDE for side in size)]:
        raise AnyviewError(
            "invalid_size",
            f"surfaces needs sides that are multiples of {STRIDE}, '{contract.name}' has {wrong}",
        )
    round_to_fp16(network)
    with replaced_directory(folder) as made:
        with SharedWeights(made, name=WEIGHTS) as weights:
            write_graphs(made, {SURFACES: surface_spec(network, sizes[0])}, weights)
        for frames in TESTED_FRAMES:
            for size in sizes:
                check(made, {SURFACES: surface_spec(network, size, frames)})
        write_cases(made, {**self_test_cases(made, contract), **_self_test_case(network, sizes[0])})
        write_parameters(made, {PART: network}, [SURFACES], PARAMETERS)
        for file, text in beside.items():
            (made / file).write_text(text)
        names = [GRAPH, WEIGHTS, PARAMETERS, *beside, SELF_TEST]
        files = {**contract.files, **{file: sha256_of(made / file) for file in names}}
        write_manifest(made, replace(contract, surfaces=network.surfaces, files=files))
        return remove_signature(made, contract.name)


@dataclass(frozen=True)
class SurfaceFiles:
    """The surface network of a package, to be put into another one.

    Args:
        files: contents by name.
        answers: known ones of its graph.
    """

    surfaces: SurfaceRange
    files: Mapping[str, bytes]
    answers: Mapping[str, object]


def surface_files(folder: Path) -> SurfaceFiles:
    """Return the surface network of a package, file by file.

    Raises:
        AnyviewError: `no_surfaces` for a package without one; what `load_package` refuses.
    """
    contract = load_package(folder).contract
    if contract.surfaces is None:
        raise AnyviewError(
            "no_surfaces",
            f"composite: {folder} has no surface network; train one with "
            "config/training/surfaces.toml and add it with 'anyview export ... --into'",
        )
    names = [name for name in contract.files if name.startswith(f"{SURFACES}.")]
    answers = self_test_cases(folder, contract)
    return SurfaceFiles(
        contract.surfaces,
        {name: (folder / name).read_bytes() for name in names},
        {name: answers[name] for name in (SURFACES,) if name in answers},
    )


def put_surfaces(folder: Path, found: SurfaceFiles) -> Contract:
    """Add the surface network of another package as it is; returns the contract with it."""
    contract = load_package(folder).contract
    for name, content in found.files.items():
        (folder / name).write_bytes(content)
    write_cases(folder, {**self_test_cases(folder, contract), **found.answers})
    files = {name: sha256_of(folder / name) for name in (*found.files, SELF_TEST)}
    sealed = replace(contract, surfaces=found.surfaces, files={**contract.files, **files})
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


def self_test_cases(folder: Path, contract: Contract) -> dict[str, object]:
    """Return the known answers that a package has."""
    if SELF_TEST not in contract.files:
        return {}
    return dict(json.loads((folder / SELF_TEST).read_text()))


def _self_test_case(network: SurfaceNetwork, size: tuple[int, int]) -> dict[str, object]:
    spec = surface_spec(network, size, frames=1)
    return {SURFACES: self_test_case(spec.module, spec.inputs, list(spec.outputs))}

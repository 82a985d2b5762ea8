"""The self-test of a package at load: does this machine compute what its graphs must answer?

A driver, a library or a kernel that is wrong gives pictures that look like pictures. Inputs are
noise that any machine makes again; of the answers, written by the export from torch, a few
hundred values are in the package.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.package_files import PackageFiles
from anyview_ros.engine.onnx.providers import Provider
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.sampler import normal_noise
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MAX_MANIFEST, ModelPackage
from anyview_ros.typed_json import WrongKindError, read_typed

SELF_TEST = "selftest.json"
TINY = np.finfo(np.float32).tiny
COMPARED = 256  # values of each output, evenly spread
MAX_VALUES = 1 << 28  # of all inputs and outputs of a case: 1 GiB
# Largest difference from torch, over the largest value that is compared.
TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 5e-2}

Array = NDArray[np.float32]


def noise(inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return inputs of these shapes, the same everywhere and always."""
    return {name: normal_noise(k, shape) for k, (name, shape) in enumerate(inputs.items())}


def compared_values(output: Array) -> Array:
    """Return the values of an output that are compared, (256,) at most."""
    flat = np.ravel(output)
    return np.asarray(flat[:: max(1, len(flat) // COMPARED)][:COMPARED], np.float32)


def relative_difference(found: Array, expected: Array, rounded: bool = False) -> float:
    """Return how far an output is from what it must be, over its largest value.

    Args:
        rounded: whether both were rounded to bfloat16 at the end. What falls on the other side of
            a step by chance is then up to 1/128 of itself away. So one step counts as none, and the
            mean difference over the mean value counts too: rounding leaves that as it was.
    """
    difference, size = np.abs(found - expected), np.abs(expected)
    if not rounded:
        return float(difference.max() / size.max())
    beyond = np.maximum(difference - _bfloat16_step(np.maximum(np.abs(found), size)), 0)
    return float(np.maximum(beyond.max() / size.max(), difference.mean() / size.mean()))


def _bfloat16_step(size: Array) -> Array:
    """From a value to the next one below it or above it, whichever is further; 8 bits of it."""
    return np.asarray(np.exp2(np.floor(np.log2(np.maximum(size, TINY))) - 7), np.float32)


@dataclass(frozen=True)
class Expected:
    """An output that a graph must give.

    Args:
        shape: of all of it.
        kept: `compared_values` of it.
    """

    shape: tuple[int, ...]
    kept: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A question to a graph and its answer.

    Args:
        inputs: shapes by name; all are noise but the `values`.
        values: inputs that are given as they are, flat.
        rounded: see `relative_difference`.
    """

    inputs: Mapping[str, tuple[int, ...]]
    values: Mapping[str, tuple[float, ...]]
    outputs: Mapping[str, Expected]
    rounded: bool = False

    def fault(self) -> str:
        """Return what of it cannot be, in words; empty if it can."""
        shapes = [*self.inputs.values(), *(made.shape for made in self.outputs.values())]
        sides = [side for shape in shapes for side in shape]
        if not self.inputs or not self.outputs or min(sides, default=1) < 1:
            return "inputs and outputs must be there, with sides of 1 or more"
        if sum(map(math.prod, shapes)) > MAX_VALUES:
            return f"inputs and outputs must have at most {MAX_VALUES} values in all"
        for name, given in self.values.items():
            if name not in self.inputs or len(given) != math.prod(self.inputs[name]):
                return f"values of '{name}' must be as many as an input of that name has"
        for name, made in self.outputs.items():
            count = math.prod(made.shape)
            if len(made.kept) != min(COMPARED, -(-count // max(1, count // COMPARED))):
                return f"kept of '{name}' must be {COMPARED} values, or all there are"
        return ""


def read_cases(content: bytes) -> dict[str, Case]:
    """Return the cases of a self-test by the graph they are for.

    Raises:
        WrongKindError: it is no JSON, not of this kind, or asks for what cannot be.
    """
    if len(content) > MAX_MANIFEST:
        raise WrongKindError(f"it must have at most {MAX_MANIFEST >> 20} MiB")
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WrongKindError(f"cannot be read as JSON ({error})") from None
    cases: dict[str, Case] = read_typed(Mapping[str, Case], raw, "the self-test")
    for name, case in cases.items():
        if fault := case.fault():
            raise WrongKindError(f"{name}: {fault}")
    return cases


class SelfTest:
    """Cases of a package's self-test; a package without any passes.

    Args:
        files: of the package.

    Raises:
        AnyviewError: `invalid_model` for cases that cannot be asked.
    """

    def __init__(self, package: ModelPackage, files: PackageFiles) -> None:
        self._package, self._files = package, files
        self._cases: dict[str, Case] = {}
        if SELF_TEST in package.contract.files:
            try:
                self._cases = read_cases(files.read(SELF_TEST).tobytes())
            except WrongKindError as error:
                raise self._invalid(str(error)) from None

    def check_proxy_graphs(self, provider: Provider, threads: int) -> None:
        """Check the graphs that are there for this alone, small because the package's are large.

        They have the package's weights. On a processor, where nothing is doubtful, loading
        those twice is not worth it: nothing is done.

        Raises:
            AnyviewError: `self_test_failed`, and as `check`.
        """
        if provider != "cpu":
            for name in self._cases.keys() - set(self._package.contract.graphs):
                graph = Graph(self._files.graph(name), provider, threads, self._package.sha256)
                self._check(name, graph)

    def check(self, graphs: Mapping[str, Graph]) -> None:
        """Check the package's own graphs.

        Raises:
            AnyviewError: `self_test_failed`; `invalid_model` for a case of other inputs or outputs
                than its graph has.
        """
        for name in self._cases.keys() & graphs.keys():
            self._check(name, graphs[name])

    def _check(self, name: str, graph: Graph) -> None:
        case = self._cases[name]
        if case.inputs.keys() != graph.inputs.keys() or case.outputs.keys() - set(graph.outputs):
            raise self._invalid(
                f"{name} must have the inputs {', '.join(graph.inputs)} and outputs of "
                f"{', '.join(graph.outputs)}, got {', '.join((*case.inputs, *case.outputs))}"
            )
        shapes = dict(case.inputs)
        given = noise(shapes) | {k: np.array(v, np.float32) for k, v in case.values.items()}
        bound = graph.bound(shapes, {key: made.shape for key, made in case.outputs.items()})
        for key, array in given.items():
            bound.write(key, array.reshape(shapes[key]))
        bound()
        for key, made in case.outputs.items():
            expected = np.array(made.kept, np.float32)
            found = compared_values(np.array(bound.buffers[key].numpy()))
            difference = relative_difference(found, expected, case.rounded)
            self._allow(f"{name}.{key}", difference, graph.provider)

    def _invalid(self, why: str) -> AnyviewError:
        return AnyviewError("invalid_model", f"{self._package.path / SELF_TEST}: {why}")

    def _allow(self, what: str, difference: float, provider: Provider) -> None:
        contract = self._package.contract
        if not difference <= TOLERANCES[contract.precision]:  # nor where it is not a number
            raise AnyviewError(
                "self_test_failed",
                f"'{contract.name}' on {provider} computes {what} {difference:.1e} of its largest "
                f"value from what it must be ({TOLERANCES[contract.precision]:g} is allowed in "
                f"{contract.precision}): update the driver and ONNX Runtime, or ask for 'cpu'",
            )


def write_cases(folder: Path, cases: Mapping[str, Any]) -> None:
    """Write the cases of a package's self-test."""
    (folder / SELF_TEST).write_text(json.dumps(cases, allow_nan=False) + "\n")

"""The self-test of a package at load: does this machine compute what its graphs must answer?

A driver, a library or a kernel that is wrong gives pictures that look like pictures. Inputs are
noise that any machine makes again; of the answers, written by the export from torch, a few
hundred values are in the package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.providers import Provider
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.sampler import normal_noise
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import ModelPackage

SELF_TEST = "selftest.json"
TINY = np.finfo(np.float32).tiny
COMPARED = 256  # values of each output, evenly spread
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


class SelfTest:
    """Cases of a package's self-test; a package without any passes."""

    def __init__(self, package: ModelPackage) -> None:
        self._package = package
        file = package.path / SELF_TEST
        listed = SELF_TEST in package.contract.files
        self._cases: dict[str, Any] = json.loads(file.read_text()) if listed else {}

    def check_proxy_graphs(self, provider: Provider, threads: int) -> None:
        """Check the graphs that are there for this alone, small because the package's are large.

        They have the package's weights. On a processor, where nothing is doubtful, loading
        those twice is not worth it: nothing is done.

        Raises:
            AnyviewError: `self_test_failed`.
        """
        if provider != "cpu":
            for name in self._cases.keys() - set(self._package.contract.graphs):
                self._check(name, Graph(self._package.path / f"{name}.onnx", provider, threads))

    def check(self, graphs: Mapping[str, Graph]) -> None:
        """Check the package's own graphs.

        Raises:
            AnyviewError: `self_test_failed`.
        """
        for name in self._cases.keys() & graphs.keys():
            self._check(name, graphs[name])

    def _check(self, name: str, graph: Graph) -> None:
        case = self._cases[name]
        shapes = {key: tuple(shape) for key, shape in case["inputs"].items()}
        given = noise(shapes) | {k: np.array(v, np.float32) for k, v in case["values"].items()}
        bound = graph.bound(shapes, {key: made["shape"] for key, made in case["outputs"].items()})
        for key, array in given.items():
            bound.write(key, array.reshape(shapes[key]))
        bound()
        for key, made in case["outputs"].items():
            expected = np.array(made["kept"], np.float32)
            found = compared_values(np.array(bound.buffers[key].numpy()))
            difference = relative_difference(found, expected, case.get("rounded", False))
            self._allow(f"{name}.{key}", difference, graph.provider)

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

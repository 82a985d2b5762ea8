"""Weights of a graph lie in the package: what points out of it is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.errors import AnyviewError

VALUES = np.arange(4, dtype=np.float32)


def graph_reading(folder: Path, location: str) -> Path:
    """A graph that adds four numbers of the file `location` to its input."""
    weight = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT)
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [weight])
    opset = [helper.make_opsetid("", 18)]
    file = folder / "encode.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    )
    return file


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "weights.bin").write_bytes(VALUES.tobytes())
    return folder


def refused(file: Path) -> str:
    with pytest.raises(AnyviewError) as e:
        Graph(file, "cpu", 1)
    assert e.value.code == "invalid_model"
    return str(e.value)


def test_weights_beside_the_graph_are_read(package: Path) -> None:
    graph = Graph(graph_reading(package, "weights.bin"), "cpu", 1)
    np.testing.assert_array_equal(graph(x=VALUES)["y"], 2 * VALUES)


def test_weights_outside_of_the_package_are_refused(package: Path) -> None:
    for location in ("../weights.bin", str(package.parent / "weights.bin"), "a/../../weights.bin"):
        assert "encode.onnx" in refused(graph_reading(package, location))


def test_weights_behind_a_link_out_of_the_package_are_refused(package: Path) -> None:
    os.symlink(package.parent / "weights.bin", package / "link.bin")
    refused(graph_reading(package, "link.bin"))
    (package / "inner").symlink_to(package.parent)
    refused(graph_reading(package, "inner/weights.bin"))


def test_weights_that_are_cut_off_or_missing_are_refused(package: Path) -> None:
    os.truncate(package / "weights.bin", 15)
    refused(graph_reading(package, "weights.bin"))
    (package / "weights.bin").unlink()
    refused(graph_reading(package, "weights.bin"))


def test_a_graph_that_is_cut_off_is_refused(package: Path) -> None:
    file = graph_reading(package, "weights.bin")
    os.truncate(file, file.stat().st_size // 2)
    refused(file)
    onnx.save(onnx.ModelProto(), file)
    refused(file)

"""A package whose graphs do not fit its contract is refused when it is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from anyview_ros.contract import LatentShape
from anyview_ros.engine.graph_check import check_graphs
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import find_package, load_package
from tests.packages import make_package, seal


def copied(folder: Path) -> None:
    shutil.copy(folder / "encode.onnx", folder / "denoise.onnx")


def changed(name: str, change: Callable[[onnx.GraphProto], object]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        model = onnx.load(folder / f"{name}.onnx")
        change(model.graph)
        onnx.save(model, folder / f"{name}.onnx")

    return act


def side(value: onnx.ValueInfoProto, axis: int, number: int) -> None:
    value.type.tensor_type.shape.dim[axis].dim_value = number


def double(graph: onnx.GraphProto) -> None:
    """A denoiser that takes its level in another type."""
    level = next(value for value in graph.input if value.name == "t")
    level.type.tensor_type.elem_type = TensorProto.DOUBLE
    graph.node.insert(0, onnx.helper.make_node("Cast", ["t"], ["t32"], to=TensorProto.FLOAT))
    for node in list(graph.node)[1:]:
        for k, name in enumerate(node.input):
            if name == "t":
                node.input[k] = "t32"


def one_more(graph: onnx.GraphProto) -> None:
    more = onnx.helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])
    graph.input.append(more)


WRONG = {
    "another graph": (copied, "denoise.onnx to have the inputs noisy, t, rays, context, got"),
    "one input more": (changed("condition", one_more), "condition.onnx to have the inputs latent"),
    "another type": (changed("denoise", double), "float32 as 't', got tensor(double)"),
    "frames it does not promise": (
        changed("encode", lambda g: side(g.input[0], 2, 8)),
        "encode.onnx to have 'frames' of the sides (1, 3, 5|9, 24|32, 32), got [1, 3, 8,",
    ),
    "another size": (
        changed("decode", lambda g: side(g.input[0], 4, 5)),
        "decode.onnx to have 'latent' of the sides (1, 3, 2|3, 3|4, 4), got [1, 3, 't_', 'h_', 5]",
    ),
    "a level of any length": (
        changed("denoise", lambda g: g.input[1].type.tensor_type.shape.dim[0].Clear()),
        "denoise.onnx to have 't' of the sides (1), or (1, 2|3), got [None]",
    ),
    "four axes": (
        changed("encode", lambda g: g.input[0].type.tensor_type.shape.dim.pop()),
        "encode.onnx",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_graphs_of_another_contract_are_refused(tmp_path: Path, name: str) -> None:
    change, said = WRONG[name]
    change(folder := make_package(tmp_path / "tiny"))
    with pytest.raises(AnyviewError) as refused:
        Pipeline(load_package(seal(folder)), "cpu")
    assert refused.value.code == "invalid_model"
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latent": LatentShape(2)}, "'latent' of the sides (1, 2, 2|3"),
        ({"plane_sweep": (0.1,)}, ""),
        ({"sizes": ((24, 32), (40, 32))}, ""),
    ],
)
def test_a_contract_of_other_graphs_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    """What is free in the graphs fits any; what is fixed does not."""
    package = load_package(make_package(tmp_path / "tiny", **changes))
    if not said:
        Pipeline(package, "cpu")
        return
    with pytest.raises(AnyviewError) as refused:
        Pipeline(package, "cpu")
    assert said in refused.value.message


def test_the_second_output_is_needed_where_the_contract_promises_it(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "tiny", plane_sweep=(0.1, 0.5), sweep_weights=True)
    Pipeline(load_package(folder), "cpu")
    changed("denoise", lambda graph: graph.output.pop())(folder)
    with pytest.raises(AnyviewError, match="'weights' as its second output"):
        Pipeline(load_package(seal(folder)), "cpu")


def test_the_shipped_model_fits_its_contract() -> None:
    package = load_package(find_package("worlds-composite-10m"))
    check_graphs(
        package.contract, {n: Graph(package.graph(n), "cpu") for n in package.contract.graphs}
    )

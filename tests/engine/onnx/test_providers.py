"""Providers: which are asked of ONNX Runtime, and what is refused of what it answers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anyview_ros.engine.onnx import providers, runtime
from anyview_ros.engine.onnx.providers import Assigned
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package
from tests.packages import make_package

CPU, CUDA, TENSORRT = (providers.PROVIDERS[name] for name in ("cpu", "cuda", "tensorrt"))


def code_of(call, *arguments):
    with pytest.raises(AnyviewError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("asked", "available", "found"),
    [
        ("auto", [CPU], "cpu"),
        ("auto", [TENSORRT, CUDA, CPU], "cuda"),
        ("cpu", [CUDA, CPU], "cpu"),
        ("tensorrt", [TENSORRT, CUDA, CPU], "tensorrt"),
    ],
)
def test_choice(asked, available, found):
    assert providers.chosen(asked, available) == found


def test_what_is_not_there_is_refused():
    assert code_of(providers.chosen, "tensorrt", [CUDA, CPU]) == "provider_unavailable"
    assert code_of(providers.chosen, "npu", [CPU]) == "unknown_provider"


def test_options_of_sessions(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/x/.cache")
    assert providers.session_providers("cpu") == [(CPU, {})]
    ((name, plain),) = providers.session_providers("cuda")
    assert name == CUDA
    assert plain["use_tf32"] == "0"
    assert "enable_cuda_graph" not in plain  # the first call's answers again for every later one
    first, second = providers.session_providers("tensorrt")
    assert (first[0], second) == (TENSORRT, (CUDA, plain))
    assert first[1]["trt_engine_cache_path"] == "/home/x/.cache/anyview/tensorrt"
    assert first[1]["trt_layer_norm_fp32_fallback"] == "1"


def test_engines_of_packages_lie_apart(tmp_path, monkeypatch):
    """ONNX Runtime names an engine by the names in its graph, which say nothing of weights."""
    ort, folders = runtime._onnxruntime(), []

    def session(model, options, asked):
        folders.append(asked[0][1]["trt_engine_cache_path"])
        raise RuntimeError("no GPU is here")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", session)
    packages = [load_package(make_package(tmp_path / name)) for name in ("one", "other")]
    for package in packages:
        with pytest.raises(AnyviewError, match="no GPU is here"):
            Pipeline(package, "tensorrt")
    engines = tmp_path / "cache" / "anyview" / "tensorrt"
    assert folders == [str(engines / package.sha256[:16]) for package in packages]
    assert len({*folders}) == 2
    assert {str(folder) for folder in engines.iterdir()} == {*folders}


def test_no_silent_fallback():
    providers.check_running(CUDA, "cuda")
    assert code_of(providers.check_running, CPU, "cuda") == "provider_unavailable"
    assert code_of(providers.check_running, CUDA, "tensorrt") == "provider_unavailable"


def test_nodes_left_on_the_processor_are_counted():
    nodes = [
        Assigned(CUDA, "MatMul", "m"),
        Assigned(CPU, "MultiHeadAttention", "a"),
        Assigned(CPU, "MultiHeadAttention", "b"),
        Assigned(CPU, "Shape", "s"),
    ]
    with pytest.raises(AnyviewError, match=r"2 MultiHeadAttention of denoise.onnx"):
        providers.check_assigned(nodes, "cuda", False, "denoise.onnx")
    with pytest.raises(AnyviewError, match="2 MultiHeadAttention, 1 Shape"):
        providers.check_assigned(nodes, "cuda", True, "denoise.onnx")
    assert code_of(providers.check_assigned, nodes, "tensorrt", True, "x") == "left_on_cpu"
    providers.check_assigned(nodes, "cpu", True, "x")
    providers.check_assigned([nodes[0], nodes[3]], "cuda", False, "x")


def test_onnxruntime_tells_where_nodes_run(tmp_path):
    """Its own words, on a provider that this build has: they are what the check is made for."""
    file = make_package(tmp_path / "tiny") / "denoise.onnx"
    nodes = runtime._assigned(runtime.Graph(file, "cpu")._session)
    assert {node.provider for node in nodes} == {CPU}
    assert {"Tanh", "Add", "Mul"} <= {node.operator for node in nodes}
    assert code_of(providers.check_assigned, nodes, "cuda", False, "denoise") == "left_on_cpu"


def endless(folder):
    """A graph whose result takes 128 TB."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [1 << 45])
    nodes = [
        helper.make_node("Expand", ["a", "shape"], ["b"]),
        helper.make_node("ReduceMean", ["b"], ["c"], keepdims=0),
    ]
    given = [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1])]
    made = [helper.make_tensor_value_info("c", TensorProto.FLOAT, [])]
    model = helper.make_model(
        helper.make_graph(nodes, "endless", given, made, [shape]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 9
    onnx.save(model, str(folder / "endless.onnx"))
    return runtime.Graph(folder / "endless.onnx", "cpu")


def test_memory_that_runs_out_in_a_call_is_named(tmp_path):
    graph, one = endless(tmp_path), np.ones(1, np.float32)
    bound = graph.bound({"a": (1,)}, {"c": ()})
    for call in (lambda: graph(a=one), bound):
        with pytest.raises(AnyviewError, match="140737488355328") as caught:
            call()
        assert caught.value.code == "out_of_memory"


def test_memory_that_runs_out_while_loading_is_named(tmp_path, monkeypatch):
    def full(*arguments):
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc(&p, size);")

    file = make_package(tmp_path / "tiny") / "denoise.onnx"
    monkeypatch.setattr(runtime._onnxruntime(), "InferenceSession", full)
    with pytest.raises(AnyviewError, match=r"denoise.onnx cannot be loaded: CUDA") as caught:
        runtime.Graph(file, "cpu")
    assert caught.value.code == "out_of_memory"

"""Attention that is not one fused kernel is refused, before it takes the GPU's memory."""

import os

import numpy as np
import onnx
import pytest

from anyview_ros.contract import FusedAttention
from anyview_ros.engine import pipeline
from anyview_ros.engine.onnx import fused_attention, small_graphs
from anyview_ros.engine.onnx.fused_attention import TELL, check_fused, kernels, named_kernels
from anyview_ros.engine.onnx.providers import PROVIDERS, Assigned
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package
from tests.packages import make_package

CUDA, CPU = PROVIDERS["cuda"], PROVIDERS["cpu"]
LONG = FusedAttention(nodes=2, width=16, tokens=40)
# As ONNX Runtime writes it, in colour.
SAID = "\x1b[36mOperator=MultiHeadAttention Node=attended_ DataType=fp16 SdpaKernel={}\x1b[0m\n"


@pytest.fixture
def contract(tmp_path):
    return load_package(make_package(tmp_path / "tiny", attention=LONG)).contract


def says(monkeypatch, *words):
    monkeypatch.setattr(fused_attention, "kernels", lambda attention, precision: set(words))


def nodes(fused, *others):
    return [
        *(Assigned(CUDA, "MultiHeadAttention", f"a{k}") for k in range(fused)),
        *(Assigned(CUDA, operator, operator) for operator in others),
    ]


def test_the_contract_keeps_it(contract):
    assert contract.attention == LONG


@pytest.mark.parametrize("kernel", ["CUDNN_FLASH_ATTENTION", "EFFICIENT_ATTENTION", ""])
def test_fused_kernels_pass(contract, monkeypatch, kernel):
    says(monkeypatch, *filter(None, [kernel]))
    check_fused(nodes(2, "MatMul", "Softmax"), contract, "cuda")
    check_fused([Assigned(CUDA, "Attention", "standard")] * 2, contract, "tensorrt")


@pytest.mark.parametrize("kernel", ["MATH", "DEFAULT"])
def test_an_unfused_kernel_is_refused(contract, monkeypatch, kernel):
    says(monkeypatch, "FLASH_ATTENTION", kernel)
    with pytest.raises(
        AnyviewError, match=rf"'tiny' on cuda .* computes it by {kernel}:"
    ) as caught:
        check_fused(nodes(2), contract, "cuda")
    assert caught.value.code == "attention_not_fused"


@pytest.mark.parametrize(
    "loaded",
    [
        nodes(1, "MatMul", "Softmax", "MatMul"),
        [*nodes(1), Assigned(CPU, "MultiHeadAttention", "c")],
    ],
    ids=["written out", "on the processor"],
)
def test_attention_that_is_no_operator_of_the_gpu_is_refused(contract, monkeypatch, loaded):
    says(monkeypatch, "FLASH_ATTENTION")
    with pytest.raises(AnyviewError, match="1 of 2 nodes of it are one operator") as caught:
        check_fused(loaded, contract, "cuda")
    assert caught.value.code == "attention_not_fused"


def test_a_processor_and_short_attention_are_not_asked(contract, tmp_path, monkeypatch):
    monkeypatch.setattr(fused_attention, "kernels", lambda *_: pytest.fail("it was asked"))
    check_fused([], contract, "cpu")
    check_fused([], load_package(make_package(tmp_path / "short")).contract, "cuda")


def test_it_is_asked_of_the_denoiser_when_a_package_is_loaded(tmp_path, monkeypatch):
    """On a processor with what a GPU would have: the operators that ONNX Runtime tells there."""
    package, asked = load_package(make_package(tmp_path / "tiny", attention=LONG)), []

    def check(loaded, contract, provider):
        asked.append(provider)
        on_gpu = [Assigned(CUDA, node.operator, node.node) for node in loaded]
        check_fused(on_gpu, contract, "cuda")

    monkeypatch.setattr(pipeline, "check_fused", check)
    with pytest.raises(AnyviewError, match="0 of 2 nodes of it are one operator"):
        pipeline.Pipeline(package, "cpu")
    assert asked == ["cpu"]


def test_the_graph_that_is_asked_attends(tmp_path):
    file = tmp_path / "attention.onnx"
    file.write_bytes(small_graphs.attention(small_graphs.FLOAT))
    onnx.checker.check_model(onnx.load(file))
    q, k, v = np.random.default_rng(0).normal(0, 1, (3, 1, 40, 16)).astype(np.float32)
    (found,) = Graph(file, "cpu")(query=q, key=k, value=v).values()
    scores = np.exp(q[0] @ k[0].T / 4)
    np.testing.assert_allclose(found[0], scores / scores.sum(1, keepdims=True) @ v[0], atol=1e-5)


def test_what_the_process_writes_meanwhile_is_read(monkeypatch, capfd):
    """A library in C writes to the file descriptor, past Python's standard output."""
    right = Graph.bound

    def telling(graph, inputs, outputs):
        assert os.environ[TELL] == "1"
        os.write(1, SAID.format("EFFICIENT_ATTENTION").encode())
        return right(graph, inputs, outputs)

    monkeypatch.setattr(Graph, "bound", telling)
    assert kernels(LONG, "fp32", "cpu") == {"EFFICIENT_ATTENTION"}
    assert TELL not in os.environ
    os.write(1, b"and then as before")
    assert capfd.readouterr().out == "and then as before"


def test_names_of_kernels():
    said = SAID.format("MATH") + "something else\n" + SAID.format("CUDNN_FLASH_ATTENTION")
    assert named_kernels(said) == {"MATH", "CUDNN_FLASH_ATTENTION"}
    assert named_kernels("") == set()

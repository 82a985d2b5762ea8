"""Graphs written byte by byte are what the package onnx reads and computes."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from anyview_ros.engine.arithmetic import InMemory
from anyview_ros.engine.onnx import small_graphs
from anyview_ros.engine.onnx.runtime import OnDevice

GRAPHS = {
    "blend1": small_graphs.blend(1),
    "blend3": small_graphs.blend(3),
    "apart": small_graphs.apart(),
    "overlay": small_graphs.overlay(),
    "attention": small_graphs.attention(small_graphs.BFLOAT16),
}


def arrays(count, shape=(1, 2, 3, 4, 5)):
    rng = np.random.default_rng(1)
    return [rng.normal(0, 1, shape).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("name", GRAPHS)
def test_onnx_takes_them(name):
    onnx.checker.check_model(onnx.load_from_string(GRAPHS[name]), full_check=True)


def test_long_messages_have_long_lengths():
    nodes = [small_graphs.Node("Abs", ["a"], "x" * 300)]
    read = onnx.load_from_string(
        small_graphs.model(nodes, {"a": small_graphs.FLOAT}, {"x" * 300: small_graphs.FLOAT})
    )
    assert read.graph.output[0].name == "x" * 300


def test_onnx_computes_the_same():
    a, b, c = arrays(3)
    weights = {"wa": 0.3, "wb": -2.0, "wc": 1e-9}
    given = {"a": a, "b": b, "c": c} | {k: np.array(v) for k, v in weights.items()}
    (found,) = ReferenceEvaluator(onnx.load_from_string(GRAPHS["blend3"])).run(None, given)
    expected = InMemory().blend([(0.3, a), (-2.0, b), (1e-9, c)])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sums_on_a_device_are_those_in_memory_bit_for_bit(count):
    device, given = OnDevice("cpu"), arrays(count)
    weights = [0.1, -7.3, 2e-5][:count]
    made = device.blend([(w, device.put(a)) for w, a in zip(weights, given, strict=True)])
    expected = InMemory().blend(list(zip(weights, given, strict=True)))
    np.testing.assert_array_equal(device.get(made), expected)


def test_distances_on_a_device_are_those_in_memory():
    device, (a, b) = OnDevice("cpu"), arrays(2)
    found = device.apart(device.put(a), device.put(b))
    assert found == pytest.approx(InMemory().apart(a, b), rel=1e-12)


def test_what_is_put_is_a_copy():
    device, (a,) = OnDevice("cpu"), arrays(1)
    buffer, before = device.put(a), a.copy()
    a += 1
    np.testing.assert_array_equal(device.get(buffer), before)
    kept = device.get(buffer)
    device.blend([(2.0, buffer)], out=buffer)
    np.testing.assert_array_equal(kept, before)
    np.testing.assert_array_equal(device.get(buffer), 2 * before)


def test_first_frames_are_laid_over():
    device, (whole,) = OnDevice("cpu"), arrays(1)
    front = np.full((1, 2, 2, 4, 5), 9, np.float32)
    out = device.put(np.zeros_like(whole))
    device.overlay(device.put(front), device.put(whole), out)
    expected = np.concatenate([front, whole[:, :, 2:]], axis=2)
    np.testing.assert_array_equal(device.get(out), expected)

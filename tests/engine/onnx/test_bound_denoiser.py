"""The denoiser on buffers against the same one on arrays."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anyview_ros.engine import sampler
from anyview_ros.engine.onnx.bound_denoiser import BoundDenoiser
from anyview_ros.engine.onnx.runtime import Graph, OnDevice
from anyview_ros.engine.sampler import SamplerSettings, karras_sigmas, sample_by
from anyview_ros.errors import AnyviewError

SHAPE = (1, 2, 3, 4, 5)
DEVICE = OnDevice("cpu")


def graph_of(folder, levels=1):
    """tanh(noisy) * t + hint, where t is one level or one of each latent frame."""
    float_ = TensorProto.FLOAT
    nodes = [
        helper.make_node("Reshape", ["t", "frames"], ["t_"]),
        helper.make_node("Tanh", ["noisy"], ["soft"]),
        helper.make_node("Mul", ["soft", "t_"], ["scaled"]),
        helper.make_node("Add", ["scaled", "hint"], ["prediction"]),
    ]
    t_shape = [1] if levels == 1 else [1, levels]
    inputs = [
        helper.make_tensor_value_info("noisy", float_, SHAPE),
        helper.make_tensor_value_info("t", float_, t_shape),
        helper.make_tensor_value_info("hint", float_, SHAPE),
    ]
    outputs = [helper.make_tensor_value_info("prediction", float_, SHAPE)]
    frames = helper.make_tensor("frames", TensorProto.INT64, [5], [1, 1, levels, 1, 1])
    model = helper.make_model(
        helper.make_graph(nodes, "denoise", inputs, outputs, [frames]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 9
    onnx.save(model, str(folder / "denoise.onnx"))
    return Graph(folder / "denoise.onnx", "cpu")


def normal(seed, shape=SHAPE):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def bound(graph, prediction, known=None, hint=None):
    denoiser = BoundDenoiser(graph, DEVICE, "m", prediction, {"noisy": SHAPE, "hint": SHAPE})
    denoiser.condition({"hint": normal(1) if hint is None else hint}, known)
    return denoiser


@pytest.mark.parametrize("solver", ["ab2", "dpmpp2m"])
@pytest.mark.parametrize("reuse", [0.0, 0.05])
def test_x0_is_sampled_bit_for_bit_as_in_memory(tmp_path, solver, reuse):
    graph = graph_of(tmp_path)
    method = SamplerSettings(tuple(karras_sigmas(12)), solver, reuse)
    state = sampler.initial_state(method, normal(2))
    in_memory = sampler.denoiser_of(
        lambda noisy, t: graph(noisy=noisy, t=t, hint=normal(1))["prediction"], "x0"
    )
    denoiser = bound(graph, "x0")
    found = DEVICE.get(sample_by(method, denoiser, DEVICE.put(state), DEVICE))
    np.testing.assert_array_equal(found, sample_by(method, in_memory, state))
    assert (denoiser.calls == 13) == (not reuse)


def test_velocity_is_rounded_once_where_memory_rounds_twice(tmp_path):
    graph = graph_of(tmp_path)
    in_memory = sampler.denoiser_of(
        lambda noisy, t: graph(noisy=noisy, t=t, hint=normal(1))["prediction"], "velocity"
    )
    y = 3 * normal(2)
    found = DEVICE.get(bound(graph, "velocity")(DEVICE.put(y), 3.0))
    np.testing.assert_allclose(found, in_memory(y, 3.0), atol=3e-7)


def test_known_frames_are_laid_over_at_level_0(tmp_path):
    graph, y, known = graph_of(tmp_path, levels=3), normal(2), normal(3, (1, 2, 1, 4, 5))
    denoiser = bound(graph, "x0", known)
    found = DEVICE.get(denoiser(DEVICE.put(y), 3.0))
    noisy = np.concatenate([known, (np.float32(0.25) * y)[:, :, 1:]], axis=2)
    t = np.float32([[0, 0.75, 0.75]])
    np.testing.assert_array_equal(found, graph(noisy=noisy, t=t, hint=normal(1))["prediction"])
    denoiser.condition({"hint": normal(1)}, None)  # the next clip has none
    free = graph(noisy=np.float32(0.25) * y, t=np.full((1, 3), 0.75, np.float32), hint=normal(1))
    np.testing.assert_array_equal(DEVICE.get(denoiser(DEVICE.put(y), 3.0)), free["prediction"])


@pytest.mark.parametrize("prediction", ["x0", "velocity"])
def test_known_frames_are_laid_over_below_a_level_only(tmp_path, prediction):
    graph, y, known = graph_of(tmp_path, levels=3), normal(2), normal(3, (1, 2, 1, 4, 5))
    denoiser, free, laid = (bound(graph, prediction, k) for k in (known, None, known))
    denoiser.condition({"hint": normal(1)}, known, known_below=80.0)
    for level in (80.0, 3.0, 80.0):  # the next seed begins at the top again
        expected = free if level == 80 else laid
        found = [DEVICE.get(each(DEVICE.put(y), level)) for each in (denoiser, expected)]
        np.testing.assert_array_equal(*found)


def test_each_clip_begins_anew(tmp_path):
    denoiser, y = bound(graph_of(tmp_path), "x0"), DEVICE.put(normal(2))
    first = DEVICE.get(denoiser(y, 3.0))
    denoiser.condition({"hint": normal(9)}, None)
    assert denoiser.calls == 0
    assert not np.array_equal(DEVICE.get(denoiser(y, 3.0)), first)
    denoiser.condition({"hint": normal(1)}, None)
    np.testing.assert_array_equal(DEVICE.get(denoiser(y, 3.0)), first)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, bad):
    hint = normal(1)
    hint[0, 1, 2, 3, 4] = bad
    with pytest.raises(AnyviewError, match=r"'m' made values .* t = 0.7500") as caught:
        bound(graph_of(tmp_path), "x0", hint=hint)(DEVICE.put(normal(2)), 3.0)
    assert caught.value.code == "not_finite"

"""A tiny model package built from plain ONNX operators, so that most tests need no torch.

Its virtual view is the source's blurred colours, shifted by the target's rays and by the noise:
wrong sources, poses, seeds and step counts all change the pixels, as with a real model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anyview_ros.contract import GRAPHS, Contract, LatentShape
from anyview_ros.packages import MANIFEST, sha256_of, write_manifest
from anyview_ros.signatures import SIGNATURE

SIZES = ((24, 32), (32, 32))
CHANNELS = 3


def make_package(folder: Path, work: int = 0, **changes: Any) -> Path:
    """Write a package named after `folder`, and return it.

    Args:
        folder: made if it is not there.
        work: 512 x 512 matrix products in each denoiser call, to make steps slow.
        changes: fields of the contract to replace.
    """
    folder.mkdir(parents=True, exist_ok=True)
    several, swept = changes.get("max_sources", 1) > 1, bool(changes.get("plane_sweep"))
    graphs = _graphs(work, several, swept, changes.get("sweep_weights", False))
    for name, model in zip(GRAPHS, graphs, strict=True):
        onnx.save(model, str(folder / f"{name}.onnx"))
    contract = Contract(
        name=folder.name,
        family="one_way",
        anchor="source",
        ray_code="unshuffle",
        resampler="area",
        pixel_rule="pixel_centre",
        prediction="x0",
        solver="euler",
        sigmas={"exact": (80.0, 20.0, 5.0, 1.0, 0.0), "draft": (80.0, 0.0)},
        frames=(5, 9),
        frame_period=0.1,
        sizes=SIZES,
        latent=LatentShape(CHANNELS),
        max_sources=1,
        known_frames=False,
        scene_scale=1 / 16,
        precision="fp32",
        licence="Apache-2.0",
        files={f"{name}.onnx": sha256_of(folder / f"{name}.onnx") for name in GRAPHS},
    )
    write_manifest(folder, replace(contract, **changes))
    return folder


def seal(folder: Path) -> Path:
    """Write the hashes of what lies in a package now into its manifest, and return the package."""
    manifest = json.loads((folder / MANIFEST).read_text())
    kept = (MANIFEST, SIGNATURE)
    others = (file for file in folder.rglob("*") if file.is_file() and file.name not in kept)
    manifest["files"] = {str(f.relative_to(folder)): sha256_of(f) for f in others}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def _graphs(work: int, several: bool, swept: bool, tells: bool) -> tuple[onnx.ModelProto, ...]:
    return _encode(), _condition(), _denoise(work, several, swept, tells), _decode()


def _encode() -> onnx.ModelProto:
    nodes = [
        _slice("frames", "kept"),
        helper.make_node(
            "AveragePool", ["kept"], ["latent"], kernel_shape=[1, 8, 8], strides=[1, 8, 8]
        ),
    ]
    return _model(nodes, {"frames": _video()}, ["latent"], _slice_constants(2, 0, 4))


def _condition() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["rays", "channel_axis"], ["glow"], keepdims=1),
        helper.make_node("Mul", ["glow", "weak"], ["tint"]),
        helper.make_node("Add", ["latent", "tint"], ["context"]),
    ]
    constants = {"channel_axis": np.array([1]), "weak": np.float32(0.1)}
    return _model(nodes, {"latent": _latent(), "rays": _rays()}, ["context"], constants)


def _denoise(work: int, several: bool, swept: bool, tells: bool) -> onnx.ModelProto:
    sources, shape = _mean_of_sources() if several else ([], {})
    nodes = [
        *sources,
        helper.make_node("ReduceMean", ["rays", "channel_axis"], ["glow"], keepdims=1),
        helper.make_node("Tanh", ["noisy"], ["soft"]),
        helper.make_node("Mul", ["soft", "t"], ["softer"]),
        helper.make_node("Mul", ["softer", "weak"], ["grain"]),
        helper.make_node("Add", ["mean_context" if several else "context", "glow"], ["moved"]),
        helper.make_node("Add", ["moved", "grain"], ["prediction" if not work else "answer"]),
    ]
    constants: dict[str, Any] = {"channel_axis": np.array([1]), "weak": np.float32(0.05), **shape}
    if work:
        nodes += _work(work)
        constants |= {
            "matrix": np.eye(512, dtype=np.float32),
            "tiny": np.float32(1e-30),
            "all_axes": np.array([0, 1]),
        }
    inputs = {
        "noisy": _latent("noisy"),
        "t": helper.make_tensor_value_info("t", TensorProto.FLOAT, [1]),
        "rays": _rays(),
        "context": _latent("context", "s_" if several else "h_"),
    }
    outputs = ["prediction", *(["weights"] if tells else [])]
    if tells:
        nodes += _weights()
        constants |= {"marks_axis": np.array([2]), "none": np.array([0]), "one": np.array([1])}
    if swept:  # given, and hardly looked at
        shape = [1, "p", CHANNELS + 2, "t_", "h_", "w_"]
        inputs["sweep"] = helper.make_tensor_value_info("sweep", TensorProto.FLOAT, shape)
    return _model(nodes, inputs, outputs, constants)


def _weights() -> list[onnx.NodeProto]:
    """The brighter a candidate, the more of it; none is as likely as the first."""
    return [
        helper.make_node("ReduceMean", ["sweep", "marks_axis"], ["bright"], keepdims=0),
        helper.make_node("Slice", ["bright", "none", "one", "one"], ["nothing_seen"]),
        helper.make_node("Concat", ["nothing_seen", "bright"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["weights"], axis=1),
    ]


def _mean_of_sources() -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """The pipeline lays the contexts of sources end to end in their height: their mean."""
    nodes = [
        helper.make_node("Shape", ["noisy"], ["one_shape"]),
        helper.make_node("Slice", ["one_shape", "zero", "three"], ["outer"]),
        helper.make_node("Slice", ["one_shape", "three", "five"], ["inner"]),
        helper.make_node("Concat", ["outer", "any", "inner"], ["apart_shape"], axis=0),
        helper.make_node("Reshape", ["context", "apart_shape"], ["apart"]),
        helper.make_node("ReduceMean", ["apart", "three"], ["mean_context"], keepdims=0),
    ]
    numbers = {"zero": 0, "three": 3, "five": 5, "any": -1}
    return nodes, {name: np.array([number]) for name, number in numbers.items()}


def _work(count: int) -> list[onnx.NodeProto]:
    """Matrix products that depend on t (so they cannot be folded away) and add nothing visible."""
    nodes = [helper.make_node("Mul", ["matrix", "t"], ["product0"])]
    nodes += [
        helper.make_node("MatMul", [f"product{i}", "matrix"], [f"product{i + 1}"])
        for i in range(count)
    ]
    return [
        *nodes,
        helper.make_node("ReduceMean", [f"product{count}", "all_axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "tiny"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["prediction"]),
    ]


def _decode() -> onnx.ModelProto:
    nodes = [
        helper.make_node(
            "Resize",
            ["latent", "", "scales"],
            ["large"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        _slice("large", "frames"),
    ]
    constants = {"scales": np.array([1, 1, 4, 8, 8], np.float32), **_slice_constants(2, 3, 1)}
    return _model(nodes, {"latent": _latent()}, ["frames"], constants)


def _slice(source: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Slice", [source, "start", "end", "axis", "step"], [result])


def _slice_constants(axis: int, start: int, step: int) -> dict[str, Any]:
    values = {"start": start, "end": 1 << 30, "axis": axis, "step": step}
    return {name: np.array([value]) for name, value in values.items()}


def _video() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 3, "t", "h", "w"])


def _latent(name: str = "latent", height: str = "h_") -> onnx.ValueInfoProto:
    shape = [1, CHANNELS, "t_", height, "w_"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rays() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("rays", TensorProto.FLOAT, [1, "r", "t_", "h_", "w_"])


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, onnx.ValueInfoProto],
    outputs: list[str],
    constants: dict[str, Any],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        list(inputs.values()),
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 5) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model

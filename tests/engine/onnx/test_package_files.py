"""What was hashed is what runs: files that a manifest lists, each read once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from anyview_ros.engine import pipeline as pipeline_module
from anyview_ros.engine.onnx import package_files
from anyview_ros.engine.onnx.external_data import UnreadableGraphError, external_tensors
from anyview_ros.engine.onnx.package_files import PackageFiles
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, View
from anyview_ros.packages import ModelPackage, find_package, load_package
from tests.node.rig import clip
from tests.packages import make_package, seal

TARGET = View(Camera.from_fov(64, 48, 1.4), np.stack([np.eye(4)] * 5))
STAMPS = [10**9 + k * 10**8 for k in range(5)]


def with_weights(folder: Path, gain: float = 0.5) -> Path:
    """A package whose encoder scales what it codes by a number in weights.bin."""
    package = make_package(folder)
    model = onnx.load(package / "encode.onnx")
    model.graph.node[-1].output[0] = "unscaled"
    model.graph.node.append(helper.make_node("Mul", ["unscaled", "gain"], ["latent"]))
    weight = TensorProto(name="gain", dims=[1], data_type=TensorProto.FLOAT)
    weight.raw_data = np.float32([gain]).tobytes()
    external_data_helper.set_external_data(weight, "weights.bin", offset=64, length=4)
    (package / "weights.bin").write_bytes(bytes(64) + weight.raw_data)
    weight.ClearField("raw_data")
    model.graph.initializer.append(weight)
    (package / "encode.onnx").write_bytes(model.SerializeToString())
    return seal(package)


def frames_of(pipeline: Pipeline) -> bytes:
    made = pipeline.synthesize([clip("front", STAMPS)], TARGET, SynthesisOptions())
    return made.frames.tobytes()


def refusal(package: ModelPackage) -> AnyviewError:
    with pytest.raises(AnyviewError) as refused:
        Pipeline(package, "cpu")
    return refused.value


@pytest.mark.parametrize("copied", [1 << 30, 0])
def test_a_package_computes_what_its_files_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
) -> None:
    """The shipped model, with weights of half precision, by path and from memory."""
    monkeypatch.setattr(package_files, "COPIED_BYTES", copied)
    package = load_package(find_package("worlds-composite-10m"))
    files, rng = PackageFiles(package), np.random.default_rng(0)
    video = rng.uniform(-1, 1, (1, 3, 9, 96, 160)).astype(np.float32)
    latent = rng.standard_normal((1, 48, 3, 24, 40)).astype(np.float32)
    rays = rng.uniform(-1, 1, (1, 24, 3, 24, 40)).astype(np.float32)
    for name, given in (
        ("encode", {"frames": video}),
        ("condition", {"latent": latent, "rays": rays}),
    ):
        expected = Graph(package.graph(name), "cpu", 1)(**given)
        found = Graph(files.graph(name), "cpu", 1)(**given)
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key], array)
    files.check_unchanged()


def test_weights_swapped_after_they_were_hashed_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = load_package(with_weights(tmp_path / "tiny"))
    expected = frames_of(Pipeline(package, "cpu"))
    other = with_weights(tmp_path / "other", gain=-2.0) / "weights.bin"
    assert frames_of(Pipeline(load_package(other.parent), "cpu")) != expected
    read = PackageFiles._read

    def swapped(files: PackageFiles, name: str) -> object:
        content = read(files, name)
        if name == "weights.bin":
            (package.path / name).write_bytes(other.read_bytes())
        return content

    monkeypatch.setattr(PackageFiles, "_read", swapped)
    assert frames_of(Pipeline(package, "cpu")) == expected
    assert refusal(package).code == "model_damaged"


@pytest.mark.parametrize("how", ["written", "replaced", "replaced and put back"])
def test_weights_too_large_to_be_copied_may_not_change_while_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(package_files, "COPIED_BYTES", 67)  # graphs too
    package = load_package(with_weights(tmp_path / "tiny"))
    Pipeline(package, "cpu")
    weights = package.path / "weights.bin"

    def swap(*_: object) -> None:
        if how == "written":
            weights.write_bytes(bytes(68))
            return
        os.rename(weights, kept := tmp_path / "kept.bin")
        weights.write_bytes(bytes(68))
        if how == "replaced and put back":
            os.replace(kept, weights)

    monkeypatch.setattr(pipeline_module, "check_graphs", swap)
    refused = refusal(package)
    assert refused.code == "model_damaged"
    assert "weights.bin' was changed while it was loaded" in refused.message


def test_weights_swapped_before_their_file_is_followed_are_seen(tmp_path: Path) -> None:
    """As TensorRT would read them; the self-test has read and hashed them before."""
    package = load_package(with_weights(tmp_path / "tiny"))
    files = PackageFiles(package)
    files.read("weights.bin")
    files.follow("weights.bin")
    files.check_unchanged()
    files = PackageFiles(package)
    files.read("weights.bin")
    (tmp_path / "other.bin").write_bytes(bytes(68))
    os.replace(tmp_path / "other.bin", package.path / "weights.bin")
    files.follow("weights.bin")
    with pytest.raises(AnyviewError, match="was changed while it was loaded") as refused:
        files.check_unchanged()
    assert refused.value.code == "model_damaged"


def test_weights_that_the_manifest_does_not_list_are_refused(tmp_path: Path) -> None:
    folder = with_weights(tmp_path / "tiny")
    package = load_package_without(folder, "weights.bin")
    refused = refusal(package)
    assert refused.code == "invalid_model"
    assert "has weights in 'weights.bin', which is not among the files" in refused.message


def load_package_without(folder: Path, name: str) -> ModelPackage:
    """The package, whose manifest does not list a file that is there."""
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    seal(folder)
    (folder / name).write_bytes(content)
    return load_package(folder)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"offset": "65"}, "need 4 bytes, 4 are named at 65 of 'weights.bin', which has 68"),
        ({"offset": str(1 << 62)}, f"4 are named at {1 << 62} of 'weights.bin'"),
        ({"offset": "-4096"}, "4 are named at -4096 of"),
        ({"length": "8"}, "need 4 bytes, 8 are named"),
        ({"offset": "x"}, "'offset': 'x'"),
        ({"location": "../weights.bin"}, "has weights in '../weights.bin', which is not among"),
    ],
)
def test_weights_that_lie_nowhere_are_refused(
    tmp_path: Path, place: dict[str, str], said: str
) -> None:
    folder = with_weights(tmp_path / "tiny")
    model = onnx.load(folder / "encode.onnx", load_external_data=False)
    entries = {e.key: e for e in model.graph.initializer[-1].external_data}
    for key, value in place.items():
        entries[key].value = value
    (folder / "encode.onnx").write_bytes(model.SerializeToString())
    refused = refusal(load_package(seal(folder)))
    assert refused.code == "invalid_model"
    assert said in refused.message


def test_weights_of_a_node_in_another_file_are_refused(tmp_path: Path) -> None:
    """Nothing could be put in their place, and ONNX Runtime would read them itself."""
    folder = with_weights(tmp_path / "tiny")
    model = onnx.load(folder / "encode.onnx", load_external_data=False)
    weight = model.graph.initializer.pop()
    constant = helper.make_node("Constant", [], ["gain"])
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=weight)
    model.graph.node.insert(0, constant)
    (folder / "encode.onnx").write_bytes(model.SerializeToString())
    refused = refusal(load_package(seal(folder)))
    assert refused.code == "invalid_model"
    assert "weights 'gain' of 'weights.bin' are no initializer" in refused.message


def test_what_is_read_of_a_graph_is_what_onnx_reads_of_it() -> None:
    for name in ("encode", "condition", "denoise", "decode", "surfaces"):
        file = load_package(find_package("worlds-composite-10m")).graph(name)
        model = onnx.load(file, load_external_data=False)
        expected = {
            t.name: (list(t.dims), t.data_type, {e.key: e.value for e in t.external_data})
            for t in model.graph.initializer
            if t.data_location == TensorProto.EXTERNAL
        }
        found = external_tensors(memoryview(file.read_bytes()))
        assert {t.name: (t.dims, t.kind, t.places) for t in found} == expected


def test_any_bytes_are_a_graph_or_refused() -> None:
    content = bytearray(
        load_package(find_package("worlds-composite-10m")).graph("encode").read_bytes()
    )
    rng = np.random.default_rng(7)
    for _ in range(300):
        changed = content[: rng.integers(1, len(content))]
        for _ in range(rng.integers(0, 20)):
            changed[rng.integers(len(changed))] = rng.integers(256)
        try:
            external_tensors(memoryview(bytes(changed)))
        except UnreadableGraphError:
            continue

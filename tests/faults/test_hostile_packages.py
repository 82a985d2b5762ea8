"""A zoo of hostile model packages: each is refused by name, runs nothing and takes no memory.

Manifests with a wrong value one by one: tests/test_contract.py. Signed packages, altered:
tests/test_signatures.py. What passes all checks and never ends: tests/faults/test_hung_worker.py.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from anyview_ros.engine.onnx.memory import check_fits
from anyview_ros.engine.onnx.self_test import SELF_TEST
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MANIFEST, find_package, load_package
from tests.engine.onnx.test_package_files import frames_of, with_weights
from tests.packages import make_package, seal

MARK = "ran"  # a file that code in a package would make beside it
MAX_GROWTH = 96 << 20  # bytes that a refusal may take at most


class Code:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._mark}",)


def manifest(**changes: Any) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        file = package / MANIFEST
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def listed(name: str) -> Callable[[Path], None]:
    """A manifest that lists a file of any name, and does not know its hash."""

    def change(package: Path) -> None:
        files = json.loads((package / MANIFEST).read_text())["files"]
        manifest(files={**files, name: "0" * 64})(package)

    return change


def text(content: bytes | str, name: str = MANIFEST) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        (package / name).write_bytes(raw)
        if name != MANIFEST:
            seal(package)

    return change


def pickled(name: str) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        text(pickle.dumps(Code(package.with_name(MARK))), name)(package)

    return change


def linked(name: str, target: str) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        (package / name).unlink()
        (package / name).symlink_to(target)

    return change


def pipe(name: str) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        (package / name).unlink()
        os.mkfifo(package / name)

    return change


def graph(
    change: Callable[[onnx.ModelProto], None], name: str = "decode"
) -> Callable[[Path], None]:
    """Change a graph, and seal the package."""

    def changed(package: Path) -> None:
        file = package / f"{name}.onnx"
        model = onnx.load(file)
        change(model)
        file.write_bytes(model.SerializeToString())
        seal(package)

    return changed


def add_node(*words: Any, **fields: Any) -> Callable[[Path], None]:
    return graph(lambda model: model.graph.node.append(helper.make_node(*words, **fields)))


def weights(dims: list[int], **place: str) -> Callable[[Path], None]:
    """Weights of a size at a place, as the graph says it."""

    def change(model: onnx.ModelProto) -> None:
        tensor = TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in ({"location": "weights.bin"} | place).items():
            tensor.external_data.add(key=key, value=value)
        model.graph.initializer.append(tensor)

    def changed(package: Path) -> None:
        (package / "weights.bin").write_bytes(bytes(64))
        graph(change)(package)

    return changed


def claims_more_than_it_has(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="w", dims=[1 << 40], data_type=TensorProto.FLOAT, raw_data=bytes(64))
    model.graph.initializer.append(tensor)
    add_to_frames(model, "w")


def add_to_frames(model: onnx.ModelProto, name: str) -> None:
    """Let the frames depend on something."""
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("ReduceMean", [name], ["mean"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["before", "mean"], ["frames"]))


def graphs_in_graphs(package: Path) -> None:
    """A node with a graph with a node; written as bytes, since protobuf itself stops at 100."""
    content = b""
    for field in [6, 5, 1] * 1000 + [7]:  # graph of an attribute of a node of a graph of the model
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        content = bytes([field << 3 | 2]) + length + bytes([size]) + content
    text(content, "encode.onnx")(package)


def unlisted(package: Path) -> None:
    with_weights(package)
    content = (package / "weights.bin").read_bytes()
    (package / "weights.bin").unlink()
    seal(package)
    (package / "weights.bin").write_bytes(content)


def endless_constant(model: onnx.ModelProto) -> None:
    """Four terabytes, which folding of constants would make at loading."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [1 << 40])
    model.graph.initializer.append(shape)
    add_to_frames(model, "endless")
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["shape"], ["endless"]))


def swapped(package: Path) -> None:
    (package / "denoise.onnx").write_bytes((package / "encode.onnx").read_bytes())
    seal(package)


def flipped(package: Path) -> None:
    content = bytearray((package / "denoise.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (package / "denoise.onnx").write_bytes(content)


ZOO: dict[str, tuple[Callable[[Path], None], str, str]] = {
    # Code.
    "pickle as graph": (pickled("encode.onnx"), "invalid_model", "encode.onnx: no ONNX file"),
    "pickle as manifest": (pickled(MANIFEST), "invalid_model", "cannot be read as JSON"),
    "pickle as self-test": (pickled(SELF_TEST), "invalid_model", SELF_TEST),
    "zip as graph": (text(b"PK\3\4" + bytes(60), "encode.onnx"), "invalid_model", "no ONNX file"),
    "custom operator": (
        add_node("Shell", ["latent"], ["x"], domain="os"),
        "invalid_model",
        "decode.onnx",
    ),
    # Places.
    "path out": (listed("../outside"), "model_damaged", "lies outside the package"),
    "absolute path": (listed("/etc/hostname"), "model_damaged", "lies outside the package"),
    "link out": (linked("encode.onnx", "/etc/hostname"), "model_damaged", "lies outside"),
    "endless file": (linked("encode.onnx", "/dev/zero"), "model_damaged", "lies outside"),
    "endless manifest": (linked(MANIFEST, "/dev/zero"), "unknown_model", f"holds no {MANIFEST}"),
    "pipe as graph": (pipe("encode.onnx"), "model_damaged", "'encode.onnx' is missing"),
    "pipe as manifest": (pipe(MANIFEST), "unknown_model", f"holds no {MANIFEST}"),
    "weights out": (weights([16], location="../weights.bin"), "invalid_model", "not among the"),
    "weights at an absolute path": (
        weights([16], location="/etc/hostname"),
        "invalid_model",
        "not among the files of the manifest",
    ),
    "weights that nobody listed": (unlisted, "invalid_model", "not among the files"),
    "weights that the hash does not cover": (flipped, "model_damaged", "has sha256"),
    # Sizes.
    "deep JSON": (text("[" * 100_000 + "]" * 100_000), "invalid_model", "cannot be read as JSON"),
    "large JSON": (text(" " * (5 << 20)), "invalid_model", "at most 4 MiB"),
    "large images": (manifest(sizes=[[1 << 30, 1 << 30]]), "invalid_model", "sides of 1 to 8192"),
    "long clips": (manifest(frames=[1 + (1 << 40)]), "invalid_model", "frames must be"),
    "many sources": (manifest(max_sources=1 << 40), "invalid_model", "max_sources must be"),
    "memory of a call": (manifest(call_bytes=1 << 50), "not_enough_memory", "needs about"),
    "weights of a petabyte": (weights([1 << 48]), "invalid_model", "weights 'w'"),
    "weights of negative size": (weights([-16]), "invalid_model", "weights 'w'"),
    "weights behind the end": (weights([16], offset=str(1 << 62)), "invalid_model", "weights 'w'"),
    "weights before the begin": (weights([16], offset="-64"), "invalid_model", "weights 'w'"),
    "claim of four terabytes": (graph(claims_more_than_it_has), "invalid_model", "decode.onnx"),
    "graphs in graphs": (graphs_in_graphs, "invalid_model", "deeper than 64"),
    "self-test of four terabytes": (
        text('{"encode": {"inputs": {"frames": [1, 3, 1099511627776, 24, 32]}}}', SELF_TEST),
        "invalid_model",
        SELF_TEST,
    ),
    # Lies.
    "no text for a name": (manifest(name="\ud800"), "invalid_model", "name must be a printable"),
    "time of a cell": (manifest(latent={"channels": 3, "time": 0}), "invalid_model", "latent must"),
    "period without end": (
        text('{"frame_period": 1e999}'),
        "invalid_model",
        "the manifest lacks",
    ),
    "hash that is a number": (manifest(files={"encode.onnx": 5}), "invalid_model", "files.encode"),
    "graphs swapped": (swapped, "invalid_model", "denoise.onnx to have the inputs"),
    "graph cut": (
        lambda p: text((p / "encode.onnx").read_bytes()[:-20], "encode.onnx")(p),
        "invalid_model",
        "encode.onnx",
    ),
}


def peak_bytes() -> int:
    """The most memory that this process held since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10


def held_bytes() -> int:
    """Begin to measure the peak anew; return what the process holds now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def load(package: Path) -> Pipeline:
    """As the inference process does."""
    found = load_package(find_package(str(package)), check_files=False)
    check_fits(found, "cpu")
    return Pipeline(found, "cpu")


@pytest.mark.parametrize("kind", ZOO)
def test_it_is_refused_by_name_and_nothing_runs(kind: str, tmp_path: Path) -> None:
    spoil, code, words = ZOO[kind]
    package = make_package(tmp_path / "tiny")
    spoil(package)
    before = held_bytes()
    with pytest.raises(AnyviewError) as refused:
        load(package)
    assert refused.value.code == code
    assert words in refused.value.message
    assert len(refused.value.message) < 1000
    assert peak_bytes() - before < MAX_GROWTH
    assert not (tmp_path / MARK).exists()


def test_a_constant_of_four_terabytes_is_made_by_no_load_and_refused_by_name(
    tmp_path: Path,
) -> None:
    """Nothing but running it tells how large an answer is."""
    package = make_package(tmp_path / "tiny")
    graph(endless_constant)(package)
    before = held_bytes()
    pipeline = Pipeline(load_package(package), "cpu")
    with pytest.raises(AnyviewError) as refused:
        frames_of(pipeline)
    assert refused.value.code == "out_of_memory"
    assert peak_bytes() - before < MAX_GROWTH


def test_the_whole_package_would_load(tmp_path: Path) -> None:
    assert load(make_package(tmp_path / "tiny"))


def test_the_measure_sees_memory() -> None:
    before = held_bytes()
    assert np.ones(MAX_GROWTH // 4, np.float64).sum() > 0
    assert peak_bytes() - before > MAX_GROWTH


def test_the_mark_would_be_made(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Code(tmp_path / MARK)))
    assert (tmp_path / MARK).exists()

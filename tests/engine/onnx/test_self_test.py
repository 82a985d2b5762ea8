"""Known answers of a package are asked when it is loaded."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from anyview_ros.contract import GRAPHS
from anyview_ros.engine.onnx import self_test
from anyview_ros.engine.onnx.package_files import PackageFiles
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.onnx.self_test import (
    SELF_TEST,
    SelfTest,
    compared_values,
    noise,
    relative_difference,
    write_cases,
)
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package, sha256_of, write_manifest
from tests.packages import make_package, seal

SHAPES = {
    "encode": {"frames": (1, 3, 5, 24, 32)},
    "denoise": {
        "noisy": (1, 3, 2, 3, 4),
        "t": (1,),
        "rays": (1, 96, 2, 3, 4),
        "context": (1, 3, 2, 3, 4),
    },
}


def with_answers(path, change=lambda cases: None, prefix=""):
    """A package with its own answers, after `change`, sealed."""
    cases = {}
    for name, shapes in SHAPES.items():
        given = noise(shapes) | ({"t": np.float32([0.7])} if "t" in shapes else {})
        (key, made), *_ = Graph(path / f"{name}.onnx", "cpu")(**given).items()
        cases[prefix + name] = {
            "inputs": shapes,
            "values": {"t": [0.7]} if "t" in shapes else {},
            "outputs": {key: {"shape": made.shape, "kept": compared_values(made).tolist()}},
        }
    change(cases)
    write_cases(path, cases)
    contract = load_package(path).contract
    files = {**contract.files, SELF_TEST: sha256_of(path / SELF_TEST)}
    write_manifest(path, replace(contract, files=files))
    return load_package(path)


def rounded_to_bfloat16(values):
    """By another way than the code under test: half a step is added to the bits, the rest cut."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


@pytest.mark.parametrize("count", [256, 3072, 175104])
def test_rounding_does_not_make_equal_kernels_differ(count):
    """Sums 1e-5 apart fall on both sides of a step: the more values, the larger those."""
    values = np.random.default_rng(5).standard_normal(count).astype(np.float32)
    other = values + np.float32(1e-5) * np.random.default_rng(6).standard_normal(count)
    ours, theirs = rounded_to_bfloat16(values), rounded_to_bfloat16(other)
    assert relative_difference(ours, theirs, rounded=True) < 1e-4
    if count > 10000:
        assert relative_difference(ours, theirs) > 1e-3


@pytest.mark.parametrize("factor", [1.003, 0.997, -1.0, float("nan")])
def test_rounding_hides_no_other_difference(factor):
    """Less than a step of every value, and more: what is wrong everywhere shows in the mean."""
    values = np.random.default_rng(5).standard_normal(3072).astype(np.float32)
    wrong = values * np.float32(factor)
    one_wrong = values.copy()
    one_wrong[7] += 0.1
    for found in (wrong, one_wrong):
        ours, theirs = rounded_to_bfloat16(found), rounded_to_bfloat16(values)
        assert not relative_difference(ours, theirs, rounded=True) <= 1e-3


def test_right_answers_pass(tmp_path):
    package = with_answers(make_package(tmp_path / "tiny"))
    assert Pipeline(package, "cpu").package is package


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("factor", [1.01, -1.0, float("nan")])
def test_another_answer_is_refused(tmp_path, monkeypatch, name, factor):
    package = with_answers(make_package(tmp_path / "tiny"))
    right = Graph.bound

    def wrong(graph, inputs, outputs):
        bound = right(graph, inputs, outputs)
        return bound if graph is not broken else Wrong(bound, factor)

    graphs = {g: Graph(package.graph(g), "cpu") for g in GRAPHS}
    broken = graphs[name]
    monkeypatch.setattr(Graph, "bound", wrong)
    with pytest.raises(AnyviewError, match=rf"'tiny' on cpu computes {name}\.") as caught:
        SelfTest(package, PackageFiles(package)).check(graphs)
    assert caught.value.code == "self_test_failed"


class Wrong:
    """A bound graph on a machine that computes something else."""

    def __init__(self, bound, factor):
        self._bound, self._factor = bound, np.float32(factor)
        self.write = bound.write

    def __call__(self):
        self._bound()

    @property
    def buffers(self):
        return {k: Scaled(b, self._factor) for k, b in self._bound.buffers.items()}


class Scaled:
    def __init__(self, buffer, factor):
        self._buffer, self._factor = buffer, factor

    def numpy(self):
        return self._buffer.numpy() * self._factor


def test_an_answer_within_the_precision_passes(tmp_path):
    def off_by_a_percent(cases):
        made = cases["encode"]["outputs"]["latent"]
        made["kept"] = [1.01 * value for value in made["kept"]]

    package = with_answers(make_package(tmp_path / "half", precision="fp16"), off_by_a_percent)
    Pipeline(package, "cpu")
    with pytest.raises(AnyviewError, match=r"0\.001 is allowed in fp32"):
        Pipeline(with_answers(make_package(tmp_path / "full"), off_by_a_percent), "cpu")


def test_proxy_graphs_are_checked_but_on_a_processor(tmp_path, monkeypatch):
    path, asked = make_package(tmp_path / "tiny"), []
    for name in SHAPES:
        shutil.copy(path / f"{name}.onnx", path / f"proxy-{name}.onnx")
    seal(path)
    package = with_answers(path, prefix="proxy-")

    class Loaded(Graph):
        def __init__(self, model, provider, threads, package):
            asked.append((model.name, provider, package))
            super().__init__(path / model.name.removeprefix("proxy-"), "cpu", threads)

    monkeypatch.setattr(self_test, "Graph", Loaded)
    tested = SelfTest(package, PackageFiles(package))
    tested.check_proxy_graphs("cpu", 1)
    assert not asked
    tested.check_proxy_graphs("cuda", 1)
    assert sorted(asked) == [
        ("proxy-denoise.onnx", "cuda", package.sha256),
        ("proxy-encode.onnx", "cuda", package.sha256),
    ]


def test_a_package_without_answers_is_asked_nothing(tmp_path):
    path = make_package(tmp_path / "tiny")
    (path / SELF_TEST).write_text(json.dumps({"encode": "of another package"}))  # not listed
    Pipeline(load_package(path), "cpu")


def without(key):
    return lambda case: case.pop(key)


WRONG = {
    "a list": ("[]", "must be an object, got []"),
    "no JSON": ("{", "cannot be read as JSON"),
    "deep": ("[" * 100000, "cannot be read as JSON"),
    "text": ('{"encode": "of another package"}', "must be an object, got 'of another"),
    "no inputs": (without("inputs"), "lacks inputs"),
    "unknown field": (lambda case: case.update(more=1), "unknown fields more"),
    "text for a side": (lambda case: case["inputs"].update(frames=["a"]), "must be a whole number"),
    "negative": (lambda case: case["inputs"].update(frames=[1, 3, -5, 24, 32]), "sides of 1 or"),
    "20 GB": (lambda case: case["inputs"].update(frames=[1, 3, 5, 24000, 32000]), "at most"),
    "2^62": (lambda case: case["inputs"].update(frames=[1 << 62]), "must be a whole number"),
    "no outputs": (lambda case: case.update(outputs={}), "must be there"),
    "another input": (
        lambda case: case.update(inputs={"pixels": [1]}),
        "encode must have the inputs frames and outputs of latent, got pixels, latent",
    ),
    "another output": (
        lambda case: case["outputs"].update(more={"shape": [1], "kept": [1.0]}),
        "got frames, latent, more",
    ),
    "NaN": (lambda case: case["outputs"]["latent"].update(kept=[float("nan")]), "a finite number"),
    "few kept": (lambda case: case["outputs"]["latent"]["kept"].pop(), "kept of 'latent' must be"),
    "values of none": (lambda case: case["values"].update(t=[0.7]), "values of 't' must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_self_test_that_cannot_be_asked_is_refused_by_name(tmp_path, name):
    change, said = WRONG[name]
    path = make_package(tmp_path / "tiny")
    with_answers(path)
    if isinstance(change, str):
        text = change
    else:
        cases = json.loads((path / SELF_TEST).read_text())
        change(cases["encode"])
        text = json.dumps(cases)
    (path / SELF_TEST).write_text(text)
    with pytest.raises(AnyviewError) as refused:
        Pipeline(load_package(seal(path)), "cpu")
    assert refused.value.code == "invalid_model", refused.value.message
    assert SELF_TEST in refused.value.message
    assert said in refused.value.message


def test_a_case_of_a_graph_outside_of_the_package_is_refused(tmp_path):
    path = make_package(tmp_path / "tiny")
    package = with_answers(path, prefix="../other/")
    tested = SelfTest(package, PackageFiles(package))
    with pytest.raises(AnyviewError, match="is not among the files of the manifest"):
        tested.check_proxy_graphs("cuda", 1)

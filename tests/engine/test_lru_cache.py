"""Cached results are those of the same content, and coded rays those of the same motion."""

import numpy as np
import pytest

from anyview_ros.engine.lru_cache import LruCache, digest
from anyview_ros.engine.onnx import runtime
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.packages import load_package
from tests.packages import make_package

CAMERA = Camera.from_fov(32, 24, 1.2)
TARGET_ANCHORED = {"anchor": "target", "ray_code": "autoencoder"}


@pytest.mark.parametrize(
    "other",
    [
        (np.zeros((2, 3)), "ab"),
        (np.zeros((3, 2)), "a", "b"),
        (np.zeros((2, 3)), "b", "a"),
        (np.zeros((2, 3)), "a", "b", ""),
        (np.full((2, 3), -0.0), "a", "b"),
    ],
)
def test_keys_differ_where_content_does(other):
    one = (np.zeros((2, 3)), "a", "b")
    assert digest(*one) == digest(np.zeros((2, 3)), "a", "b") != digest(*other)


def test_the_result_that_was_used_longest_ago_goes():
    kept, made = LruCache(2), []
    for key in (b"a", b"b", b"a", b"c", b"a", b"b"):
        kept.get(key, lambda key=key: made.append(key))
    assert made == [b"a", b"b", b"c", b"b"]


@pytest.fixture
def pipeline(tmp_path):
    package = make_package(tmp_path / "tiny", **TARGET_ANCHORED)
    return Pipeline(load_package(package), "cpu")


def encodings(pipeline, monkeypatch, *requests):
    """Calls of `encode` for each request."""
    calls, right = [], runtime.Graph.__call__

    def counted(graph, **arrays):
        if "frames" in arrays:
            calls[-1] += 1
        return right(graph, **arrays)

    monkeypatch.setattr(runtime.Graph, "__call__", counted)
    for clip, view in requests:
        calls.append(0)
        pipeline.synthesize([clip], view, SynthesisOptions())
    return calls


def clip(seed=0, world=None):
    images = np.random.default_rng(seed).integers(0, 256, (5, 24, 32, 3)).astype(np.uint8)
    pose = np.eye(4) if world is None else world
    return Clip(tuple(Frame(k + 1, image, CAMERA, pose) for k, image in enumerate(images)))


def view(x, world=None):
    pose = (np.eye(4) if world is None else world) @ rigid(np.eye(3), (x, 0, 0))
    return View(CAMERA, np.tile(pose, (5, 1, 1)))


def test_what_requests_share_is_coded_once(pipeline, monkeypatch):
    elsewhere = rigid(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), (0.1, 123.4, 0.7))
    calls = encodings(
        *(pipeline, monkeypatch),
        (clip(), view(1.0)),  # the image, rays and moments of source and of target
        (clip(), view(1.0)),  # again: nothing
        (
            clip(),
            view(2.0),
        ),  # another camera: the source's rays; its own are those of any that stands
        (clip(1), view(2.0)),  # other images
        (clip(1, elsewhere), view(2.0, elsewhere)),  # the same pair at another place: nothing
        (clip(1), view(2.0 + 1e-5)),  # another pose, if by little
    )
    assert calls == [5, 0, 2, 1, 0, 2]


def test_a_shared_result_is_the_one_made_alone(pipeline, tmp_path):
    package = load_package(make_package(tmp_path / "b", **TARGET_ANCHORED))
    pipeline.synthesize([clip()], view(1.0), SynthesisOptions())
    beside = pipeline.synthesize([clip()], view(2.0), SynthesisOptions())
    alone = Pipeline(package, "cpu").synthesize([clip()], view(2.0), SynthesisOptions())
    np.testing.assert_array_equal(beside.frames, alone.frames)
    assert beside.clamped_moments == alone.clamped_moments

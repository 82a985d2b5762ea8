"""Source tensors are made once for each content, whatever they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.shared_sources import SharedSources
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.packages import load_package
from tests.packages import make_package

CAMERA = Camera.from_fov(32, 24, 1.2)


def clip(seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (5, 24, 32, 3), dtype=np.uint8)
    return Clip(
        tuple(Frame(10**9 + k * 10**8, image, CAMERA, np.eye(4)) for k, image in enumerate(pixels))
    )


def changed(frame_changes: dict[str, object]) -> Clip:
    frames = clip().frames
    return Clip((*frames[:-1], replace(frames[-1], **frame_changes)))  # type: ignore[arg-type]


CHANGES = {
    "one pixel": (changed({"image": clip(1).frames[-1].image}), np.eye(4), 1.0),
    "one pose": (changed({"world_from_cam": rigid(np.eye(3), (0, 0, 1e-6))}), np.eye(4), 1.0),
    "one camera": (changed({"camera": Camera.from_fov(32, 24, 1.21)}), np.eye(4), 1.0),
    "the anchor": (clip(), rigid(np.eye(3), (0, 0, 1e-6)), 1.0),
    "the scale": (clip(), np.eye(4), 0.5),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_of_content_is_seen(name: str) -> None:
    shared, made = SharedSources(4), list[str]()
    for source, anchor, scale in ((clip(), np.eye(4), 1.0), CHANGES[name], CHANGES[name]):
        shared.get(source, anchor, scale, lambda: made.append(name) or {})  # type: ignore[func-returns-value]
    assert len(made) == 2


def test_the_oldest_result_is_let_go() -> None:
    shared, made = SharedSources(2), list[int]()
    for seed in (0, 1, 0, 2, 0, 1):  # 1 was used last before 2 came
        shared.get(clip(seed), np.eye(4), 1.0, lambda seed=seed: made.append(seed) or {})  # type: ignore[misc, func-returns-value]
    assert made == [0, 1, 2, 1]


def test_a_second_camera_gets_the_bytes_it_would_get_alone(tmp_path: Path) -> None:
    package = load_package(make_package(tmp_path / "tiny"))
    views = [View(CAMERA, np.tile(rigid(np.eye(3), (x, 0, 0)), (5, 1, 1))) for x in (0.0, 3.0)]
    alone = [Pipeline(package, "cpu").synthesize([clip()], v, SynthesisOptions()) for v in views]
    pipeline = Pipeline(package, "cpu")
    beside = [pipeline.synthesize([clip()], v, SynthesisOptions()) for v in views]
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
    assert (beside[0].frames != beside[1].frames).any()

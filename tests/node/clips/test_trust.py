"""Coverage, uncertainty and the watermark of virtual cameras, over DDS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.trust.coverage import coverage, distances
from anyview_ros.frames import Clip, View
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.imaging.resize import resize_clip
from anyview_ros.node.clips.trust import coverage_image, watermarked
from anyview_ros.node.messages import image_message
from anyview_ros.packages import load_package
from tests.graph import CHECKOUT, Graph
from tests.node.rig import (
    CAMERA,
    OUTPUT,
    SENT,
    TRUST,
    Caller,
    Rig,
    asked,
    base_from_cam,
    clip,
    live,
    world_from_base,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

Street = tuple[Graph, Rig, Caller]
SAMPLES = 3
STAMPS = SENT[-9:]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def contract(model: Path) -> Contract:
    return load_package(model).contract


@pytest.fixture(scope="module")
def street(model: Path) -> Iterator[Street]:
    with live(165, model) as (opened, rig, caller):
        rig.send(SENT)
        yield opened, rig, caller


def beside(name: str, samples: int = 0) -> VirtualCamera:
    """Two metres to the right of the front camera."""
    camera = VirtualCamera(
        name=name,
        parent_frame="front_optical_frame",
        sources=["front"],
        uncertainty_samples=samples,
    )
    camera.pose.position.x = 2.0
    return camera


def world_from_beside() -> NDArray[np.float64]:
    """(9, 4, 4) of `beside`."""
    moved = np.eye(4)
    moved[0, 3] = 2.0
    return np.stack([world_from_base(ns) @ base_from_cam("front") @ moved for ns in STAMPS])


def given(contract: Contract) -> tuple[list[Clip], View]:
    """The sources and the target of `beside`."""
    return [resize_clip(clip("front", STAMPS), contract)], View(CAMERA, world_from_beside())


def test_uncertainty_is_published_with_the_frames_of_the_first_seed(
    street: Street, model: Path
) -> None:
    opened, _, caller = street
    assert caller.add(beside("unsure", SAMPLES)).success
    heard = caller.listen_to(asked("unsure"), {**OUTPUT, **TRUST})
    result = caller.synthesize(asked("unsure", seed=7))
    assert result.success, result.message
    opened.wait_until(lambda: all(len(kept) >= 9 for kept in heard.values()), "9 of each")

    pipeline = Pipeline(load_package(model), "cpu")
    clips, target = given(pipeline.package.contract)
    alone = pipeline.synthesize(clips, target, SynthesisOptions(seed=7))
    options = SynthesisOptions(seed=7, uncertainty_samples=SAMPLES)
    spread = pipeline.synthesize(clips, target, options).uncertainty
    assert spread.any()
    np.testing.assert_array_equal([rgb_from_image(i) for i in heard["image_raw"]], alone.frames)
    told = heard["uncertainty"]
    assert {(m.encoding, m.step, m.width, m.height) for m in told} == {("mono8", 64, 64, 48)}
    assert [m.header for m in told] == [m.header for m in heard["image_raw"]]
    np.testing.assert_array_equal([np.reshape(m.data, (48, 64)) for m in told], spread)
    assert [info.steps for info in result.infos] == [alone.steps] * 9


def test_coverage_is_published_with_every_frame(street: Street, contract: Contract) -> None:
    opened, _, caller = street
    assert caller.add(beside("covered")).success
    topics = {**OUTPUT, "coverage": TRUST["coverage"]}
    silent = opened.listen(TRUST["uncertainty"], "/virtual/covered/uncertainty")
    heard = caller.listen_to(asked("covered"), topics)
    assert caller.synthesize(asked("covered")).success
    opened.wait_until(lambda: all(len(kept) >= 9 for kept in heard.values()), "9 of each")

    told = heard["coverage"]
    assert {(m.encoding, m.step, m.width, m.height) for m in told} == {("mono8", 64, 64, 48)}
    assert [stamp_ns(m.header.stamp) for m in told] == STAMPS
    clips, target = given(contract)
    images = [np.reshape(m.data, (48, 64)) for m in told]
    np.testing.assert_array_equal(
        images, [coverage_image(clips, target, k, contract, contract.scene_scale) for k in range(9)]
    )
    # From the right of the source more is seen on the left.
    assert images[0][:, 0].min() > 200
    assert images[0][:, -1].max() < 100
    assert not silent, "nobody asked for uncertainty"


def test_the_function_in_the_docs_reads_the_messages() -> None:
    text = (CHECKOUT / "docs" / "trust.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    share = np.array([[255, 255, 127, 128]], np.uint8)
    spread = np.array([[0, 33, 0, 32]], np.uint8)
    messages = [image_message(image, 1, "chase_optical_frame") for image in (share, spread)]
    np.testing.assert_array_equal(names["trusted"](*messages), [[True, False, False, True]])


def test_a_request_with_a_camera_given_whole_has_uncertainty_too(street: Street) -> None:
    _, _, caller = street
    request = asked("passing", return_frames=True)
    request.camera = beside("passing", SAMPLES)
    seen: list[tuple[str, int, int]] = []
    goal = caller.send_goal(request, lambda f: seen.append((f.stage, f.step, f.steps)))
    assert caller.ask(goal.get_result_async).result.result.success
    assert {steps for stage, _, steps in seen if stage == "denoise"} == {4 * SAMPLES}


def test_coverage_of_a_large_image_is_that_of_the_model_enlarged(contract: Contract) -> None:
    large = CAMERA.resized(640, 480)
    clips, target = given(contract)
    pose = target.world_from_cam[0]
    image = coverage_image(clips, View(large, pose[None]), 0, contract, 1 / 16)
    exact = 255 * coverage([clips[0].frames[0]], large, pose, distances(1 / 16))
    assert image.shape == (480, 640)
    # Off by the steps of 1/16 along the edges of the source's view only.
    assert np.abs(image - exact).mean() < 4
    assert np.abs(image - exact).max() < 255 / 4


def test_frames_are_marked_where_the_parameter_says_so(model: Path) -> None:
    with live(166, model, "watermark:=true") as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(beside("marked")).success
        heard = caller.listen_to(asked("marked"))["image_raw"]
        result = caller.synthesize(asked("marked", return_frames=True))
        opened.wait_until(lambda: len(heard) >= 9, "9 frames")
        returned = [rgb_from_image(frame) for frame in result.frames]
        np.testing.assert_array_equal([rgb_from_image(frame) for frame in heard], returned)
    pipeline = Pipeline(load_package(model), "cpu")
    clips, target = given(pipeline.package.contract)
    plain = pipeline.synthesize(clips, target, SynthesisOptions()).frames
    np.testing.assert_array_equal(returned, watermarked(plain))


@pytest.mark.parametrize("size", [(64, 48), (256, 144), (1920, 1080), (100, 300)])
def test_the_mark_is_a_word_in_one_corner(size: tuple[int, int]) -> None:
    width, height = size
    images = np.full((2, height, width, 3), 200, np.uint8)
    marked = watermarked(images)
    assert (images == 200).all(), "the frames themselves stay"
    rows, columns = np.nonzero((marked[0] != 200).any(axis=-1))
    assert rows.max() == height - 1
    assert columns.min() == 0
    assert 0.25 * width < columns.max() < max(0.45 * width, min(width, 72))
    assert rows.min() > 0.6 * height
    letters = (marked[0] > 220).all(axis=-1).mean()
    assert letters > 0.001
    np.testing.assert_array_equal(marked[0], marked[1])

"""The topic of a virtual camera's depth: who has it, when it is asked for, and what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from anyview_ros.msg import SynthesisInfo
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import Image

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import View
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import image_message
from anyview_ros.node.virtual.publisher import CameraTopics, PublishedClip
from anyview_ros.packages import load_package
from tests.graph import Graph, graph
from tests.node.rig import (
    CAMERA,
    OUTPUT,
    SENT,
    asked,
    clip,
    live,
    raised_camera,
    values_of,
    wait_for,
    world_from_base,
)
from tests.node.test_lifecycle import Manager
from tests.packages import make_package

pytestmark = pytest.mark.graph

NOTHING = np.empty((0, 48, 64), np.uint8)
EARLY, STAMPS = (1_000_000_000, 1_100_000_000), (2_000_000_000, 2_100_000_000)


def measured() -> np.ndarray:
    """(2, 48, 64) float32 metres, unknown in a corner."""
    depth = np.linspace(0.5, 70, 2 * 48 * 64, dtype=np.float32).reshape(2, 48, 64)
    depth[:, :5, :9] = np.nan
    return depth


def published(depth: np.ndarray, stamps_ns: tuple[int, ...] = STAMPS) -> PublishedClip:
    def info(k: int, latency_s: float) -> SynthesisInfo:
        return SynthesisInfo(latency_s=latency_s)

    images = [np.full((48, 64, 3), 100 + k, np.uint8) for k in range(2)]
    return PublishedClip(
        images, stamps_ns, CAMERA, info, 0.0, 0.0, lambda k: NOTHING[0], NOTHING, depth
    )


@contextmanager
def topics(domain: int, has_depth: bool) -> Iterator[CameraTopics]:
    """Of a node that nothing spins: publishers close while an executor waits for them, else."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node("deep", context=context)
    made = CameraTopics(node, "deep", "deep_optical_frame", 10, has_depth)
    try:
        yield made
    finally:
        made.close()
        node.destroy_node()
        rclpy.shutdown(context=context)


def send_until(made: CameraTopics, holds: Callable[[], bool]) -> None:
    """Publish early clips: the first frames after subscribing may be lost, see `Rig`."""

    def sent() -> bool:
        made.publish(published(measured(), EARLY))
        return holds()

    wait_for(sent, "a frame")


def ends(messages: list[Any]) -> bool:
    return bool(messages) and stamp_ns(messages[-1].header.stamp) == STAMPS[-1]


def has_topic(opened: Graph) -> bool:
    return bool(opened.node.get_publishers_info_by_topic("/virtual/deep/depth"))


def test_depth_is_an_image_of_metres_with_the_stamp_and_frame_of_the_pixels() -> None:
    with graph(213) as opened, topics(213, True) as made:
        assert not made.wants_depth, "nobody listens"
        images = opened.listen(Image, "/virtual/deep/image_raw")
        heard = opened.listen(Image, "/virtual/deep/depth")
        wait_for(lambda: made.wants_depth, "the listener")
        send_until(made, lambda: bool(heard and images))
        made.publish(published(measured()))
        opened.wait_until(lambda: ends(heard) and ends(images), "both of each")
        del heard[:-2], images[:-2]
        assert [m.header for m in heard] == [m.header for m in images]
        assert heard[0].header.frame_id == "deep_optical_frame"
        assert {(m.encoding, m.width, m.height, m.step) for m in heard} == {("32FC1", 64, 48, 256)}
        assert not heard[0].is_bigendian
        told = [np.frombuffer(m.data, np.float32).reshape(48, 64) for m in heard]
        np.testing.assert_array_equal(told, measured())

        made.publish(published(np.empty((0, 48, 64), np.float32)))
        opened.wait_until(lambda: len(images) == 4, "a clip made while nobody listened")
        assert len(heard) == 2


def test_topics_that_are_closed_have_no_listeners() -> None:
    with graph(213) as opened, topics(213, True) as made:
        opened.listen(Image, "/virtual/deep/depth")
        wait_for(lambda: made.wants_depth, "the listener")
        made.close()
        assert not made.wants_depth
        assert made.publish(published(measured())).delays_s == (0.0, 0.0)


def test_times_are_reserved_where_a_clip_is_published_and_only_there() -> None:
    with graph(213) as opened, topics(213, False) as made:
        opened.listen(Image, "/virtual/deep/image_raw")
        clip = replace(published(NOTHING), period_s=0.4, age_s=5.0)
        assert clip.provenance(1).latency_s == 5.0
        wait_for(lambda: made.publish(clip).delays_s[1] > 0.3, "the listener")
        late = made.publish(clip)
        assert late.delays_s[1] == pytest.approx(late.delays_s[0] + 0.4)
        assert late.delays_s[0] > 0.3, "behind the one before"
        latency = pytest.approx(5.0 + late.delays_s[1], abs=1e-5)
        assert late.provenance(1).latency_s == latency


def test_the_topic_comes_and_goes_with_the_models_that_tell_depth() -> None:
    with graph(213) as opened, topics(213, False) as made:
        images = opened.listen(Image, "/virtual/deep/image_raw")
        for tells in (True, False, True):
            made.set_depth(tells)
            wait_for(lambda tells=tells: has_topic(opened) == tells, f"the topic: {tells}")
            before = len(images)
            send_until(made, lambda before=before: len(images) > before)
        assert image_message(measured()[0], 1, "a").data.typecode == "B"


def test_a_node_publishes_the_depth_of_its_pixels(tmp_path: Path) -> None:
    model = make_package(tmp_path / "deep", sweep_weights=True, plane_sweep=(0.25, 0.5, 1.0))
    with live(214, model) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("deep")).success
        request = asked("deep", seed=3)
        heard = caller.listen_to(request, {**OUTPUT, "depth": Image})
        assert caller.synthesize(request).success
        opened.wait_until(lambda: all(len(messages) >= 9 for messages in heard.values()), "9 each")
    told = [np.frombuffer(m.data, np.float32).reshape(48, 64) for m in heard["depth"]]
    assert [m.header for m in heard["depth"]] == [m.header for m in heard["image_raw"]]

    stamps = SENT[-9:]
    raised = rigid(np.eye(3), (0, 0, 4.0)) @ BODY_FROM_OPTICAL
    target = View(CAMERA, np.stack([world_from_base(ns) @ raised for ns in stamps]))
    options = SynthesisOptions(seed=3, depth=True)
    made = Pipeline(load_package(model), "cpu").synthesize([clip("front", stamps)], target, options)
    assert 0.1 < np.isfinite(made.depth).mean() < 0.9
    # Poses through TF are rounded otherwise, and pictures of noise are full of ties.
    agree = np.isclose(told, made.depth, rtol=1e-3, equal_nan=True)
    assert agree.mean() > 0.95
    assert not np.isclose(np.flip(told, axis=2), made.depth, rtol=1e-3).mean() > 0.5


def test_in_a_node_the_topic_is_there_as_long_as_the_model_tells_depth(tmp_path: Path) -> None:
    swept = {"plane_sweep": (0.5, 1.0), "max_sources": 2}
    deep = make_package(tmp_path / "deep", sweep_weights=True, **swept)
    flat = make_package(tmp_path / "flat", **swept)
    with live(214, deep, "source_size:=40") as (opened, _, caller):
        assert caller.add(raised_camera("deep")).success
        wait_for(lambda: has_topic(opened), "the topic")
        manager = Manager(opened)
        for model, tells in ((flat, False), (deep, True)):
            assert manager.set("model", str(model)).successful
            caller.status("model", lambda s, model=model: values_of(s)["model"] == model.name)
            wait_for(lambda tells=tells: has_topic(opened) == tells, f"the topic: {tells}")
            if not tells:
                without_effect = caller.status("parameters")
                assert values_of(without_effect)["source_size"].startswith(
                    "has no effect: model 'flat' does not tell which source a pixel is from"
                )

"""What is recorded is what was sent: messages, definitions and offered QoS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from anyview_ros.msg import SynthesisInfo
from geometry_msgs.msg import TransformStamped
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability, QosReliability
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from anyview_ros.datasets.bag import Bag
from anyview_ros.demo.recorder import Recorder
from anyview_ros.errors import AnyviewError
from anyview_ros.node.messages import image_message
from tests.graph import Graph, graph

pytestmark = pytest.mark.graph

DOMAIN = 70
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def live() -> Iterator[Graph]:
    with graph(DOMAIN) as opened:
        yield opened


def record_some(live: Graph, path: Path) -> tuple[list[Image], TFMessage]:
    """Records a latched TF and three images; returns the images and the TF as sent."""
    static = TFMessage(transforms=[TransformStamped(child_frame_id="front_optical_frame")])
    tf = live.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    tf.publish(static)
    images = live.node.create_publisher(Image, "/front/image_raw", 5)
    recorder = Recorder(live.node, path)
    wait_for_reader(live, images)
    sent = [an_image(k) for k in range(3)]
    for message in sent:
        images.publish(message)
    n = recorder.counts
    assert recorder.wait_until(lambda: n["/front/image_raw"] == 3 and n["/tf_static"] == 1, 10)
    recorder.close()
    return sent, static


def wait_for_reader(live: Graph, publisher: Publisher) -> None:
    matched = threading.Event()
    timer = live.node.create_timer(
        0.01, lambda: matched.set() if publisher.get_subscription_count() else None
    )
    assert matched.wait(10)
    live.node.destroy_timer(timer)


def an_image(k: int) -> Image:
    rgb = np.full((4, 6, 3), k, np.uint8)
    return image_message(rgb, 1_000_000_000 + k, "front_optical_frame")


def test_messages_come_back_as_they_were_sent(live: Graph, tmp_path: Path) -> None:
    images, static = record_some(live, tmp_path / "bag")
    with AnyReader([tmp_path / "bag"]) as reader:
        read = [(c.topic, raw) for c, _, raw in reader.messages()]
    assert "anyview_synthetic" not in custom_data(tmp_path / "bag"), "no image in it is synthetic"
    # Not compared as bytes: the padding of CDR is whatever was in memory.
    front = [deserialize_message(r, Image) for topic, r in read if topic == "/front/image_raw"]
    assert front == images
    tf = [deserialize_message(r, TFMessage) for topic, r in read if topic == "/tf_static"]
    assert tf == [static]
    with Bag(tmp_path / "bag") as bag:
        assert bag.topics("sensor_msgs/msg/Image") == ["/front/image_raw"]
        assert bag.stamps("/front/image_raw") == [1_000_000_000 + k for k in range(3)]
        image = bag.image("/front/image_raw", 1_000_000_002)
        assert image is not None
        assert image.shape == (4, 6, 3)
        assert (image == 2).all()
        assert bag.image("/front/image_raw", 5) is None


def test_messages_are_logged_at_the_time_of_the_stamps(live: Graph, tmp_path: Path) -> None:
    """Simulated, as `ros2 bag record --use-sim-time` does; what comes in one tick, in order."""
    images = live.node.create_publisher(Image, "/front/image_raw", 5)
    ticks = iter([1_000_000_000, 1_000_000_000, 1_100_000_000])
    recorder = Recorder(live.node, tmp_path / "bag", clock=lambda: next(ticks))
    wait_for_reader(live, images)
    for k in range(3):
        images.publish(an_image(k))
    assert recorder.wait_until(lambda: recorder.counts["/front/image_raw"] == 3, 10)
    recorder.close()
    with AnyReader([tmp_path / "bag"]) as reader:
        read = [(time, deserialize_message(raw, Image)) for _, time, raw in reader.messages()]
    logged = [(time, image.data[0]) for time, image in read]
    assert logged == [(1_000_000_000, 0), (1_000_000_001, 1), (1_100_000_000, 2)]


def test_it_says_which_topics_it_listens_to(live: Graph, tmp_path: Path) -> None:
    recorder = Recorder(live.node, tmp_path / "bag")
    assert "/front/image_raw" not in recorder.listened
    live.node.create_publisher(Image, "/front/image_raw", 5)
    assert recorder.wait_until(lambda: "/front/image_raw" in recorder.listened, 10)
    assert live.node.count_subscribers("/front/image_raw") == 1
    recorder.close()


def test_the_offered_qos_is_stored(live: Graph, tmp_path: Path) -> None:
    record_some(live, tmp_path / "bag")
    with AnyReader([tmp_path / "bag"]) as reader:
        offered = {
            c.topic: c.ext.offered_qos_profiles[0]
            for c in reader.connections
            if isinstance(c.ext, ConnectionExtRosbag2)
        }
    assert offered["/tf_static"].durability == QosDurability.TRANSIENT_LOCAL
    assert offered["/front/image_raw"].durability == QosDurability.VOLATILE
    assert offered["/front/image_raw"].reliability == QosReliability.RELIABLE


def test_best_effort_and_our_own_types_are_recorded(live: Graph, tmp_path: Path) -> None:
    publisher = live.node.create_publisher(SynthesisInfo, "/virtual/v/synthesis_info", BEST_EFFORT)
    recorder = Recorder(live.node, tmp_path / "bag")
    # Best effort may lose what is sent before the match: say it until it is heard.
    live.node.create_timer(0.05, lambda: publisher.publish(SynthesisInfo(camera="v", steps=4)))
    assert recorder.wait_until(lambda: recorder.counts["/virtual/v/synthesis_info"] > 0, 10)
    recorder.close()
    with Bag(tmp_path / "bag") as bag:
        info = next(bag.messages("/virtual/v/synthesis_info"))
    assert (info.camera, info.steps) == ("v", 4)
    said = custom_data(tmp_path / "bag")["anyview_synthetic"]
    assert said.startswith("Synthetic: ")
    assert said.endswith("All below: /virtual/v")


def custom_data(bag: Path) -> dict[str, str]:
    """What `ros2 bag` keeps of a bag's own notes, read from the file itself."""
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text(encoding="utf-8"))
    return dict(metadata["rosbag2_bagfile_information"]["custom_data"] or {})


def test_a_folder_that_exists_is_not_overwritten(live: Graph, tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match="give another folder") as caught:
        Recorder(live.node, tmp_path)
    assert caught.value.code == "bag_exists"


def test_what_is_no_bag_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: 3")
    for path, why in (
        (tmp_path, "its metadata.yaml is"),
        (tmp_path / "missing", "it is not there"),
    ):
        with pytest.raises(AnyviewError, match=f"cannot be read: {why}") as caught:
            Bag(path).__enter__()
        assert caught.value.code == "unreadable_bag"

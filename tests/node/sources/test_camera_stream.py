"""Frame tree and camera stream over real DDS, with the robot in another process."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.clips.frame_buffer import BufferLimits
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.clips.ledger import LedgerSnapshot
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse
from anyview_ros.imaging.resize import resize_image
from anyview_ros.node.messages import image_message, info_message
from anyview_ros.node.sources import camera_stream
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.transforms import tf
from anyview_ros.node.transforms.tf import FrameTree
from anyview_ros.packages import load_package
from tests.graph import Graph, child, graph
from tests.node.robot_process import (
    BASE_FROM_CAM,
    CAMERA,
    LASTING,
    odom_from_base,
    picture,
    transform,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

START_NS = 1_000_000_000
PERIOD_NS = 100_000_000
DEADLINE_S = 60.0
LIMITS = BufferLimits(max_age_ns=5 * 10**9, max_frames=60, max_bytes=10**8)
OPTIONS = SourceOptions("front", "/front/image_raw", "/front/camera_info", "odom", LIMITS)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")).contract


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Poll what no event announces; fails with `what` did not come."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        pause.wait(0.02)


class Robot:
    """The robot's process, which publishes one frame for each stamp it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.pid != os.getpid()
        assert process.stdout.readline() == "ready\n"  # its static transforms are out
        self._told = process.stdin

    def publish(self, stamp_ns: int) -> None:
        self._told.write(f"{stamp_ns}\n")
        self._told.flush()


@contextmanager
def robot(domain: int) -> Iterator[Robot]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with child(["tests.node.robot_process"], domain, **pipes) as process:
        yield Robot(process)


class Receiver:
    """A frame tree and one stream on a graph of the test's own."""

    def __init__(
        self,
        opened: Graph,
        contract: Contract,
        options: SourceOptions = OPTIONS,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        group = MutuallyExclusiveCallbackGroup()
        self.epochs: list[tuple[str, str]] = []
        self.tree = FrameTree(opened.node, 20.0, group)
        self.stream = CameraStream(
            opened.node,
            options,
            IntakeConfig.of(contract),
            self.tree,
            group,
            lambda *epoch: self.epochs.append(epoch),
            now_ns=now_ns,
        )

    def find(self, robot: Robot) -> None:
        """Return when frames arrive with their poses.

        A publisher knows its reader before the reader knows the publisher, and what it sends in
        between is lost: so frames of before START_NS are sent until one is through.
        """
        stamps = itertools.count(1_000_000, 1_000_000)

        def through() -> bool:
            robot.publish(next(stamps))
            return "odom" in self.tree.frames() and self.snapshot.received > 0

        wait_for(through, "a first frame")

    def receive(self, robot: Robot, stamps_ns: Sequence[int]) -> None:
        """One frame after the other, each waited for."""
        for stamp_ns in stamps_ns:
            robot.publish(stamp_ns)
            wait_for(
                lambda ns=stamp_ns: self.stream.status().newest_stamp_ns == ns,
                f"the image of {stamp_ns} ns",
            )
        wait_for(lambda: self.snapshot.pending_tf == 0, "the end of waiting for poses")

    @property
    def snapshot(self) -> LedgerSnapshot:
        return self.stream.ledger.snapshot()

    @property
    def problems(self) -> dict[str, str]:
        return {problem.code: problem.text for problem in self.stream.status().problems}


def test_frames_of_another_process_arrive_posed_and_stamped(contract: Contract) -> None:
    sent = [START_NS + k * PERIOD_NS for k in range(9)]
    with robot(20) as publisher, graph(20) as opened:
        receiver = Receiver(opened, contract)
        receiver.find(publisher)
        before_ns = receiver.stream.stored_ns
        receiver.receive(publisher, sent)
        assert receiver.stream.stored_ns > before_ns
        clip = receiver.stream.buffer.clip(0, 9, PERIOD_NS)
        status = receiver.stream.status()
    assert clip.stamps_ns == tuple(sent)
    for frame in clip.frames:
        expected = resize_image(picture(frame.stamp_ns), (24, 32), "area")
        np.testing.assert_array_equal(frame.image, expected)
        pose = odom_from_base(frame.stamp_ns) @ BASE_FROM_CAM
        np.testing.assert_allclose(frame.world_from_cam, pose, atol=1e-9)
        assert frame.camera == CAMERA.resized(32, 24)
    assert status.ledger.balanced
    assert status.ledger.buffered >= 9
    assert status.newest_stamp_ns == sent[-1]
    assert receiver.stream.latest_info is not None
    assert receiver.stream.latest_info.camera == CAMERA
    assert receiver.stream.source_frame_id == "front_optical_frame"


def test_a_looped_recording_goes_on_in_a_new_epoch(contract: Contract) -> None:
    """Without /clock; TF loops too, and static transforms are not sent again."""
    late = [60 * 10**9 + k * PERIOD_NS for k in range(6)]
    early = [START_NS + k * PERIOD_NS for k in range(7)]
    with robot(21) as publisher, graph(21) as opened:
        receiver = Receiver(opened, contract)
        receiver.find(publisher)
        receiver.receive(publisher, late)
        before = receiver.snapshot
        receiver.receive(publisher, early)
        clip = receiver.stream.buffer.clip(0, 5, PERIOD_NS)
        snapshot = receiver.snapshot
    assert clip.stamps_ns == tuple(early[-5:])
    pose = odom_from_base(early[-1]) @ BASE_FROM_CAM
    np.testing.assert_allclose(clip.frames[-1].world_from_cam, pose, atol=1e-9)
    assert receiver.epochs == [("front", "header stamps jumped back from 60.500 s to 1.000 s")]
    assert snapshot.balanced
    assert snapshot.buffered == 7
    assert snapshot.retired_unused == before.retired_unused + before.buffered
    assert snapshot.dropped == before.dropped


def test_frames_whose_pose_never_comes_are_dropped_by_the_steady_clock(contract: Contract) -> None:
    options = replace(OPTIONS, fixed_frame="map", tf_timeout_s=0.2)
    with robot(22) as publisher, graph(22) as opened:
        receiver = Receiver(opened, contract, options)
        receiver.find(publisher)
        receiver.receive(publisher, [START_NS])
        snapshot = receiver.snapshot
        text = receiver.problems["tf_unknown_frame"]
    assert snapshot.balanced
    assert snapshot.buffered == 0
    assert snapshot.dropped["tf_unknown_frame"] > 0
    assert text.startswith("'/front/image_raw': no frame 'map' in TF, frames there are: base_link")
    assert "front_optical_frame, odom" in text


def test_the_tree_remembers_static_transforms_through_a_jump() -> None:
    at_ns = 5 * 10**9
    with graph(23) as robot_graph, graph(23) as opened:
        static = robot_graph.node.create_publisher(TFMessage, "/tf_static", LASTING)
        mounted = transform("base_link", "camera", BASE_FROM_CAM, at_ns)
        static.publish(TFMessage(transforms=[mounted]))
        moving = robot_graph.node.create_publisher(TFMessage, "/tf", 10)
        tree = FrameTree(opened.node, 20.0, MutuallyExclusiveCallbackGroup())
        wait_for(lambda: "camera" in tree.frames() and moving.get_subscription_count(), "TF")
        arrivals: list[int] = []
        tree.on_arrival(lambda: arrivals.append(1))

        def move(stamp_ns: int) -> None:
            before = len(arrivals)
            pose = transform("odom", "base_link", odom_from_base(stamp_ns), stamp_ns)
            moving.publish(TFMessage(transforms=[pose]))
            wait_for(lambda: len(arrivals) > before, "the transform")

        move(at_ns)
        expected = odom_from_base(at_ns) @ BASE_FROM_CAM
        np.testing.assert_allclose(tree.lookup("odom", "camera", at_ns), expected, atol=1e-9)
        np.testing.assert_allclose(
            tree.lookup("camera", "odom", at_ns), inverse(expected), atol=1e-9
        )
        tree.reset()
        with pytest.raises(AnyviewError) as error:
            tree.lookup("odom", "camera", at_ns)
        assert error.value.code == "tf_waiting"
        np.testing.assert_allclose(tree.lookup("base_link", "camera", 7), BASE_FROM_CAM, atol=1e-9)

        move(at_ns)
        move(at_ns - 900_000_000)  # a reordering: both stay
        tree.lookup("odom", "camera", at_ns - 1)
        move(at_ns - 2_000_000_000)  # a jump: only the new one stays
        with pytest.raises(AnyviewError) as error:
            tree.lookup("odom", "camera", at_ns)
        assert error.value.code == "tf_waiting"
        tree.lookup("odom", "camera", at_ns - 2_000_000_000)
        with pytest.raises(AnyviewError, match="a time above 0, got 0") as error:
            tree.lookup("odom", "camera", 0)
        assert error.value.code == "zero_stamp"
        tree.close()
        wait_for(lambda: moving.get_subscription_count() == 0, "the end of the subscription")


def test_a_stray_frame_whose_stamps_step_back_costs_the_others_nothing() -> None:
    """As a detected tag, published by two nodes, or with stamp 0 now and then."""
    at_ns = 5 * 10**9
    with graph(96) as robot_graph, graph(96) as opened:
        moving = robot_graph.node.create_publisher(TFMessage, "/tf", 10)
        tree = FrameTree(opened.node, 20.0, MutuallyExclusiveCallbackGroup())
        wait_for(lambda: moving.get_subscription_count(), "TF")
        arrivals: list[int] = []
        tree.on_arrival(lambda: arrivals.append(1))

        def send(parent: str, child: str, stamp_ns: int) -> None:
            before = len(arrivals)
            pose = transform(parent, child, odom_from_base(stamp_ns), stamp_ns)
            moving.publish(TFMessage(transforms=[pose]))
            wait_for(lambda: len(arrivals) > before, "the transform")

        send("odom", "base_link", at_ns)
        send("base_link", "tag_7", at_ns)
        tree.lookup("odom", "base_link", at_ns)
        send("base_link", "tag_7", at_ns - 3 * 10**9)
        tree.lookup("odom", "base_link", at_ns)
        tree.lookup("base_link", "tag_7", at_ns - 3 * 10**9)  # which makes it one that is used
        send("base_link", "tag_7", at_ns)
        send("base_link", "tag_7", 0)
        with pytest.raises(AnyviewError, match="none has come yet"):
            tree.lookup("odom", "base_link", at_ns)


def test_two_who_place_a_frame_differently_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf, "AGAIN_S", 0.0)
    at_ns = 5 * 10**9
    with graph(96) as robot_graph, graph(96) as opened:
        moving = robot_graph.node.create_publisher(TFMessage, "/tf", 10)
        tree = FrameTree(opened.node, 20.0, MutuallyExclusiveCallbackGroup())
        wait_for(lambda: moving.get_subscription_count(), "TF")
        arrivals: list[int] = []
        tree.on_arrival(lambda: arrivals.append(1))

        def send(stamp_ns: int, parent: str = "odom", child: str = "base_link") -> None:
            before = len(arrivals)
            pose = transform(parent, child, odom_from_base(stamp_ns % at_ns), stamp_ns)
            pose.transform.translation.x += moved
            moving.publish(TFMessage(transforms=[pose]))
            wait_for(lambda: len(arrivals) > before, "the transform")

        moved = 0.0
        send(at_ns, child="tag")
        send(at_ns)
        tree.lookup("odom", "base_link", at_ns)
        send(at_ns)  # again, and the same
        moved = 50.0
        send(at_ns, child="tag")  # which no camera needs
        send(at_ns + 1)  # at another time
        assert tree.problem is None
        moved = 0.0
        send(at_ns + 1)
        problem = tree.problem
        assert problem is not None
        assert problem.code == "tf_contradiction"
        assert "'base_link' twice at 5.000 s, 50.000 m and 0.0 degrees apart" in problem.message
        assert "on /tf publish 'test'" in problem.message
        send(at_ns + 1, "map")
        assert "in 'odom' and in 'map'" in str(tree.problem)
        monkeypatch.setattr(tf, "FRESH_S", 0.0)
        assert tree.problem is None


@pytest.mark.parametrize(
    ("topic", "qos"),
    [
        ("/tf_static", QoSProfile(depth=10)),  # volatile: sent again and again
        ("/tf", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)),
    ],
)
def test_transforms_of_another_qos_come_too(
    topic: str, qos: QoSProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf, "PUBLISHERS_PERIOD_S", 0.1)
    with graph(97) as robot_graph, graph(97) as opened:
        publisher = robot_graph.node.create_publisher(TFMessage, topic, qos)
        tree = FrameTree(opened.node, 20.0, MutuallyExclusiveCallbackGroup())
        pose = transform("base_link", "camera", BASE_FROM_CAM, START_NS)

        def arrives() -> bool:
            publisher.publish(TFMessage(transforms=[pose]))
            return "camera" in tree.frames()

        wait_for(arrives, "the transform")
        np.testing.assert_allclose(
            tree.lookup("base_link", "camera", START_NS), BASE_FROM_CAM, atol=1e-9
        )
        tree.close()
        wait_for(lambda: publisher.get_subscription_count() == 0, "the end of both subscriptions")


def test_a_camera_info_that_was_published_once_before_is_received(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_stream, "LATCH_PERIOD_S", 0.1)
    with graph(98) as opened, graph(98) as camera:
        lasting = camera.node.create_publisher(CameraInfo, "/front/camera_info", LASTING)
        lasting.publish(info_message(CAMERA, 1, ""))  # nor does it name the frame
        image = camera.node.create_publisher(Image, "/front/image_raw", 10)
        static = camera.node.create_publisher(TFMessage, "/tf_static", LASTING)
        static.publish(TFMessage(transforms=[transform("odom", "front", BASE_FROM_CAM, 1)]))
        receiver = Receiver(opened, contract)
        stamps = itertools.count(START_NS, PERIOD_NS)

        def buffered() -> bool:
            stamp = next(stamps)
            image.publish(image_message(picture(stamp), stamp, "front"))
            return receiver.snapshot.buffered > 0

        wait_for(buffered, "a frame with the info of before")


def test_what_is_wrong_with_the_connection_is_named(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_stream, "SILENT_NS", 10**12)  # however slow the machine
    with graph(24) as opened, graph(24) as camera:
        receiver = Receiver(opened, contract, replace(OPTIONS, reliable=True))
        text = receiver.problems["no_publisher"]
        assert (
            text == "nobody publishes '/front/image_raw'; start the camera or fix front.image_topic"
        )

        compressed = camera.node.create_publisher(CompressedImage, "/front/image_raw/compressed", 1)
        wait_for(
            lambda: (
                "'/front/image_raw/compressed' is published: set front.transport to 'compressed'"
                in receiver.problems["no_publisher"]
            ),
            "the way out",
        )
        camera.node.destroy_publisher(compressed)

        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        publisher = camera.node.create_publisher(Image, "/front/image_raw", best_effort)
        wait_for(lambda: "qos_mismatch" in receiver.problems, "the mismatch")
        text = receiver.problems["qos_mismatch"]
        assert "'/front/image_raw': " in text
        assert "set front.reliability to 'best_effort'" in text
        camera.node.destroy_publisher(publisher)

        camera.node.create_publisher(Image, "/front/image_raw", 1)
        wait_for(
            lambda: not {"qos_mismatch", "no_publisher"} & set(receiver.problems),
            "a good publisher",
        )
        assert not receiver.problems
        monkeypatch.setattr(camera_stream, "SILENT_NS", 0)
        assert "has a publisher, but no image came" in receiver.problems["no_images"]
        assert "FASTDDS_DEFAULT_PROFILES_FILE" in receiver.problems["no_images"]


def test_a_source_that_is_held_back_is_not_silent(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's steady clock stands while it keeps a player paused."""
    monkeypatch.setattr(camera_stream, "SILENT_NS", 0)
    with graph(24) as opened, graph(24) as camera:
        receiver = Receiver(opened, contract, now_ns=lambda: 1)
        camera.node.create_publisher(Image, "/front/image_raw", 1)
        wait_for(lambda: "no_publisher" not in receiver.problems, "the publisher")
        assert not receiver.problems


def test_a_closed_stream_listens_no_more_and_can_be_opened_again(contract: Contract) -> None:
    with graph(25) as opened, graph(25) as camera:
        image = camera.node.create_publisher(Image, "/front/image_raw", 1)
        info = camera.node.create_publisher(CameraInfo, "/front/camera_info", 1)
        receiver = Receiver(opened, contract)
        for _ in range(2):
            wait_for(
                lambda: image.get_subscription_count() == info.get_subscription_count() == 1,
                "the subscriptions",
            )
            receiver.stream.close()
            receiver.tree.close()
            wait_for(
                lambda: image.get_subscription_count() + info.get_subscription_count() == 0,
                "the end of the subscriptions",
            )
            receiver = Receiver(opened, contract)

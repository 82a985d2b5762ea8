"""The thread of images beside rclpy's executor, over real DDS."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from anyview_ros.node.sources.image_thread import ImageGroup, ImageThread
from tests.graph import LOCAL, Graph, graph
from tests.node.rig import DEADLINE_S, wait_for

pytestmark = pytest.mark.graph

DOMAIN = 136
QUEUE = QoSProfile(depth=100)


@pytest.fixture
def node() -> Iterator[Node]:
    """With an executor of rclpy that runs."""
    os.environ.update(LOCAL)
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    made = Node("images", context=context)
    executor = MultiThreadedExecutor(2, context=context)
    executor.add_node(made)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin)
    thread.start()
    yield made
    context.try_shutdown()
    thread.join()
    made.destroy_node()


class Heard:
    """The names of the threads in which a callback ran."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def __call__(self, *_: Any) -> None:
        self.threads.append(threading.current_thread().name)


@contextmanager
def running(node: Node, group: ImageGroup) -> Iterator[ImageThread]:
    thread = ImageThread(node, group)
    try:
        yield thread
    finally:
        thread.stop()


def publish_until(opened: Graph, topic: str, heard: Heard, count: int = 1) -> None:
    publisher = opened.node.create_publisher(String, topic, 10)

    def came() -> bool:
        publisher.publish(String(data="a"))
        return len(heard.threads) >= count

    wait_for(came, topic)
    opened.node.destroy_publisher(publisher)


def test_each_callback_runs_on_its_own_side(node: Node) -> None:
    group, image, tick, other = ImageGroup(), Heard(), Heard(), Heard()
    node.create_subscription(String, "image", image, 10, callback_group=group)
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    node.create_timer(0.01, tick, callback_group=group, clock=steady)
    node.create_subscription(String, "other", other, 10)
    with graph(DOMAIN) as opened, running(node, group):
        publish_until(opened, "image", image, count=3)
        publish_until(opened, "other", other, count=3)
        wait_for(lambda: len(tick.threads) >= 3, "the timer")
    assert set(image.threads) == set(tick.threads) == {"images"}
    assert "images" not in other.threads


def test_the_groups_callbacks_may_create_and_destroy(node: Node) -> None:
    group, late = ImageGroup(), Heard()
    made: list[Any] = []

    def grow() -> None:
        if not made:
            made.append(node.create_subscription(String, "late", late, 10, callback_group=group))

    timer = node.create_timer(0.01, grow, callback_group=group)
    with graph(DOMAIN) as opened, running(node, group):
        publish_until(opened, "late", late)
        node.destroy_timer(timer)
        node.destroy_subscription(made[0])  # while the thread waits for it
    assert set(late.threads) == {"images"}


def test_what_is_small_does_not_queue_up_behind_images(node: Node) -> None:
    """The first image's callback blocks until there are many of both: then all words come first."""
    group, order = ImageGroup(), []
    began, full = threading.Event(), threading.Event()

    def image(message: Image) -> None:
        order.append("image")
        began.set()
        assert full.wait(DEADLINE_S)

    node.create_subscription(Image, "image", image, QUEUE, callback_group=group)
    node.create_subscription(
        String, "word", lambda word: order.append(word.data), QUEUE, callback_group=group
    )
    with graph(DOMAIN) as opened, running(node, group):
        images = opened.node.create_publisher(Image, "image", QUEUE)
        words = opened.node.create_publisher(String, "word", QUEUE)
        wait_for(
            lambda: images.get_subscription_count() + words.get_subscription_count() == 2, "both"
        )

        def came() -> bool:
            images.publish(Image())
            return began.is_set()

        wait_for(came, "an image")
        for _ in range(5):
            images.publish(Image())
            words.publish(String(data="word"))
        words.publish(String(data="last"))
        assert words.wait_for_all_acked(Duration(seconds=DEADLINE_S))
        assert images.wait_for_all_acked(Duration(seconds=DEADLINE_S))
        full.set()
        wait_for(lambda: order.count("image") >= 6, "the images")
    at = order.index("last")
    assert order[at - 5 : at] == ["word"] * 5
    assert order[:at].count("image") <= order.index("word") + 1


def test_it_stops_while_nothing_comes(node: Node) -> None:
    group, heard = ImageGroup(), Heard()
    node.create_subscription(String, "silent", heard, 10, callback_group=group)
    thread = ImageThread(node, group)
    thread.stop()
    assert "images" not in {other.name for other in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_a_callback_ends_the_node_and_is_shown(node: Node) -> None:
    group = ImageGroup()

    def mistake() -> None:
        raise RuntimeError("a mistake")

    node.create_timer(0.01, mistake, callback_group=group)
    thread = ImageThread(node, group)
    wait_for(lambda: not node.context.ok(), "the end of the context")
    thread.stop()

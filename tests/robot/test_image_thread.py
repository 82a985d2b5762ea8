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
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from anyview_ros.robot.image_thread import ImageGroup, ImageThread
from tests.graph import LOCAL, Graph, graph
from tests.robot.rig import wait_for

DOMAIN = 136


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

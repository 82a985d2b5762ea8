"""The frame tree over messages that are handed to it: no graph, and no time that passes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from anyview_ros.errors import AnyviewError
from anyview_ros.node.messages import time_message
from anyview_ros.node.steady_clock import STEADY
from anyview_ros.node.transforms import tf
from anyview_ros.node.transforms.tf import FrameTree

MS = 1_000_000
VOLATILE = QoSProfile(depth=1, durability=DurabilityPolicy.VOLATILE)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Graph:
    """Note what a frame tree asks of its node, and what it tells it."""

    def __init__(self) -> None:
        self.subscriptions: list[Any] = []
        self.publishers: dict[str, list[Any]] = {}
        self.logged: list[tuple[str, str]] = []
        self.destroyed: list[Any] = []
        self.tick: Callable[[], None] = lambda: None

    def create_subscription(
        self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile, **how: Any
    ) -> Any:
        made = SimpleNamespace(topic_name=topic, callback=callback, qos_profile=qos, **how)
        self.subscriptions.append(made)
        return made

    def create_timer(self, period_s: float, callback: Callable[[], None], **how: Any) -> str:
        self.tick, self.timer = callback, how
        return "timer"

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        return self.publishers.get(topic, [])

    def publish_with(self, topic: str, node: str, qos: QoSProfile) -> None:
        self.publishers[topic] = [SimpleNamespace(node_name=node, qos_profile=qos)]

    def get_logger(self) -> Any:
        return SimpleNamespace(
            warning=lambda text, **_: self.logged.append(("warning", text)),
            info=lambda text: self.logged.append(("info", text)),
        )

    def destroy_subscription(self, subscription: Any) -> None:
        self.destroyed.append(subscription)

    def destroy_timer(self, timer: Any) -> None:
        self.destroyed.append(timer)


class Robot:
    """A frame tree, and the transforms that it is sent."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.group = MutuallyExclusiveCallbackGroup()
        self.tree = FrameTree(cast(Node, self.graph), 20.0, self.group)
        self.send(place("base", "camera", 0), static=True)

    def send(self, *transforms: TransformStamped, static: bool = False) -> None:
        topic = "/tf_static" if static else "/tf"
        by = next(each for each in self.graph.subscriptions if each.topic_name == topic)
        by.callback(TFMessage(transforms=list(transforms)))

    def knows(self, target: str, source: str, at_ms: int) -> bool:
        try:
            self.tree.lookup(target, source, at_ms * MS)
        except AnyviewError:
            return False
        return True

    @property
    def problem(self) -> str:
        problem = self.tree.problem
        return problem.code if problem is not None else ""


@pytest.fixture
def robot() -> Robot:
    return Robot()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds that the tree sees pass."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(tf, "time", SimpleNamespace(monotonic=lambda: now.s))
    return now


def place(
    parent: str, child: str, at_ms: int, x: float = 0.0, yaw: float = 0.0, sign: float = 1.0
) -> TransformStamped:
    """Both signs of its quaternion mean the same."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = time_message(at_ms * MS)
    message.transform.translation.x = x
    message.transform.rotation.z = sign * np.sin(yaw / 2)
    message.transform.rotation.w = sign * np.cos(yaw / 2)
    return message


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (place("odom", "base", 1000, x=0.0012), "0.001 m and 0.0 degrees apart"),
        (place("odom", "base", 1000, yaw=np.radians(0.3)), "0.000 m and 0.3 degrees apart"),
        (place("odom", "base", 1000, yaw=np.pi), "0.000 m and 180.0 degrees apart"),
        (place("map", "base", 1000), "in 'odom' and in 'map'"),
        (place("odom", "base", 1000, x=0.0005, yaw=0.0005), ""),
        (place("odom", "base", 1000, sign=-1.0), ""),
        (place("odom", "base", 1001, x=5.0), ""),
    ],
)
def test_two_places_at_one_time_are_told(robot: Robot, other: TransformStamped, said: str) -> None:
    robot.graph.publish_with("/tf", "drive", RELIABLE)
    robot.send(place("odom", "base", 1000))
    assert robot.problem == ""
    robot.send(other)
    assert robot.problem == ("tf_contradiction" if said else "")
    if said:
        text = str(robot.tree.problem)
        assert f"'base' twice at 1.000 s, {said}" in text
        assert "on /tf publish 'drive'" in text


def test_a_contradiction_is_over_when_it_has_not_come_for_a_while(
    robot: Robot, clock: SimpleNamespace
) -> None:
    robot.send(place("odom", "", 1000))  # refused, and not forgotten
    assert robot.problem == "tf_invalid"
    robot.send(place("odom", "base", 1000), place("odom", "base", 1000, x=1.0))
    clock.s += 4.9
    assert robot.problem == "tf_contradiction"
    robot.send(place("odom", "base", 2000), place("odom", "base", 2000, x=1.0))
    clock.s += 4.9
    assert robot.problem == "tf_contradiction"
    clock.s += 0.2
    assert robot.problem == "tf_invalid"


def test_a_flood_of_contradictions_is_looked_at_twice_a_second(
    robot: Robot, clock: SimpleNamespace
) -> None:
    robot.send(place("odom", "base", 1000), place("odom", "base", 1000, x=1.0))
    robot.send(place("odom", "base", 1000, x=2.0))
    assert "1.000 m" in str(robot.tree.problem)
    clock.s += 0.51
    robot.send(place("odom", "base", 1000, x=2.0), place("odom", "base", 1000, x=5.0))
    assert "3.000 m" in str(robot.tree.problem)


def test_only_frames_on_the_way_of_a_lookup_matter(robot: Robot) -> None:
    robot.send(place("odom", "base", 1000), place("odom", "arm", 1000))
    assert robot.knows("odom", "camera", 1000)
    robot.send(place("odom", "arm", 1000, x=1.0))
    assert robot.problem == ""
    robot.send(place("odom", "base", 1000, x=1.0))
    assert robot.problem == "tf_contradiction"


def test_a_recording_that_loops_is_forgotten_but_for_static_transforms(robot: Robot) -> None:
    robot.send(place("odom", "base", 60_000), place("odom", "arm", 60_000))
    assert robot.knows("odom", "camera", 60_000)
    robot.send(place("odom", "base", 1000))
    assert robot.graph.logged == [
        (
            "warning",
            "TF of 'base' steps back from 60.000 s to 1.000 s: forgetting the transforms before",
        )
    ]
    assert robot.knows("odom", "camera", 1000)
    assert not robot.knows("odom", "base", 60_000)
    assert not robot.knows("odom", "arm", 60_000)


def test_slashes_before_names_mean_nothing(robot: Robot) -> None:
    """As bridges from ROS 1 send them: a loop is seen all the same, and a contradiction."""
    robot.send(place("/base", "/camera", 0), static=True)
    robot.send(place("/odom", "/base", 60_000))
    assert robot.knows("odom", "camera", 60_000)
    robot.send(place("/odom", "/base", 60_000, x=1.0))
    assert robot.problem == "tf_contradiction"
    robot.send(place("/odom", "/base", 1000))
    assert "TF of 'base' steps back from 60.000 s" in robot.graph.logged[0][1]
    assert not robot.knows("odom", "base", 60_000)


def test_a_frame_that_nobody_uses_is_forgotten_alone_and_told_once(robot: Robot) -> None:
    robot.send(place("odom", "base", 60_000), place("odom", "stray", 60_000))
    assert robot.knows("odom", "camera", 60_000)
    for at_ms in (1000, 9000, 1000):
        robot.send(place("odom", "stray", at_ms))
    assert robot.knows("odom", "camera", 60_000)
    assert robot.knows("odom", "stray", 1000)
    assert robot.graph.logged == [
        ("info", "TF of 'stray', which no camera uses, steps back from 60.000 s to 1.000 s")
    ]


def test_a_transform_that_is_late_by_up_to_a_second_finds_its_place(robot: Robot) -> None:
    robot.send(place("odom", "base", 3000), place("odom", "base", 2000))
    robot.send(place("odom", "base", 2001))  # behind the newest, not behind the last
    assert robot.graph.logged == []
    assert robot.knows("odom", "base", 2500)
    robot.send(place("odom", "base", 1999))
    assert len(robot.graph.logged) == 1


@pytest.mark.parametrize("stamp_ns", [0, -1])
def test_a_lookup_needs_a_time(robot: Robot, stamp_ns: int) -> None:
    """tf2 would take 0 for the latest."""
    with pytest.raises(AnyviewError, match=f"above 0, got {stamp_ns}") as refused:
        robot.tree.lookup("base", "camera", stamp_ns)
    assert refused.value.code == "zero_stamp"
    assert robot.knows("base", "camera", 1)


@pytest.mark.parametrize(
    ("topic", "qos", "matches"),
    [
        ("/tf_static", VOLATILE, False),
        ("/tf", BEST_EFFORT, False),
        ("/tf", RELIABLE, True),
        ("/tf_static", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL), True),
    ],
)
def test_a_publisher_of_another_qos_gets_a_weaker_subscription_once(
    robot: Robot, topic: str, qos: QoSProfile, matches: bool
) -> None:
    robot.graph.tick()
    assert len(robot.graph.subscriptions) == 2
    robot.graph.publish_with(topic, "old_driver", qos)
    robot.graph.tick()
    robot.graph.tick()
    assert len(robot.graph.subscriptions) == (2 if matches else 3)
    if not matches:
        strict = next(each for each in robot.graph.subscriptions if each.topic_name == topic)
        weaker = robot.graph.subscriptions[-1]
        assert weaker.topic_name == topic
        assert weaker.callback == strict.callback
        assert weaker.callback_group is robot.group
        assert weaker.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        ((level, text),) = robot.graph.logged
        assert level == "warning"
        assert f"'{topic}' of node 'old_driver' has another QoS (" in text
        robot.tree.close()
        assert weaker in robot.graph.destroyed


def test_listeners_hear_each_message_until_they_leave(robot: Robot) -> None:
    heard: list[str] = []
    listener = lambda: heard.append("arrived")  # noqa: E731
    robot.tree.on_arrival(listener)
    robot.send(place("odom", "base", 1000), place("odom", "arm", 1000))
    robot.send(place("base", "other", 0), static=True)
    assert heard == ["arrived", "arrived"]
    robot.tree.forget(listener)
    robot.send(place("odom", "base", 2000))
    assert len(heard) == 2


def test_publishers_are_watched_though_a_simulation_stands_still(robot: Robot) -> None:
    assert robot.graph.timer == {"callback_group": robot.group, "clock": STEADY}


def test_closed_it_has_no_subscription_and_no_timer(robot: Robot) -> None:
    robot.tree.close()
    assert robot.graph.destroyed == ["timer", *robot.graph.subscriptions]

"""`anyview check` beside five healthy robots that have more than is needed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import time_message
from tests.datasets.rig_bag import MS, RigRecording
from tests.datasets.test_field_bags import (
    arm_with_depth,
    driving_rig,
    drone,
    simulator,
    two_robots,
)
from tests.graph import Graph, child, graph
from tests.packages import make_package

pytestmark = pytest.mark.graph

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LOOP_NS = 2000 * MS  # the recordings' length
OF_ROBOT1 = ("-r", "__ns:=/robot1", "-r", "/tf:=tf", "-r", "/tf_static:=tf_static")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@contextmanager
def driving(opened: Graph, robot: RigRecording) -> Iterator[None]:
    """Publish what a robot would record, again and again, while its clock goes on."""
    recorded = robot.messages()
    publishers = {}
    for _, topic, message in recorded:
        if topic not in publishers:
            qos = LATCHED if topic.endswith("/tf_static") else QoSProfile(depth=50)
            publishers[topic] = opened.node.create_publisher(type(message), topic, qos)
    stopped = threading.Event()

    def publish() -> None:
        loop = 0
        while not stopped.is_set():
            before_ns = next(time_ns for time_ns, _, _ in recorded if time_ns)  # after /tf_static
            for time_ns, topic, message in recorded:
                if stopped.wait(max(0, time_ns - before_ns) / 1e9):
                    return
                before_ns = max(time_ns, before_ns)
                if loop == 0 or not topic.endswith("/tf_static"):
                    advance(message, LOOP_NS if loop else 0)
                    publishers[topic].publish(message)
            loop += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def advance(message: Any, by_ns: int) -> None:
    """Move the stamps of a message on, but for those that are not of the robot's clock."""
    for part in getattr(message, "transforms", [message]):
        stamp = stamp_ns(part.header.stamp)
        if stamp > LOOP_NS / 2:
            part.header.stamp = time_message(stamp + by_ns)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("domain", "robot", "cameras", "arguments"),
    [
        (140, driving_rig, ("front", "left", "rig_rear", "rig_wide"), ()),
        (141, arm_with_depth, ("front", "left"), ()),
        (142, drone, ("front", "left"), ()),
        (143, two_robots, ("front", "left"), OF_ROBOT1),
        (144, simulator, ("front", "left"), ()),
    ],
)
def test_a_healthy_robot_is_ok(
    model: Path,
    domain: int,
    robot: Callable[[], RigRecording],
    cameras: tuple[str, ...],
    arguments: tuple[str, ...],
) -> None:
    command = ["anyview_ros.cli", "check", "--seconds", "6", "--ros-args", *arguments]
    command += ["-p", f"model:={model}"]
    with (
        graph(domain) as opened,
        driving(opened, robot()),
        child(command, domain, stdout=subprocess.PIPE) as process,
    ):
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    lines = said.splitlines()
    assert not [line for line in lines if line.startswith("bad ")], said
    for camera in cameras:
        assert [line for line in lines if line.startswith(f"ok    camera {camera}: ")], said

"""A bag played over DDS with /clock, held back or stepped by services as a player or a simulator.

Stands in for `ros2 bag play --clock`, which no package index has: the same two services, of a type
whose request may be empty, as rosbag2_interfaces/srv/Pause is.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from anyview_ros.srv import ListVirtualCameras
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock

from anyview_ros.node.messages import time_message
from tests.graph import Graph

ANY_TYPE = ListVirtualCameras
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Player:
    """Publishes a bag's messages as they are, in their order, the clock before each.

    Args:
        path: the bag.
        node: whose services `pause`, `resume` and `step` are offered.
    """

    def __init__(self, opened: Graph, path: Path, node: str = "/rosbag2_player") -> None:
        with AnyReader([path]) as reader:
            self._recorded = [(c, time_ns, bytes(raw)) for c, time_ns, raw in reader.messages()]
        self._going = threading.Event()
        self._going.set()
        self._clock = opened.node.create_publisher(Clock, "/clock", 10)
        self.publishers: dict[str, Any] = {}
        for connection, _, raw in self._recorded:
            if connection.topic not in self.publishers:
                package, _, word = connection.msgtype.split("/")
                kind = getattr(import_module(f"{package}.msg"), word)
                qos = LATCHED if connection.topic == "/tf_static" else QoSProfile(depth=100)
                self.publishers[connection.topic] = opened.node.create_publisher(
                    kind, connection.topic, qos
                )
                if connection.topic == "/tf_static":
                    self.publishers[connection.topic].publish(raw)
        self.pauses, self.steps = 0, 0
        group = ReentrantCallbackGroup()
        for word, callback in (("pause", self._pause), ("resume", self._resume)):
            opened.node.create_service(ANY_TYPE, f"{node}/{word}", callback, callback_group=group)
        self._step_name, self._group, self._node = f"{node}/step", group, opened.node

    def play(self, apart_s: float) -> None:
        """Everything, images so far apart in the time of the wall; returns at the end."""
        for connection, time_ns, raw in self._recorded:
            self._going.wait()
            self._publish(connection, time_ns, raw)
            if connection.topic.endswith("image_raw"):
                threading.Event().wait(apart_s)

    @property
    def is_paused(self) -> bool:
        return not self._going.is_set()

    def wait_for_steps(self) -> None:
        """Offer the service `step`: each call publishes up to the next image."""
        self._next = iter(self._recorded)
        self._node.create_service(ANY_TYPE, self._step_name, self._step, callback_group=self._group)

    def _step(self, request: Any, response: Any) -> Any:
        self.steps += 1
        for connection, time_ns, raw in self._next:
            self._publish(connection, time_ns, raw)
            if connection.topic.endswith("image_raw"):
                break
        return response

    def _publish(self, connection: Any, time_ns: int, raw: bytes) -> None:
        if connection.topic != "/tf_static":
            self._clock.publish(Clock(clock=time_message(time_ns)))
            self.publishers[connection.topic].publish(raw)

    def _pause(self, request: Any, response: Any) -> Any:
        self.pauses += 1
        self._going.clear()
        return response

    def _resume(self, request: Any, response: Any) -> Any:
        self._going.set()
        return response

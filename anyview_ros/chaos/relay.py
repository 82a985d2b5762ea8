"""Stands between the topics of a robot and the node under test, and does to them what it is told.

Images, camera infos, /tf, /tf_static and /clock come in by their own names and go out below a
namespace, in which the node under test takes them for those of another robot.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.chaos.effects import Effect, Kind, Passed, passed_on
from anyview_ros.chaos.sightings import Thumbnail, thumbnail
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns

IMAGES = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
ANY_IMAGES = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
TF = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
TICK_S = 0.02  # how late a delayed message may be
NO_PICTURE = np.zeros((9, 16), np.float32)  # of an image that cannot be decoded


class Relay:
    """Passes the messages on; `effect` says how. All of it runs on the node's executor.

    Args:
        node: subscribes and publishes.
        topics: of raw images, by camera; camera infos lie beside them.
        namespace: below which everything is published, with its first slash.
        on_image: called with camera, stamp, picture and steady time of each whole image that is
            sent.
    """

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, str],
        namespace: str,
        on_image: Callable[[str, int, Thumbnail | None, float], None],
    ) -> None:
        self.effect: Effect = passed_on
        self.frame_ids: dict[str, str] = {}  # of each camera, once it sent an image
        self._node, self._topics, self._namespace = node, topics, namespace
        self._on_image = on_image
        self._late: list[tuple[float, int, Kind, str, Passed]] = []
        self._order = itertools.count()
        self._static: dict[str, Any] = {}  # by frame
        self._cameras: dict[str, tuple[Publisher, Publisher]] = {}
        for camera, topic in topics.items():
            self.bring_back(camera)
            info_topic = f"{topic.rpartition('/')[0]}/camera_info"
            self._subscribe("image", camera, Image, topic, ANY_IMAGES)
            self._subscribe("info", camera, CameraInfo, info_topic, ANY_IMAGES)
        self._tf = node.create_publisher(TFMessage, f"{namespace}/tf", TF)
        self._tf_static = node.create_publisher(TFMessage, f"{namespace}/tf_static", LATCHED)
        self._clock = node.create_publisher(Clock, f"{namespace}/clock", IMAGES)
        self._subscribe("tf", "", TFMessage, "/tf", TF)
        self._subscribe("static", "", TFMessage, "/tf_static", LATCHED)
        self._subscribe("clock", "", Clock, "/clock", ANY_IMAGES)
        node.create_timer(TICK_S, self._send_late)

    def take_away(self, camera: str) -> None:
        """End the publishers of a camera, as when its driver dies. On the node's executor."""
        for publisher in self._cameras.pop(camera):
            self._node.destroy_publisher(publisher)

    def bring_back(self, camera: str) -> None:
        """Make the publishers of a camera. On the node's executor."""
        folder = f"{self._namespace}/{camera}"
        self._cameras[camera] = (
            self._node.create_publisher(Image, f"{folder}/image_raw", IMAGES),
            self._node.create_publisher(CameraInfo, f"{folder}/camera_info", IMAGES),
        )

    def repeat_static(self) -> None:
        """Publish all static transforms again."""
        self._tf_static.publish(TFMessage(transforms=list(self._static.values())))

    def _subscribe(
        self, kind: Kind, camera: str, message_type: type, topic: str, qos: QoSProfile
    ) -> None:
        self._node.create_subscription(message_type, topic, partial(self._take, kind, camera), qos)

    def _take(self, kind: Kind, camera: str, message: Any) -> None:
        if kind == "image":
            self.frame_ids.setdefault(camera, message.header.frame_id)
        for passed in self.effect(kind, camera, message):
            if passed.delay_s:
                due_s = time.monotonic() + passed.delay_s
                heapq.heappush(self._late, (due_s, next(self._order), kind, camera, passed))
            else:
                self._send(kind, camera, passed)

    def _send_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, kind, camera, passed = heapq.heappop(self._late)
            self._send(kind, camera, passed)

    def _send(self, kind: Kind, camera: str, passed: Passed) -> None:
        message = passed.message
        if kind == "tf":
            self._tf.publish(message)
        elif kind == "clock":
            self._clock.publish(message)
        elif kind == "static":
            self._static |= {each.child_frame_id: each for each in message.transforms}
            self.repeat_static()
        elif publishers := self._cameras.get(camera):
            images, infos = publishers
            if kind == "image" and passed.is_whole:  # noted first: an answer may come at once
                stamp = stamp_ns(message.header.stamp)
                picture = _picture(message) if passed.is_placed else None
                self._on_image(camera, stamp, picture, time.monotonic())
            (images if kind == "image" else infos).publish(message)


def _picture(message: Image) -> Thumbnail:
    try:
        return thumbnail(rgb_from_image(message))
    except AnyviewError:
        return NO_PICTURE

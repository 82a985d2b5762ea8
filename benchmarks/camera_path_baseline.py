"""The usual way of a camera into a model, against which benchmarks/camera_path.py measures.

A typed subscription, conversion as cv_bridge's `imgmsg_to_cv2(message, "bgr8")` does it (decoding
where the image is compressed), BGR to RGB, and resizing of every frame; the newest frame of each
camera is kept. It pairs no camera info, looks up no pose and checks nothing. At the end of its
input it prints how many frames of the measurement it received.

With `--work typed` or `--work serialized` it only receives, with the node's settings of the C
allocator: what the two kinds of subscription cost.
"""

from __future__ import annotations

import argparse
import struct
import sys
import threading
from contextlib import suppress

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from anyview_ros.node.allocator import keep_freed_memory


class Receiver:
    """Subscribes to the topics and counts."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._newest: dict[str, NDArray[np.uint8]] = {}
        self.received = 0

    def subscribe(self, node: Node) -> None:
        kind = CompressedImage if self._arguments.transport == "compressed" else Image
        work = {"usual": self._keep, "typed": self._count, "serialized": self._count_serialized}
        callback = work[self._arguments.work]
        for topic in self._arguments.topics:
            node.create_subscription(
                kind,
                topic,
                lambda message, topic=topic: callback(topic, message),
                qos_profile_sensor_data,
                raw=self._arguments.work == "serialized",
            )

    def _keep(self, topic: str, message: Image | CompressedImage) -> None:
        rgb = cv2.cvtColor(self._bgr(message), cv2.COLOR_BGR2RGB)
        self._newest[topic] = cv2.resize(rgb, self._arguments.size, interpolation=cv2.INTER_AREA)
        self._count(topic, message)

    def _bgr(self, message: Image | CompressedImage) -> NDArray[np.uint8]:
        if self._arguments.transport == "compressed":
            return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        rgb = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)

    def _count(self, topic: str, message: Image | CompressedImage) -> None:
        self.received += message.header.stamp.sec >= self._arguments.from_s

    def _count_serialized(self, topic: str, message: bytes) -> None:
        (sec,) = struct.unpack_from("<i", message, 4)  # behind the encapsulation
        self.received += sec >= self._arguments.from_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--transport", choices=("raw", "compressed"), required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True, help="width and height")
    parser.add_argument("--from-s", type=int, required=True, help="first stamp that counts")
    parser.add_argument("--work", choices=("usual", "typed", "serialized"), default="usual")
    arguments = parser.parse_args()
    if arguments.work != "usual":
        keep_freed_memory()
    receiver = Receiver(arguments)
    rclpy.init()
    node = rclpy.create_node(f"camera_path_{arguments.work}")
    receiver.subscribe(node)
    spinning = threading.Thread(target=_spin, args=(node,))
    spinning.start()
    sys.stdin.read()
    rclpy.shutdown()
    spinning.join()
    print(receiver.received, flush=True)


def _spin(node: Node) -> None:
    with suppress(ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()

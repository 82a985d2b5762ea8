"""The usual way of a camera into a model, against which benchmarks/camera_path.py measures.

A typed subscription, conversion as cv_bridge's `imgmsg_to_cv2(message, "bgr8")` does it (decoding
where the image is compressed), BGR to RGB, and resizing of every frame; the newest frame of each
camera is kept. It pairs no camera info, looks up no pose and checks nothing. At the end of its
input it prints how many frames of the measurement it received.
"""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import suppress

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--transport", choices=("raw", "compressed"), required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True, help="width and height")
    parser.add_argument("--from-s", type=int, required=True, help="first stamp that counts")
    arguments = parser.parse_args()
    newest: dict[str, NDArray[np.uint8]] = {}
    received = [0]

    def convert(message: Image | CompressedImage) -> NDArray[np.uint8]:
        if arguments.transport == "compressed":
            return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        rgb = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)

    def keep(topic: str, message: Image | CompressedImage) -> None:
        rgb = cv2.cvtColor(convert(message), cv2.COLOR_BGR2RGB)
        newest[topic] = cv2.resize(rgb, arguments.size, interpolation=cv2.INTER_AREA)
        received[0] += message.header.stamp.sec >= arguments.from_s

    rclpy.init()
    node = rclpy.create_node("camera_path_baseline")
    kind = CompressedImage if arguments.transport == "compressed" else Image
    for topic in arguments.topics:
        node.create_subscription(
            kind, topic, lambda m, topic=topic: keep(topic, m), qos_profile_sensor_data
        )
    spinning = threading.Thread(target=_spin, args=(node,))
    spinning.start()
    sys.stdin.read()
    rclpy.shutdown()
    spinning.join()
    print(received[0], flush=True)


def _spin(node: rclpy.node.Node) -> None:
    with suppress(ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()

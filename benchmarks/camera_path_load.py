"""Publishes 1080p cameras as bytes that were serialized before, for benchmarks/camera_path.py.

Only stamps are written into the bytes, so that what is measured is who receives them. Every
camera sends image and camera info, and all share one TF message, at the same stamps, 30 times a
second. `--seconds` of frames begin at `--from-s`, 0 for the time of day, when a line comes in;
before that, frames of earlier stamps are sent until then. It prints "ready" when everyone listens,
"done" at the end.
"""

from __future__ import annotations

import argparse
import struct
import sys
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from anyview_ros.frames import Camera
from anyview_ros.node.messages import image_message, info_message

CAMERA = Camera.from_fov(1920, 1080, 1.2)
RATE_HZ = 30
STATIC = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STAMP, TF_STAMP = 4, 8  # where the first stamp is: behind the encapsulation, and a length in TF


class Sender:
    """One topic and the bytes that go to it."""

    def __init__(self, node: Node, kind: type, topic: str, message: object, stamp_at: int) -> None:
        self._publisher = node.create_publisher(kind, topic, QoSProfile(depth=10))
        self._bytes = bytearray(serialize_message(message))
        self._stamp_at = stamp_at

    def send(self, stamp_ns: int) -> None:
        struct.pack_into("<iI", self._bytes, self._stamp_at, *divmod(stamp_ns, 10**9))
        self._publisher.publish(bytes(self._bytes))

    @property
    def readers(self) -> int:
        return int(self._publisher.get_subscription_count())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--transport", choices=("raw", "compressed"), required=True)
    parser.add_argument("--readers", type=int, required=True, help="of each camera's images")
    parser.add_argument("--from-s", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("camera_path_load")
    static = node.create_publisher(TFMessage, "/tf_static", STATIC)
    mounted = [_transform("base_link", _frame(name)) for name in arguments.cameras]
    static.publish(TFMessage(transforms=mounted))
    moving = TFMessage(transforms=[_transform("odom", "base_link")])
    tf = Sender(node, TFMessage, "/tf", moving, TF_STAMP)
    images = [_images(node, name, arguments.transport) for name in arguments.cameras]
    infos = [_infos(node, name) for name in arguments.cameras]
    while min(sender.readers for sender in images) < arguments.readers:
        time.sleep(0.05)
    senders = [tf, *infos, *images]
    asked = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), asked.set()), daemon=True).start()
    print("ready", flush=True)
    _drive(senders, 1, lambda k: not asked.is_set())
    time.sleep(1.0)  # what is on its way arrives
    print("start", flush=True)
    sys.stdin.readline()
    frames = round(arguments.seconds * RATE_HZ)
    _drive(senders, arguments.from_s or time.time(), lambda k: k < frames)
    print("done", flush=True)
    sys.stdin.read()


def _drive(senders: list[Sender], from_s: float, goes_on: Callable[[int], bool]) -> None:
    began, k = time.monotonic(), 0
    while goes_on(k):
        for sender in senders:
            sender.send(round(from_s * 1e9) + k * 10**9 // RATE_HZ)
        k += 1
        time.sleep(max(0.0, began + k / RATE_HZ - time.monotonic()))


def _images(node: Node, name: str, transport: str) -> Sender:
    message = image_message(_picture(), 1, _frame(name))
    if transport == "raw":
        return Sender(node, Image, f"/{name}/image_raw", message, STAMP)
    coded = CompressedImage(header=message.header, format="rgb8; jpeg compressed bgr8")
    coded.data = cv2.imencode(".jpg", _picture()[..., ::-1])[1].tobytes()
    return Sender(node, CompressedImage, f"/{name}/image_raw/compressed", coded, STAMP)


def _infos(node: Node, name: str) -> Sender:
    message = info_message(CAMERA, 1, _frame(name))
    return Sender(node, CameraInfo, f"/{name}/camera_info", message, STAMP)


def _frame(name: str) -> str:
    return f"{name}_optical_frame"


def _picture() -> NDArray[np.uint8]:
    """Edges and texture about as dense as a street's: its jpeg is about 0.5 MB."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(0, 256, (135, 240, 3), np.uint8), (1920, 1080))
    return np.clip(coarse + rng.normal(0, 4, coarse.shape), 0, 255).astype(np.uint8)


def _transform(parent: str, child: str) -> TransformStamped:
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    transform.header.stamp.sec = 1
    return transform


if __name__ == "__main__":
    main()

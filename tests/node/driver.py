"""A camera driver of its own for tests: it may be closed, opened again, and send anything."""

from __future__ import annotations

from itertools import count
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.frames import Camera
from anyview_ros.node.messages import image_message, info_message
from tests.node.rig import CAMERA, Caller, values_of, wait_for

FRAME = "front_optical_frame"


def texture(camera: Camera, stamp_ns: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 in patches of 8 pixels, another one for each size and stamp."""
    rng = np.random.default_rng([camera.width, camera.height, stamp_ns])
    rows, columns = -(-camera.height // 8), -(-camera.width // 8)
    coarse = rng.integers(0, 255, (rows, columns, 3), dtype=np.uint8)
    tiled = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    return np.ascontiguousarray(tiled[: camera.height, : camera.width])


class Driver:
    """One camera's publishers."""

    def __init__(self, node: Node, name: str, compressed: bool = False) -> None:
        self._node = node
        self.name = name
        self._compressed = compressed
        kind, topic = Image, f"/{name}/image_raw"
        if compressed:
            kind, topic = CompressedImage, f"{topic}/compressed"
        self._images = node.create_publisher(kind, topic, 50)
        self._infos = node.create_publisher(CameraInfo, f"/{name}/camera_info", 50)

    def send(self, stamp_ns: int, camera: Camera = CAMERA, cut: int | None = None) -> None:
        """Camera info and image; `cut`: bytes of a compressed image that are sent."""
        self._infos.publish(info_message(camera, stamp_ns, FRAME))
        image = image_message(texture(camera, stamp_ns), stamp_ns, FRAME)
        if self._compressed:
            content = cv2.imencode(".png", texture(camera, stamp_ns)[..., ::-1])[1].tobytes()
            image = CompressedImage(header=image.header, format="png", data=content[:cut])
        self._images.publish(image)

    def connect(self, caller: Caller) -> None:
        """Send frames of before the tests' stamps until one arrives.

        The first ones may be lost, see `Rig.wait_for_node`.
        """
        wait_for(lambda: self.is_heard, self.name)
        before = int(values_of(caller.status(f"camera {self.name}"))["received"])
        stamps = count(1, 1_000_000)

        def received(status: Any) -> bool:
            self.send(next(stamps))
            return int(values_of(status)["received"]) > before

        caller.status(f"camera {self.name}", received)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens to its images and camera infos."""
        return all(p.get_subscription_count() for p in (self._images, self._infos))

    def close(self) -> None:
        self._node.destroy_publisher(self._images)
        self._node.destroy_publisher(self._infos)

"""The newest image of each camera, made small enough for a page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.compression import decode_compressed
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.imaging.resize import resize_image
from anyview_ros.topics import COMPRESSED

LONGER_SIDE = 640  # pixels
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class ImageFeeds:
    """Subscriptions to images, raw or compressed.

    The session's thread stores messages; who asks for images decodes them.

    Args:
        node: subscribes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._subscriptions: dict[str, tuple[str, Any]] = {}
        self._newest: dict[str, Any] = {}
        self._unread: set[str] = set()

    def listen(self, topics: Mapping[str, str]) -> None:
        """Listen to these topics, by camera, and to no others."""
        for key, (topic, subscription) in tuple(self._subscriptions.items()):
            if topics.get(key) != topic:
                self._node.destroy_subscription(subscription)
                del self._subscriptions[key]
                with self._lock:
                    self._newest.pop(key, None)
        for key in topics.keys() - self._subscriptions.keys():
            topic = topics[key]
            kind = CompressedImage if topic.endswith(COMPRESSED) else Image
            made = self._node.create_subscription(kind, topic, self._keep(key), NEWEST)
            self._subscriptions[key] = topic, made

    def stamp_ns(self, key: str) -> int:
        """Return the stamp of the newest image; 0 before there is one."""
        with self._lock:
            message = self._newest.get(key)
        return stamp_ns(message.header.stamp) if message else 0

    def images(self) -> dict[str, NDArray[np.uint8]]:
        """Return images (H, W, 3) RGB that came since the last call; unreadable ones are left out.

        The node tells those in its diagnostics.
        """
        with self._lock:
            messages = {key: self._newest[key] for key in self._unread if key in self._newest}
            self._unread.clear()
        images = {}
        for key, message in messages.items():
            try:
                images[key] = _small(message)
            except AnyviewError:
                continue
        return images

    def _keep(self, key: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            with self._lock:
                self._newest[key] = message
                self._unread.add(key)

        return keep


def _small(message: Any) -> NDArray[np.uint8]:
    is_file = isinstance(message, CompressedImage)
    image = decode_compressed(message) if is_file else rgb_from_image(message)
    height, width = image.shape[:2]
    factor = min(1.0, LONGER_SIDE / max(height, width))
    return resize_image(image, (round(height * factor), round(width * factor)), "area")

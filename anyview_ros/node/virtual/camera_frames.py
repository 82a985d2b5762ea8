"""The frames of virtual cameras in TF: those that stand on /tf_static, those that move on /tf."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from anyview_ros.node.messages import transform_message

QUEUE_MESSAGES = 100  # as tf2_ros::TransformBroadcaster


class CameraFrames:
    """Our part of TF. Not thread-safe: `VirtualCameras` has the lock.

    Frames that stand go out in one latched message that holds all of them, as tf2 publishes it.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._standing: dict[str, TransformStamped] = {}
        self._newest_ns: dict[str, int] = {}
        self._ever: set[str] = set()
        latched = QoSProfile(
            depth=1,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
            reliability=ReliabilityPolicy.RELIABLE,
        )
        self._static = node.create_publisher(TFMessage, "/tf_static", latched)
        self._dynamic = node.create_publisher(TFMessage, "/tf", QUEUE_MESSAGES)

    def is_ours(self, frame: str) -> bool:
        """Return whether this node publishes the frame, or did: listeners keep static frames."""
        return frame in self._ever

    def stand(self, parent: str, child: str, parent_from_child: NDArray[np.float64]) -> None:
        """Publish a frame for all times, in place of the one of this name."""
        stamp_ns = self._node.get_clock().now().nanoseconds
        self._standing[child] = transform_message(parent, child, parent_from_child, stamp_ns)
        self._ever.add(child)
        self._publish_standing()

    def move(
        self, parent: str, child: str, stamps_ns: Sequence[int], poses: NDArray[np.float64]
    ) -> None:
        """Publish where a frame was at some times.

        Times go forward only: stamps that step back would look like a clock that jumped, and make
        listeners forget everything that moves.

        Args:
            stamps_ns: T, increasing.
            poses: (T, 4, 4) parent_from_child.
        """
        self._ever.add(child)
        newest_ns = self._newest_ns.get(child, 0)
        newer = [
            transform_message(parent, child, pose, stamp)
            for stamp, pose in zip(stamps_ns, poses, strict=True)
            if stamp > newest_ns
        ]
        if newer:
            self._newest_ns[child] = stamps_ns[-1]
            self._dynamic.publish(TFMessage(transforms=newer))

    def drop(self, child: str) -> None:
        """Stop publishing a frame: who comes later does not see it."""
        if self._standing.pop(child, None) is not None:
            self._publish_standing()

    def forget_times(self) -> None:
        """Forget the newest stamps of moving frames, so that earlier times can be published."""
        self._newest_ns.clear()

    def _publish_standing(self) -> None:
        self._static.publish(TFMessage(transforms=list(self._standing.values())))

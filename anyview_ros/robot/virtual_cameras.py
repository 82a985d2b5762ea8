"""The virtual cameras there are: their topics, and their frames on /tf_static."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.robot.publisher import CameraTopics
from anyview_ros.robot.requests import AskedCamera

QUEUE_CLIPS = 2  # that the publishers' queues hold


class StaticFrames:
    """Our part of /tf_static: one latched message that holds all of it, as tf2 publishes it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._transforms: dict[str, TransformStamped] = {}
        self._ever: set[str] = set()
        latched = QoSProfile(
            depth=1,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
            reliability=ReliabilityPolicy.RELIABLE,
        )
        self._publisher = node.create_publisher(TFMessage, "/tf_static", latched)

    def is_ours(self, frame: str) -> bool:
        """Whether this node publishes the frame, or did: listeners keep static frames forever."""
        return frame in self._ever

    def put(self, parent: str, child: str, parent_from_child: NDArray[np.float64]) -> None:
        """Publish a frame, in place of the one of this name.

        Raises:
            AnyviewError: `invalid_parent` when the parent stands on the frame itself.
        """
        self._refuse_loop(parent, child)
        message = TransformStamped(child_frame_id=child)
        message.header.frame_id = parent
        message.header.stamp = self._node.get_clock().now().to_msg()
        move = message.transform
        move.translation.x, move.translation.y, move.translation.z = parent_from_child[:3, 3]
        turn = quaternion_xyzw(parent_from_child)
        move.rotation.x, move.rotation.y, move.rotation.z, move.rotation.w = turn
        self._transforms[child] = message
        self._ever.add(child)
        self._publish()

    def drop(self, child: str) -> None:
        """Stop publishing a frame: who comes later does not see it."""
        self._transforms.pop(child, None)
        self._publish()

    def _refuse_loop(self, parent: str, child: str) -> None:
        ancestor = parent
        while ancestor != child and ancestor in self._transforms:
            ancestor = self._transforms[ancestor].header.frame_id
        if ancestor == child:
            raise AnyviewError(
                "invalid_parent",
                f"'{parent}' stands on '{child}' itself; name another parent_frame",
            )

    def _publish(self) -> None:
        self._publisher.publish(TFMessage(transforms=list(self._transforms.values())))


@dataclass(frozen=True)
class VirtualCamera:
    """A virtual camera and its topics."""

    asked: AskedCamera
    topics: CameraTopics


class VirtualCameras:
    """Added cameras by name, and those that live for one request. Thread-safe: one lock.

    Args:
        node: publishes.
        fixed_frame: parent of cameras that name none.
        tree_frames: the frames of the TF tree.
        source_names: of the cameras that are there, whose names are taken.
    """

    def __init__(
        self,
        node: Node,
        fixed_frame: str,
        tree_frames: Callable[[], tuple[str, ...]],
        source_names: Callable[[], tuple[str, ...]],
    ) -> None:
        self._node = node
        self._fixed_frame = fixed_frame
        self._tree_frames = tree_frames
        self._source_names = source_names
        self._frames = StaticFrames(node)
        self._lock = threading.Lock()
        self._cameras: dict[str, VirtualCamera] = {}
        self._temporary: set[str] = set()

    def add(self, asked: AskedCamera, contract: Contract) -> None:
        """Open the topics and publish the frame.

        Args:
            contract: of the model, whose clips the publishers' queues hold.

        Raises:
            AnyviewError: `name_taken`, `frame_taken`, `invalid_parent`.
        """
        with self._lock:
            self._refuse_taken(asked)
            self._publish_frame(asked)
            self._cameras[asked.name] = VirtualCamera(asked, self._open(asked, contract))

    def update(self, asked: AskedCamera) -> None:
        """Replace everything but the name; the topics stay.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_parent`.
        """
        with self._lock:
            topics = self._known(asked.name).topics
            self._publish_frame(asked)
            self._cameras[asked.name] = VirtualCamera(asked, topics)

    def remove(self, name: str) -> None:
        """Close the topics and take back the frame.

        Raises:
            AnyviewError: `unknown_camera`.
        """
        with self._lock:
            camera = self._known(name)
            del self._cameras[name]
            self._frames.drop(camera.asked.frame_id)
        camera.topics.close()

    def close(self) -> None:
        """Close all topics; for the end of the node, when nothing can be published any more."""
        with self._lock:
            for camera in self._cameras.values():
                camera.topics.close()
            self._cameras.clear()

    def listed(self) -> list[AskedCamera]:
        """Added cameras in order of name."""
        with self._lock:
            return [self._cameras[name].asked for name in sorted(self._cameras)]

    def named(self, name: str) -> VirtualCamera:
        """An added camera.

        Raises:
            AnyviewError: `unknown_camera`, naming those there are.
        """
        with self._lock:
            return self._known(name)

    @contextmanager
    def for_one_request(self, asked: AskedCamera, contract: Contract) -> Iterator[VirtualCamera]:
        """A camera that exists as long as the context; it has topics but no frame in TF.

        Raises:
            AnyviewError: `name_taken`, `frame_taken`.
        """
        with self._lock:
            self._refuse_taken(asked)
            self._temporary.add(asked.name)
        topics = self._open(asked, contract)
        try:
            yield VirtualCamera(asked, topics)
        finally:
            topics.close()
            with self._lock:
                self._temporary.discard(asked.name)

    def _known(self, name: str) -> VirtualCamera:
        if name not in self._cameras:
            there_are = ", ".join(sorted(self._cameras)) or "none"
            raise AnyviewError(
                "unknown_camera",
                f"no virtual camera '{name}'; there are: {there_are}; add it first, or give the "
                "camera whole",
            )
        return self._cameras[name]

    def _refuse_taken(self, asked: AskedCamera) -> None:
        if asked.name in self._cameras or asked.name in self._temporary:
            raise AnyviewError(
                "name_taken", f"there is a virtual camera '{asked.name}'; update or remove it"
            )
        if asked.name in self._source_names():
            raise AnyviewError(
                "name_taken", f"'{asked.name}' is a source camera; choose another name"
            )
        frame = asked.frame_id
        if frame in self._tree_frames() and not self._frames.is_ours(frame):
            raise AnyviewError(
                "frame_taken", f"another node publishes the frame '{frame}'; choose another name"
            )

    def _open(self, asked: AskedCamera, contract: Contract) -> CameraTopics:
        depth = QUEUE_CLIPS * max(contract.frames)
        return CameraTopics(self._node, asked.name, asked.frame_id, depth)

    def _publish_frame(self, asked: AskedCamera) -> None:
        parent = asked.parent_frame or self._fixed_frame
        self._frames.put(parent, asked.frame_id, asked.parent_from_cam)

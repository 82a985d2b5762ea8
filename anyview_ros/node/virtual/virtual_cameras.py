"""The virtual cameras there are: their topics, their frames, and the hands that steer them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node

from anyview_ros.clips.placements import Standing, Steered
from anyview_ros.clips.source_choice import Choice
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.node.parameters import Settings
from anyview_ros.node.virtual.asked_camera import AskedCamera
from anyview_ros.node.virtual.camera_frames import CameraFrames
from anyview_ros.node.virtual.hands import Hands
from anyview_ros.node.virtual.publisher import CameraTopics
from anyview_ros.node.virtual.steering import steered

QUEUE_CLIPS = 2  # that the publishers' queues hold
WARN_PERIOD_S = 5.0


@dataclass(frozen=True)
class VirtualCamera:
    """A virtual camera, its topics, and what its last clip was made from.

    Args:
        choice: its sources if the node chose them; None before.
        memory: its keyframes, in words.
        is_temporary: whether it exists for one request, and is closed once that is published.
    """

    asked: AskedCamera
    topics: CameraTopics
    choice: Choice | None = None
    memory: str = ""
    is_temporary: bool = False


class Surroundings(Protocol):
    """The source cameras and the TF tree as they are now."""

    def source_names(self) -> tuple[str, ...]:
        """The names of the source cameras, which are taken."""

    def tree_frames(self) -> tuple[str, ...]:
        """The frames of the TF tree."""

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """The pose of a frame in the fixed frame; never waits."""

    def newest_ns(self) -> int:
        """Stamp of the newest source image, 0 when there is none."""


class VirtualCameras:
    """Added cameras by name, and those that live for one request. Thread-safe: one lock.

    Args:
        node: publishes.
        surroundings: among which they are named and placed.
        settings: the node's parameters, as they are now.
    """

    def __init__(
        self,
        node: Node,
        surroundings: Surroundings,
        settings: Callable[[], Settings],
    ) -> None:
        self._node = node
        self._surroundings = surroundings
        self._settings = settings
        self._fixed_frame = settings().fixed_frame  # parent of cameras that name none
        self._frames = CameraFrames(node)
        self._hands = Hands(node, self._fixed_frame, self._on_pose)
        self._lock = threading.Lock()
        self._cameras: dict[str, VirtualCamera] = {}
        self._temporary: set[str] = set()
        self._on_change: Callable[[], None] = lambda: None

    def watch(self, on_change: Callable[[], None]) -> None:
        """Call this from now on after a camera was added, changed by a service, or removed."""
        self._on_change = on_change

    def follow(self, contract: Contract) -> None:
        """There is another model: give the cameras the topics that it can fill."""
        with self._lock:
            for camera in self._cameras.values():
                camera.topics.tell_depth(contract.sweep_weights)

    def add(self, asked: AskedCamera, contract: Contract) -> None:
        """Open the topics and publish the frame.

        Args:
            contract: of the model, whose clips the publishers' queues hold.

        Raises:
            AnyviewError: `name_taken`, `frame_taken`, `invalid_parent`, `too_many_cameras`,
                `invalid_parameter` for overrides of the topics' QoS.
        """
        with self._lock:
            self._refuse_taken(asked)
            self._refuse_one_too_many()
            topics = self._open(asked, contract)
            try:
                self._place(asked)
            except AnyviewError:
                topics.close()
                raise
            self._cameras[asked.name] = VirtualCamera(asked, topics)
            self._hands.add(asked)
        self._on_change()

    def update(self, asked: AskedCamera) -> None:
        """Replace everything but the name; the topics stay.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_parent`.
        """
        with self._lock:
            camera = self._known(asked.name)
            self._place(asked)
            self._cameras[asked.name] = replace(camera, asked=asked)
            self._hands.follow(asked)
        self._on_change()

    def steer(self, name: str, message: PoseStamped) -> None:
        """Move a camera by hand; when it is refused the last good pose stays.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_parent`, and those of `steering.steered`.
        """
        newest_ns = self._surroundings.newest_ns()
        with self._lock:
            camera = self._known(name)
            world_from = self._surroundings.world_from
            placement = steered(camera.asked.placement, message, world_from, newest_ns)
            asked = replace(camera.asked, placement=placement)
            self._place(asked)
            self._cameras[name] = replace(camera, asked=asked)
            self._hands.follow(asked)

    def refused_pose(self, name: str) -> AnyviewError | None:
        """Why the last pose of a hand was refused; None when it was not."""
        return self._hands.refused(name)

    def show_frames(
        self, asked: AskedCamera, stamps_ns: Sequence[int], poses: NDArray[np.float64]
    ) -> None:
        """Publish the frame of an added camera that moves, at the stamps of its images.

        Args:
            stamps_ns: T, increasing.
            poses: (T, 4, 4) world_from_cam.
        """
        with self._lock:
            if asked.name in self._cameras and not isinstance(asked.placement, Standing):
                self._frames.move(self._fixed_frame, asked.frame_id, stamps_ns, poses)

    def forget_times(self) -> None:
        """The clock jumped: steered cameras keep their newest pose, for all times."""
        with self._lock:
            self._frames.forget_times()
            for name, camera in self._cameras.items():
                if isinstance(camera.asked.placement, Steered):
                    held = replace(camera.asked, placement=camera.asked.placement.held())
                    self._cameras[name] = replace(camera, asked=held)

    def remove(self, name: str) -> None:
        """Close the topics and take back the frame.

        Raises:
            AnyviewError: `unknown_camera`.
        """
        with self._lock:
            camera = self._known(name)
            del self._cameras[name]
            self._hands.drop(name)
            self._frames.drop(camera.asked.frame_id)
        self._on_change()
        camera.topics.close()

    def close(self) -> None:
        """Close all topics; for the end of the node, when nothing can be published any more."""
        with self._lock:
            for camera in self._cameras.values():
                camera.topics.close()
            self._cameras.clear()

    def note_choice(self, name: str, choice: Choice) -> None:
        """Keep the sources that were chosen for a camera, if it was added."""
        with self._lock:
            if name in self._cameras:
                self._cameras[name] = replace(self._cameras[name], choice=choice)

    def note_memory(self, name: str, memory: str) -> None:
        """Keep what of the past a camera's last clip was made from, if it was added."""
        with self._lock:
            if name in self._cameras:
                self._cameras[name] = replace(self._cameras[name], memory=memory)

    def listed(self) -> list[VirtualCamera]:
        """Added cameras in order of name."""
        with self._lock:
            return [self._cameras[name] for name in sorted(self._cameras)]

    def in_tf(self) -> list[VirtualCamera]:
        """Those of `listed` with a frame: one that moves has none before its first images."""
        cameras = self.listed()
        with self._lock:
            return [camera for camera in cameras if self._frames.is_ours(camera.asked.frame_id)]

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
            yield VirtualCamera(asked, topics, is_temporary=True)
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
        if asked.name in self._cameras:
            raise AnyviewError(
                "name_taken", f"there is a virtual camera '{asked.name}'; update or remove it"
            )
        if asked.name in self._temporary:
            raise AnyviewError(
                "name_taken",
                f"a request is running whose camera is '{asked.name}'; choose another name, or "
                "wait for its answer",
            )
        if asked.name in self._surroundings.source_names():
            raise AnyviewError(
                "name_taken", f"'{asked.name}' is a source camera; choose another name"
            )
        frame = asked.frame_id
        if frame in self._surroundings.tree_frames() and not self._frames.is_ours(frame):
            raise AnyviewError(
                "frame_taken", f"another node publishes the frame '{frame}'; choose another name"
            )

    def _open(self, asked: AskedCamera, contract: Contract) -> CameraTopics:
        queue = QUEUE_CLIPS * max(contract.frames)
        tells_depth = contract.sweep_weights
        return CameraTopics(self._node, asked.name, asked.frame_id, queue, tells_depth)

    def _place(self, asked: AskedCamera) -> None:
        """Publish where a camera stands; where one that moves is goes with its images."""
        self._refuse_loop(asked)
        if isinstance(asked.placement, Standing):
            pose = asked.placement.pose
            parent = pose.frame or self._fixed_frame
            self._frames.stand(parent, asked.frame_id, pose.frame_from_cam)
        else:
            self._frames.drop(asked.frame_id)

    def _refuse_loop(self, asked: AskedCamera) -> None:
        stands_on = {c.asked.frame_id: c.asked.placement.frames for c in self._cameras.values()}
        for parent in asked.placement.frames:
            ancestors, found = [parent], {parent}
            while ancestors:
                above = set(stands_on.get(ancestors.pop(), ())) - found
                ancestors += above
                found |= above
            if asked.frame_id in found:
                raise AnyviewError(
                    "invalid_parent",
                    f"'{parent}' stands on '{asked.frame_id}' itself; name another parent_frame",
                )

    def _refuse_one_too_many(self) -> None:
        max_cameras = self._settings().max_virtual_cameras
        if len(self._cameras) >= max_cameras:
            raise AnyviewError(
                "too_many_cameras",
                f"there are {len(self._cameras)} virtual cameras, at most {max_cameras} "
                "here: they share one model, and each has queues of its own; remove one, or raise "
                "the parameter max_virtual_cameras",
            )

    def _on_pose(self, name: str, message: PoseStamped) -> None:
        try:
            self.steer(name, message)
        except AnyviewError as error:
            self._note_refused(name, error)

    def _note_refused(self, name: str, error: AnyviewError) -> None:
        with self._lock:
            if name not in self._cameras:  # removed while the pose was on its way
                return
            self._hands.refuse(self._cameras[name].asked, error)
        self._node.get_logger().warning(
            f"a pose of virtual camera '{name}' is refused: {error.message}",
            throttle_duration_sec=WARN_PERIOD_S,
        )

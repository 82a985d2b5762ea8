"""The virtual cameras there are: their topics, their frames, and how they are steered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node

from anyview_ros.clips.placements import Standing, Steered
from anyview_ros.clips.source_choice import Choice
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.node.parameters import Settings
from anyview_ros.node.virtual.camera_frames import CameraFrames
from anyview_ros.node.virtual.publisher import CameraTopics
from anyview_ros.node.virtual.steering import apply_pose
from anyview_ros.node.virtual.steering_interface import SteeringInterface

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

    request: CameraRequest
    topics: CameraTopics
    choice: Choice | None = None
    memory: str = ""
    is_temporary: bool = False


class Surroundings(Protocol):
    """The source cameras and the TF tree as they are now."""

    def source_names(self) -> tuple[str, ...]:
        """Return the names of the source cameras, which are taken."""

    def tree_frames(self) -> tuple[str, ...]:
        """Return the frames of the TF tree."""

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the pose of a frame in the fixed frame; never wait."""

    def newest_ns(self) -> int:
        """Return the stamp of the newest source image, 0 if there is none."""


class _Taken(NamedTuple):
    sources: tuple[str, ...]
    frames: tuple[str, ...]


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
        self._steering = SteeringInterface(node, self._fixed_frame, self._on_pose)
        self._lock = threading.Lock()
        self._cameras: dict[str, VirtualCamera] = {}
        self._temporary: set[str] = set()
        self._on_change: Callable[[], None] = lambda: None

    def watch(self, on_change: Callable[[], None]) -> None:
        """Call this from now on after a camera was added, changed by a service, or removed."""
        self._on_change = on_change

    def follow(self, contract: Contract) -> None:
        """Open or close topics of all cameras by what another model gives."""
        with self._lock:
            for camera in self._cameras.values():
                camera.topics.set_depth(contract.sweep_weights)

    def add(self, request: CameraRequest, contract: Contract) -> None:
        """Open the topics and publish the frame.

        Args:
            contract: of the model, whose clips the publishers' queues hold.

        Raises:
            AnyviewError: `name_taken`, `frame_taken`, `invalid_parent`, `too_many_cameras`,
                `invalid_parameter` for overrides of the topics' QoS.
        """
        taken = self._taken_around()
        with self._lock, ExitStack() as undo:
            self._refuse_taken(request, taken)
            self._refuse_one_too_many()
            topics = self._open(request, contract)
            undo.callback(topics.close)
            self._place(request)
            undo.callback(self._frames.drop, request.frame_id)
            self._steering.add(request)
            self._cameras[request.name] = VirtualCamera(request, topics)
            undo.pop_all()
        self._on_change()
        self._node.get_logger().info(f"virtual camera '{request.name}' was added")

    def update(self, request: CameraRequest) -> None:
        """Replace everything but the name; the topics stay.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_parent`.
        """
        with self._lock:
            camera = self._known(request.name)
            self._place(request)
            self._cameras[request.name] = replace(camera, request=request)
            self._steering.follow(request)
        self._on_change()

    def steer(self, name: str, message: PoseStamped) -> None:
        """Move a camera to a pose; if that is refused, the last good pose stays.

        Raises:
            AnyviewError: `unknown_camera`, `invalid_parent`, and those of `steering.apply_pose`.
        """
        newest_ns = self._surroundings.newest_ns()
        with self._lock:
            camera = self._known(name)
            world_from = self._surroundings.world_from
            placement = apply_pose(camera.request.placement, message, world_from, newest_ns)
            request = replace(camera.request, placement=placement)
            self._place(request)
            self._cameras[name] = replace(camera, request=request)
            self._steering.follow(request)

    def refused_pose(self, name: str) -> AnyviewError | None:
        """Return why the last pose of a camera was refused; None if it was not."""
        return self._steering.refused(name)

    def show_frames(
        self, request: CameraRequest, stamps_ns: Sequence[int], poses: NDArray[np.float64]
    ) -> None:
        """Publish the frame of an added camera that moves, at the stamps of its images.

        Not that of one that stands by now: listeners would forget where, which is said once.

        Args:
            stamps_ns: T, increasing.
            poses: (T, 4, 4) world_from_cam.
        """
        with self._lock:
            now = self._cameras.get(request.name)
            both = (request, now.request) if now is not None else ()
            if both and not any(isinstance(each.placement, Standing) for each in both):
                self._frames.move(self._fixed_frame, request.frame_id, stamps_ns, poses)

    def forget_times(self) -> None:
        """Hold every steered camera at its newest pose, for all times, after a clock jump."""
        with self._lock:
            self._frames.forget_times()
            for name, camera in self._cameras.items():
                if isinstance(camera.request.placement, Steered):
                    held = replace(camera.request, placement=camera.request.placement.hold_newest())
                    self._cameras[name] = replace(camera, request=held)

    def remove(self, name: str, end_requests: Callable[[], None]) -> None:
        """Close the topics and take back the frame.

        Args:
            end_requests: called once the camera is not found any more, before its topics close.

        Raises:
            AnyviewError: `unknown_camera`.
        """
        with self._lock:
            camera = self._known(name)
            del self._cameras[name]
            self._steering.drop(name)
            self._frames.drop(camera.request.frame_id)
        self._on_change()
        end_requests()
        camera.topics.close()
        self._node.get_logger().info(f"virtual camera '{name}' was removed")

    def close(self) -> None:
        """Close all topics; for the end of the node, when nothing can be published any more."""
        with self._lock:
            for camera in self._cameras.values():
                camera.topics.close()
            self._cameras.clear()

    def note_choice(self, name: str, choice: Choice) -> None:
        """Store the sources that were chosen for a camera, if it was added."""
        with self._lock:
            if name in self._cameras:
                self._cameras[name] = replace(self._cameras[name], choice=choice)

    def note_memory(self, name: str, memory: str) -> None:
        """Store what of the past a camera's last clip was made from, if it was added."""
        with self._lock:
            if name in self._cameras:
                self._cameras[name] = replace(self._cameras[name], memory=memory)

    def listed(self) -> list[VirtualCamera]:
        """Return the added cameras in order of name."""
        with self._lock:
            return [self._cameras[name] for name in sorted(self._cameras)]

    def in_tf(self) -> list[VirtualCamera]:
        """Return those of `listed` with a frame: one that moves has none before its images."""
        cameras = self.listed()
        with self._lock:
            return [camera for camera in cameras if self._frames.is_ours(camera.request.frame_id)]

    def named(self, name: str) -> VirtualCamera:
        """Return an added camera.

        Raises:
            AnyviewError: `unknown_camera`, naming those there are.
        """
        with self._lock:
            return self._known(name, "; add it first, or give the camera whole")

    def is_added(self, name: str) -> bool:
        """Return whether a camera of this name was added."""
        with self._lock:
            return name in self._cameras

    @contextmanager
    def for_one_request(
        self, request: CameraRequest, contract: Contract
    ) -> Iterator[VirtualCamera]:
        """Yield a camera that exists as long as the context, with topics but no frame in TF.

        Raises:
            AnyviewError: `name_taken`, `frame_taken`.
        """
        taken = self._taken_around()
        with self._lock:
            self._refuse_taken(request, taken)
            self._temporary.add(request.name)
        try:
            with closing(self._open(request, contract)) as topics:
                yield VirtualCamera(request, topics, is_temporary=True)
        finally:
            with self._lock:
                self._temporary.discard(request.name)

    def _known(self, name: str, advice: str = "") -> VirtualCamera:
        if name not in self._cameras:
            there_are = ", ".join(sorted(self._cameras)) or "none"
            raise AnyviewError(
                "unknown_camera", f"no virtual camera '{name}'; there are: {there_are}{advice}"
            )
        return self._cameras[name]

    def _taken_around(self) -> _Taken:
        """Return the names that others have; not under the lock, for it may wait for a model."""
        return _Taken(self._surroundings.source_names(), self._surroundings.tree_frames())

    def _refuse_taken(self, request: CameraRequest, taken: _Taken) -> None:
        if request.name in self._cameras:
            raise AnyviewError(
                "name_taken", f"there is a virtual camera '{request.name}'; update or remove it"
            )
        if request.name in self._temporary:
            raise AnyviewError(
                "name_taken",
                f"a request is running whose camera is '{request.name}'; choose another name, or "
                "wait for its answer",
            )
        if request.name in taken.sources:
            raise AnyviewError(
                "name_taken", f"'{request.name}' is a source camera; choose another name"
            )
        frame = request.frame_id
        if frame in taken.frames and not self._frames.is_ours(frame):
            raise AnyviewError(
                "frame_taken", f"another node publishes the frame '{frame}'; choose another name"
            )

    def _open(self, request: CameraRequest, contract: Contract) -> CameraTopics:
        return CameraTopics(
            node=self._node,
            name=request.name,
            frame_id=request.frame_id,
            queue_frames=QUEUE_CLIPS * max(contract.frames),
            has_depth=contract.sweep_weights,
        )

    def _place(self, request: CameraRequest) -> None:
        """Publish where a camera stands; where one that moves is goes with its images."""
        self._refuse_loop(request)
        if isinstance(request.placement, Standing):
            pose = request.placement.pose
            parent = pose.frame or self._fixed_frame
            self._frames.stand(parent, request.frame_id, pose.frame_from_cam)
        else:
            self._frames.drop(request.frame_id)

    def _refuse_loop(self, request: CameraRequest) -> None:
        stands_on = {c.request.frame_id: c.request.placement.frames for c in self._cameras.values()}
        for parent in request.placement.frames:
            ancestors, found = [parent], {parent}
            while ancestors:
                above = set(stands_on.get(ancestors.pop(), ())) - found
                ancestors += above
                found |= above
            if request.frame_id in found:
                raise AnyviewError(
                    "invalid_parent",
                    f"'{parent}' stands on '{request.frame_id}' itself; name another parent_frame",
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
            self._steering.refuse(self._cameras[name].request, error)
        self._node.get_logger().warning(
            f"a pose of virtual camera '{name}' is refused: {error.message}",
            throttle_duration_sec=WARN_PERIOD_S,
        )

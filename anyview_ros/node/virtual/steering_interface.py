"""What moves cameras by hand: a pose topic and a marker for each, and poses that were refused."""

from __future__ import annotations

from rclpy.node import Node

from anyview_ros.clips.placements import Standing, Steered
from anyview_ros.errors import AnyviewError
from anyview_ros.node.virtual.camera_request import CameraRequest
from anyview_ros.node.virtual.steering import OnPose, PoseTopics
from anyview_ros.node.virtual.steering_markers import SteeringMarkers


class SteeringInterface:
    """Those of every added camera. Not thread-safe: who has the cameras has the lock.

    Args:
        node: whose namespace the topics lie in.
        fixed_frame: parent of cameras that name none.
        on_pose: called with the camera's name and what came, on an executor's thread.
    """

    def __init__(self, node: Node, fixed_frame: str, on_pose: OnPose) -> None:
        self._poses = PoseTopics(node, on_pose)
        self._markers = SteeringMarkers(node, fixed_frame, on_pose)
        self._refused: dict[str, AnyviewError] = {}

    def add(self, request: CameraRequest) -> None:
        """Listen to the poses of a camera."""
        self._poses.open(request.name)
        self._show(request)

    def follow(self, request: CameraRequest) -> None:
        """The camera was moved or changed."""
        self._refused.pop(request.name, None)
        self._show(request)

    def refuse(self, request: CameraRequest, error: AnyviewError) -> None:
        """The camera stays where it is; a marker that was dragged away comes back."""
        self._refused[request.name] = error
        self._show(request)

    def refused(self, name: str) -> AnyviewError | None:
        """Why the last pose of a camera was refused; None when it was not."""
        return self._refused.get(name)

    def drop(self, name: str) -> None:
        """Do not listen any more."""
        self._refused.pop(name, None)
        self._poses.close(name)
        self._markers.drop(name)

    def _show(self, request: CameraRequest) -> None:
        """The marker of a camera that can be steered is where the camera is."""
        placement = request.placement
        if isinstance(placement, Standing):
            self._markers.put(request.name, placement.pose)
        elif isinstance(placement, Steered):
            self._markers.put(request.name, placement.newest)
        else:
            self._markers.drop(request.name)

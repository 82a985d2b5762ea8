"""The pose topic and the marker of each virtual camera, and the poses that were refused."""

from __future__ import annotations

from rclpy.node import Node

from anyview_ros.clips.placements import Standing, Steered
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.errors import AnyviewError
from anyview_ros.node.virtual.steering import OnPose, PoseTopics
from anyview_ros.node.virtual.steering_markers import SteeringMarkers


class SteeringInterface:
    """Pose topics and markers of all added cameras. The caller holds the lock.

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
        """Subscribe to the poses of a camera, and show its marker.

        Raises:
            AnyviewError: `invalid_parameter`.
        """
        self._poses.open(request.name)
        self._show(request)

    def follow(self, request: CameraRequest) -> None:
        """Show a camera that was moved or changed at its new pose, and forget a refused one."""
        self._refused.pop(request.name, None)
        self._show(request)

    def refuse(self, request: CameraRequest, error: AnyviewError) -> None:
        """Note why a pose was refused, and put the marker back to where the camera is."""
        self._refused[request.name] = error
        self._show(request)

    def refused(self, name: str) -> AnyviewError | None:
        """Return why the last pose of a camera was refused; None if it was not."""
        return self._refused.get(name)

    def drop(self, name: str) -> None:
        """End the topic and the marker of a camera."""
        self._refused.pop(name, None)
        self._poses.close(name)
        self._markers.drop(name)

    def _show(self, request: CameraRequest) -> None:
        """Put the marker of a camera to its pose; drop it if the camera cannot be steered."""
        placement = request.placement
        if isinstance(placement, Standing):
            self._markers.put(request.name, placement.pose)
        elif isinstance(placement, Steered):
            self._markers.put(request.name, placement.newest)
        else:
            self._markers.drop(request.name)

"""An interactive marker for each camera that can be steered: rviz drags it, the camera follows.

The server's side of the protocol of the package `interactive_markers` (ROS 2, rolling), which is
C++ and Python of a sourced ROS only: a service answers with all markers and a sequence number,
each change is an update with the next number, and feedback comes with the pose of a dragged marker.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Point, PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import (
    InteractiveMarker,
    InteractiveMarkerControl,
    InteractiveMarkerFeedback,
    InteractiveMarkerPose,
    InteractiveMarkerUpdate,
    Marker,
)
from visualization_msgs.srv import GetInteractiveMarkers

from anyview_ros.clips.placements import FramePose
from anyview_ros.node.messages import pose_message

NAMESPACE = "~/steering"
QUEUE_UPDATES = 100  # as interactive_markers' server
QUEUE_FEEDBACK = 10  # its 1 would let one marker's last pose push out another's
SIZE_M = 1.0
HALF_WIDTH, HALF_HEIGHT = 0.5, 0.3  # of the pyramid that is drawn, at its depth 1
DRAWN = 0.6  # of the marker's size
LINE_M = 0.02
HALF_TURN = math.sqrt(0.5)
AXES = {  # quaternion (x, y, z, w) that turns x to the axis
    "x": (HALF_TURN, 0.0, 0.0, HALF_TURN),
    "y": (0.0, 0.0, HALF_TURN, HALF_TURN),
    "z": (0.0, HALF_TURN, 0.0, HALF_TURN),
}


class SteeringMarkers:
    """Serves the markers under `~/steering`. Thread-safe: one lock.

    Args:
        node: offers them.
        fixed_frame: of poses that name no frame.
        on_pose: called with the camera's name and where it was dragged to, with stamp 0.
    """

    def __init__(
        self, node: Node, fixed_frame: str, on_pose: Callable[[str, PoseStamped], None]
    ) -> None:
        self._fixed_frame = fixed_frame
        self._on_pose = on_pose
        self._server_id = node.get_fully_qualified_name()
        self._lock = threading.Lock()
        self._markers: dict[str, InteractiveMarker] = {}
        self._sequence_number = 0
        group = MutuallyExclusiveCallbackGroup()
        self._updates = node.create_publisher(
            InteractiveMarkerUpdate,
            f"{NAMESPACE}/update",
            QoSProfile(depth=QUEUE_UPDATES, reliability=ReliabilityPolicy.RELIABLE),
        )
        node.create_subscription(
            InteractiveMarkerFeedback,
            f"{NAMESPACE}/feedback",
            self._on_feedback,
            QoSProfile(depth=QUEUE_FEEDBACK, reliability=ReliabilityPolicy.RELIABLE),
            callback_group=group,
        )
        node.create_service(
            GetInteractiveMarkers,
            f"{NAMESPACE}/get_interactive_markers",
            self._on_get,
            callback_group=group,
        )

    def put(self, name: str, pose: FramePose) -> None:
        """Show a camera's marker, or move it."""
        with self._lock:
            is_new = name not in self._markers
            marker = self._markers.setdefault(name, _marker(name))
            marker.header.frame_id = pose.frame or self._fixed_frame
            marker.pose = pose_message(pose.frame_from_cam)
            if is_new:
                self._publish(InteractiveMarkerUpdate(markers=[marker]))
            else:
                moved = InteractiveMarkerPose(header=marker.header, pose=marker.pose, name=name)
                self._publish(InteractiveMarkerUpdate(poses=[moved]))

    def drop(self, name: str) -> None:
        """Take a camera's marker away, if it has one."""
        with self._lock:
            if self._markers.pop(name, None) is not None:
                self._publish(InteractiveMarkerUpdate(erases=[name]))

    def _publish(self, update: InteractiveMarkerUpdate) -> None:
        self._sequence_number += 1
        update.type = InteractiveMarkerUpdate.UPDATE
        update.server_id = self._server_id
        update.seq_num = self._sequence_number
        self._updates.publish(update)

    def _on_get(self, request: Any, response: Any) -> Any:
        with self._lock:
            response.sequence_number = self._sequence_number
            response.markers = list(self._markers.values())
        return response

    def _on_feedback(self, feedback: InteractiveMarkerFeedback) -> None:
        with self._lock:
            known = feedback.marker_name in self._markers
        if known and feedback.event_type == InteractiveMarkerFeedback.POSE_UPDATE:
            pose = PoseStamped(pose=feedback.pose)  # its stamp is of rviz's clock, or none
            pose.header.frame_id = feedback.header.frame_id
            self._on_pose(feedback.marker_name, pose)


def _marker(name: str) -> InteractiveMarker:
    """Return handles along and around the optical axes, and a pyramid to drag freely."""
    handles = [
        _handle(axis, kind, mode)
        for axis in AXES
        for kind, mode in (
            ("move", InteractiveMarkerControl.MOVE_AXIS),
            ("rotate", InteractiveMarkerControl.ROTATE_AXIS),
        )
    ]
    body = InteractiveMarkerControl(
        name="move_free",
        interaction_mode=InteractiveMarkerControl.MOVE_3D,
        always_visible=True,
        markers=[_pyramid()],
    )
    return InteractiveMarker(
        name=name, description=f"virtual camera {name}", scale=SIZE_M, controls=[body, *handles]
    )


def _handle(axis: str, kind: str, mode: int) -> InteractiveMarkerControl:
    control = InteractiveMarkerControl(name=f"{kind}_{axis}", interaction_mode=mode)
    turn = control.orientation
    turn.x, turn.y, turn.z, turn.w = AXES[axis]
    return control


def _pyramid() -> Marker:
    """Return the camera's view as eight lines, from the optical centre."""
    x, y, z = HALF_WIDTH * DRAWN, HALF_HEIGHT * DRAWN, DRAWN * SIZE_M
    corners = [Point(x=a, y=b, z=z) for a, b in ((-x, -y), (x, -y), (x, y), (-x, y))]
    lines = []
    for k, corner in enumerate(corners):
        lines += [Point(), corner, corner, corners[(k + 1) % 4]]
    pyramid = Marker(type=Marker.LINE_LIST, action=Marker.ADD, points=lines)
    pyramid.scale.x = LINE_M
    pyramid.color.r, pyramid.color.g, pyramid.color.b, pyramid.color.a = 1.0, 0.6, 0.0, 1.0
    return pyramid

"""The virtual cameras of the demo: where they are, relative to what the rig carries."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Pose
from numpy.typing import NDArray

from anyview_ros.geometry import look_at, quaternion_xyzw, rigid
from anyview_ros.msg import VirtualCamera
from anyview_ros.robot.rig_sources import BASE_FRAME, VIDEO_CAMERA, optical_frame
from anyview_ros.worlds.street_rig import STREET_RIG

SHIFT_M = 1.8


def on_the_car() -> list[VirtualCamera]:
    """A raised camera behind the car, and the front camera moved to the left."""
    front = STREET_RIG[0]
    chase = look_at((-7.0, 0.0, 3.6), (8.0, 0.0, 0.6))
    to_the_left = rigid(np.eye(3), (0.0, SHIFT_M, 0.0)) @ front.link_from_cam
    return [
        _camera("chase", BASE_FRAME, chase, front.name),
        _camera("shift_left", BASE_FRAME, to_the_left, front.name),
    ]


def beside_the_video() -> list[VirtualCamera]:
    """A raised camera a little behind the real one, and one to its left; in its optical frame."""
    frame = optical_frame(VIDEO_CAMERA)
    raised = look_at((0.0, -1.5, -1.0), (0.0, 0.8, 10.0), up=(0.0, -1.0, 0.0))
    to_the_left = rigid(np.eye(3), (-SHIFT_M, 0.0, 0.0))
    return [
        _camera("raised", frame, raised, VIDEO_CAMERA),
        _camera("shift_left", frame, to_the_left, VIDEO_CAMERA),
    ]


def _camera(
    name: str, parent: str, parent_from_cam: NDArray[np.float64], source: str
) -> VirtualCamera:
    """With the source's size and field of view."""
    pose = Pose()
    x, y, z = (float(value) for value in parent_from_cam[:3, 3])
    pose.position.x, pose.position.y, pose.position.z = x, y, z
    turn = pose.orientation
    turn.x, turn.y, turn.z, turn.w = quaternion_xyzw(parent_from_cam)
    return VirtualCamera(name=name, parent_frame=parent, pose=pose, sources=[source])

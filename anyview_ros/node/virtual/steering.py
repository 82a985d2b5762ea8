"""Steering: poses that move a virtual camera while its frames are published."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from anyview_ros.clips.placements import FramePose, Placement, Standing, Steered, WorldFrom
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.clips.virtual.placement_messages import stamped_pose
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import seconds, stamp_ns
from anyview_ros.msg import VirtualCamera
from anyview_ros.node import qos_overrides
from anyview_ros.node.messages import pose_message

MAX_STEP_M = 1000.0  # a marker dragged along a plane seen edge-on flies further
MAX_AHEAD_NS = 5_000_000_000  # of the newest image; images are late, but not by so much
QUEUE_POSES = 10

OnPose = Callable[[str, PoseStamped], None]


def apply_pose(
    placement: Placement, message: PoseStamped, world_from: WorldFrom, newest_ns: int
) -> Steered:
    """Return where a camera is after a pose that steers it.

    Args:
        placement: where it was.
        message: its stamp says from when on the pose holds, 0: from the newest image on. An empty
            frame_id is the frame of the pose before.
        world_from: poses of frames, which never waits.
        newest_ns: stamp of the newest source image, 0 when there is none.

    Raises:
        AnyviewError: `follows_trajectory`, `invalid_pose`, `pose_out_of_reach`, `pose_ahead`,
            `late_pose`, and those of `world_from` when the pose is in another frame.
    """
    before = _history(placement)
    pose = stamped_pose(message, before.newest.frame)
    _check_reach(before.newest, pose, world_from, newest_ns)
    stamp = stamp_ns(message.header.stamp)
    if newest_ns and stamp > newest_ns + MAX_AHEAD_NS:
        raise AnyviewError(
            "pose_ahead",
            f"the pose is stamped {seconds(stamp)}, the newest image is of {seconds(newest_ns)}; "
            "stamp poses by the clock of the cameras, or with 0: from now on",
        )
    # Without a stamp it holds from the newest image on; what is stamped later, until now, is over.
    return before.with_pose(stamp or max(newest_ns, _not_jumped(before, newest_ns)), pose)


def message_now(request: CameraRequest) -> VirtualCamera:
    """Return the message of a request, with the pose to which the camera was steered since."""
    if not isinstance(request.placement, Steered):
        return request.message
    now = copy(request.message)
    newest = request.placement.newest
    now.pose, now.parent_frame = pose_message(newest.frame_from_cam), newest.frame
    return now


def _history(placement: Placement) -> Steered:
    if isinstance(placement, Steered):
        return placement
    if isinstance(placement, Standing):
        return Steered((0,), (placement.pose,))
    raise AnyviewError(
        "follows_trajectory",
        "the camera follows a trajectory; update it with a pose to steer it by hand",
    )


def _not_jumped(before: Steered, newest_ns: int) -> int:
    """Return the newest pose's stamp if it is at most a little ahead of the images, else 0."""
    newest_pose_ns = before.stamps_ns[-1]
    return newest_pose_ns if newest_pose_ns <= newest_ns + MAX_AHEAD_NS else 0


def _check_reach(
    before: FramePose, after: FramePose, world_from: WorldFrom, newest_ns: int
) -> None:
    if before.frame == after.frame:
        step = after.frame_from_cam[:3, 3] - before.frame_from_cam[:3, 3]
    else:
        step = _step_between_frames(before, after, world_from, newest_ns)
    distance = float(np.linalg.norm(step))
    if not distance <= MAX_STEP_M:
        raise AnyviewError(
            "pose_out_of_reach",
            f"a step of a steered camera is at most {MAX_STEP_M:g} m, got {distance:.6g} m; the "
            "camera stays; steer in smaller steps, or give it a pose by update_virtual_camera",
        )


def _step_between_frames(
    before: FramePose, after: FramePose, world_from: WorldFrom, newest_ns: int
) -> NDArray[np.float64]:
    """Return the step, (3,) metres in the fixed frame, at the newest image."""
    try:
        here, there = (p.world_from_cam(world_from, newest_ns) for p in (before, after))
    except AnyviewError:
        if newest_ns:
            raise
        raise AnyviewError(
            "empty_buffer",
            f"a pose in '{after.frame}', while the camera is in '{before.frame}', needs an image: "
            "none has arrived yet; wait for the cameras",
        ) from None
    return there[:3, 3] - here[:3, 3]


class PoseTopics:
    """The topic `virtual/<name>/set_pose` of each camera. Not thread-safe.

    Args:
        node: whose namespace the topics lie in.
        on_pose: called with the camera's name and what came, on an executor's thread.
    """

    def __init__(self, node: Node, on_pose: OnPose) -> None:
        self._node = node
        self._on_pose = on_pose
        self._group = MutuallyExclusiveCallbackGroup()
        self._subscriptions: dict[str, Subscription] = {}

    def open(self, name: str) -> None:
        """Listen to the poses of a camera.

        Raises:
            AnyviewError: `invalid_parameter` for overrides of its QoS.
        """
        topic = f"virtual/{name}/set_pose"
        with qos_overrides.checked(f"virtual/{name}"):
            self._subscriptions[name] = self._node.create_subscription(
                PoseStamped,
                topic,
                partial(self._on_pose, name),
                QoSProfile(depth=QUEUE_POSES, reliability=ReliabilityPolicy.RELIABLE),
                callback_group=self._group,
                qos_overriding_options=qos_overrides.options(self._node, topic),
            )

    def close(self, name: str) -> None:
        """Do not listen any more."""
        self._node.destroy_subscription(self._subscriptions.pop(name))

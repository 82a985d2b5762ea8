"""Remedies of virtual cameras, and of the hands that steer them, done."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from anyview_ros.msg import ClipRequest, VirtualCamera
from geometry_msgs.msg import PoseStamped

from anyview_ros.clips.placements import FramePose, Standing, Steered
from anyview_ros.clips.virtual.camera_request import CameraRequest, camera_request
from anyview_ros.clips.virtual.placement_messages import requested_placement
from anyview_ros.node.clips.clip_request import requested_camera
from anyview_ros.node.messages import info_message, time_message
from anyview_ros.node.virtual.steering import MAX_STEP_M, apply_pose
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras
from tests.imaging.test_camera_info import CAMERA
from tests.remedies.listed import (
    can_be_raised,
    code_of,
    does,
    shipped,
    tiny,
)

SECOND = 1_000_000_000


@does("clips.virtual.camera_request", "leave it zero", "ask for the size wanted instead")
def camera_info_of_a_pinhole(folder: Path) -> None:
    contract = tiny(folder)
    message = VirtualCamera(name="a", camera_info=info_message(CAMERA, 0, ""))
    message.camera_info.p[0] = 1.0
    message.camera_info.binning_x = 2
    assert code_of(camera_request, message, contract) == "invalid_camera"
    message.camera_info = info_message(CAMERA.resized(320, 240), 0, "")
    message.camera_info.p[:] = 0.0
    camera_request(message, contract)


@does("clips.virtual.camera_request", "set it higher, or leave it at 0")
def higher_rate(folder: Path) -> None:
    contract = tiny(folder)
    assert code_of(camera_request, VirtualCamera(name="a", rate=1e-7), contract) == "invalid_rate"
    for rate in (0.1, 0.0):
        camera_request(VirtualCamera(name="a", rate=rate), contract)


@does("clips.virtual.camera_request", "set rate, at most {}", "set rate, or leave it at 0")
def continuous_camera(folder: Path) -> None:
    contract = tiny(folder)
    for fields in ({"mode": VirtualCamera.LOSSLESS}, {"priority": 2}):
        assert code_of(camera_request, VirtualCamera(name="a", **fields), contract)
        camera_request(VirtualCamera(name="a", rate=10.0, **fields), contract)
    camera_request(VirtualCamera(name="a", priority=0), contract)


@does("clips.virtual.camera_request", "leave sources empty for the node's choice")
def sources_by_choice(folder: Path) -> None:
    contract = tiny(folder)
    many = VirtualCamera(name="a", sources=["front", "left"])
    assert code_of(camera_request, many, contract) == "invalid_sources"
    camera_request(VirtualCamera(name="a", sources=[]), contract)


def timed(second: float, x: float = 0.0) -> PoseStamped:
    pose = PoseStamped()
    pose.header.stamp = time_message(round(second * SECOND))
    pose.pose.position.x = x
    return pose


def along(*seconds: float) -> VirtualCamera:
    return VirtualCamera(name="a", trajectory=[timed(s, s) for s in seconds])


@does("clips.virtual.placement_messages", "leave pose at its default")
def pose_or_trajectory(folder: Path) -> None:
    both = along(1.0, 2.0)
    both.pose.position.z = 1.0
    assert code_of(requested_placement, both) == "invalid_trajectory"
    requested_placement(along(1.0, 2.0))


def still(frame: str, stamp_ns: int) -> Any:
    return np.eye(4)


@does(
    "clips.placements",
    "ask for a time within",
    "update the camera with poses that reach further",
)
def time_within_a_trajectory(folder: Path) -> None:
    short, longer = requested_placement(along(1.0, 2.0)), requested_placement(along(1.0, 4.0))
    assert code_of(short.world_from_cam, still, 3 * SECOND) == "outside_trajectory"
    short.world_from_cam(still, 3 * SECOND // 2)
    longer.world_from_cam(still, 3 * SECOND)


@does(
    "clips.placements",
    "send poses in order of their stamps, or with stamp 0: from now on",
)
@does("node.virtual.steering", "stamp poses by the clock of the cameras, or with 0: from now on")
def poses_of_a_hand_in_order(folder: Path) -> None:
    newest_ns = 10 * SECOND
    hand = Steered((0, 10 * SECOND), (PLACE, PLACE))
    assert code_of(apply_pose, hand, timed(9.8), still, newest_ns) == "late_pose"
    assert code_of(apply_pose, hand, timed(90.0), still, newest_ns) == "pose_ahead"
    for second in (10.0, 10.1, 0.0):
        apply_pose(hand, timed(second), still, newest_ns)


@does("node.virtual.steering", "update it with a pose to steer it by hand")
def pose_in_place_of_a_trajectory(folder: Path) -> None:
    path = requested_placement(along(1.0, 2.0))
    assert code_of(apply_pose, path, timed(0.0), still, SECOND) == "follows_trajectory"
    apply_pose(requested_placement(VirtualCamera(name="a")), timed(0.0), still, SECOND)


@does(
    "node.virtual.steering",
    "steer in smaller steps",
    "give it a pose by update_virtual_camera",
)
def small_steps(folder: Path) -> None:
    standing, far = Standing(PLACE), timed(0.0, x=1.5 * MAX_STEP_M)
    assert code_of(apply_pose, standing, far, still, SECOND) == "pose_out_of_reach"
    half = apply_pose(standing, timed(0.0, x=0.75 * MAX_STEP_M), still, SECOND)
    apply_pose(half, far, still, SECOND)
    requested_placement(VirtualCamera(name="a", pose=far.pose))


PLACE = FramePose("odom", np.eye(4))


def cameras(*names: str, most: int = 16, temporary: str = "") -> Any:
    """The part of `VirtualCameras` that refuses, without a node."""
    there = {name: SimpleNamespace(request=standing_on(name, "odom")) for name in names}
    return SimpleNamespace(
        _cameras=there,
        _temporary={temporary},
        _surroundings=SimpleNamespace(
            source_names=lambda: ("front",), tree_frames=lambda: ("odom", "owned_optical_frame")
        ),
        _frames=SimpleNamespace(is_ours=lambda frame: False),
        _settings=lambda: SimpleNamespace(max_virtual_cameras=most),
    )


def standing_on(name: str, parent: str) -> CameraRequest:
    message = VirtualCamera(name=name, parent_frame=parent)
    return camera_request(message, shipped())


@does("node.virtual.virtual_cameras", "choose another name", "update or remove it")
def another_name(folder: Path) -> None:
    there = cameras("chase", temporary="passing")
    taken, refuse = VirtualCameras._taken_around(there), VirtualCameras._refuse_taken
    for name in ("front", "owned", "chase", "passing"):
        asked = standing_on(name, "odom")
        assert code_of(refuse, there, asked, taken) in ("name_taken", "frame_taken")
    refuse(there, standing_on("other", "odom"), taken)
    VirtualCameras._known(there, "chase")  # what update and remove ask for
    refuse(cameras(), standing_on("chase", "odom"), taken)


@does("node.virtual.virtual_cameras", "add it first", "give the camera whole")
def known_camera(folder: Path) -> None:
    assert code_of(VirtualCameras._known, cameras(), "chase") == "unknown_camera"
    VirtualCameras._known(cameras("chase"), "chase")
    whole = VirtualCamera(name="chase", parent_frame="base_link")
    assert requested_camera(ClipRequest(camera=whole), shipped()) is not None


@does("node.virtual.virtual_cameras", "raise the parameter max_virtual_cameras")
def more_cameras(folder: Path) -> None:
    can_be_raised("max_virtual_cameras")
    assert code_of(VirtualCameras._refuse_one_too_many, cameras("a", most=1)) == "too_many_cameras"
    VirtualCameras._refuse_one_too_many(cameras("a", most=2))


@does("node.virtual.virtual_cameras", "name another parent_frame")
def another_parent(folder: Path) -> None:
    loop = standing_on("a", "a_optical_frame")
    assert code_of(VirtualCameras._refuse_loop, cameras("a"), loop) == "invalid_parent"
    VirtualCameras._refuse_loop(cameras("a"), standing_on("a", "base_link"))

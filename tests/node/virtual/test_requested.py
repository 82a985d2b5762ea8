"""Requests as values: times, defaults of cameras, names; refusals are tested through DDS."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from anyview_ros.msg import ClipRequest, VirtualCamera
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.clips.placements import Standing
from anyview_ros.clips.virtual.camera_request import NAME, camera_request
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.node.clips.clip_request import requested_camera, requested_clip
from anyview_ros.node.messages import time_message
from anyview_ros.packages import load_package
from tests.packages import make_package

SECOND = 1_000_000_000
SOURCE = Camera(640, 480, 500.0, 510.0, 300.0, 250.0)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")).contract


def clip_request(start_s: float = 0, end_s: float = 0, num_frames: int = 0) -> ClipRequest:
    return ClipRequest(
        camera=VirtualCamera(name="chase"),
        start_time=time_message(round(start_s * SECOND)),
        end_time=time_message(round(end_s * SECOND)),
        num_frames=num_frames,
    )


@pytest.mark.parametrize(
    ("request_", "end_s", "num_frames"),
    [
        (clip_request(), 20.0, 9),
        (clip_request(num_frames=5), 20.0, 5),
        (clip_request(end_s=7), 7.0, 9),
        (clip_request(start_s=7, num_frames=5), 7.4, 5),
        (clip_request(start_s=7, end_s=7.4), 7.4, 5),
        (clip_request(start_s=7, end_s=7.83), 7.83, 9),
        (clip_request(start_s=7, end_s=7.4, num_frames=5), 7.4, 5),
        (clip_request(start_s=19.2), 20.0, 9),
    ],
)
def test_the_grid_follows_from_what_was_given(
    request_: ClipRequest, end_s: float, num_frames: int, contract: Contract
) -> None:
    grid = requested_clip(request_, contract).grid(20 * SECOND, contract)
    assert grid == (round(end_s * SECOND), num_frames)


def test_a_period_within_a_hundredth_is_the_models(contract: Contract) -> None:
    request = clip_request()
    request.frame_period = 0.1005  # float32 in the message
    assert requested_clip(request, contract).period_ns == SECOND // 10


def test_a_start_after_the_newest_frame_is_refused(contract: Contract) -> None:
    spec = requested_clip(clip_request(start_s=30), contract)
    with pytest.raises(AnyviewError, match="end_time must be after start_time, got start_time 30"):
        spec.grid(20 * SECOND, contract)


def test_intrinsics_left_open_are_the_first_sources(contract: Contract) -> None:
    assert camera_request(VirtualCamera(name="a"), contract).camera(SOURCE) == SOURCE


def test_a_size_alone_keeps_the_first_sources_field_of_view(contract: Contract) -> None:
    message = VirtualCamera(name="a")
    message.camera_info.width, message.camera_info.height = 320, 100
    camera = camera_request(message, contract).camera(SOURCE)
    assert (camera.width, camera.height) == (320, 100)
    assert camera.fx == pytest.approx(SOURCE.fx / 2)
    assert (camera.cx, camera.cy) == (159.5, 49.5)


def test_a_field_of_view_alone_keeps_the_first_sources_size(contract: Contract) -> None:
    message = VirtualCamera(name="a", horizontal_fov=math.pi / 2)
    camera = camera_request(message, contract).camera(SOURCE)
    assert (camera.width, camera.height) == (640, 480)
    assert camera.fx == pytest.approx(320.0)


def test_k_wins_over_the_field_of_view(contract: Contract) -> None:
    message = VirtualCamera(name="a", horizontal_fov=1.0)
    message.camera_info.width, message.camera_info.height = 64, 48
    message.camera_info.k = Camera(64, 48, 50.0, 51.0, 30.0, 20.0).matrix.ravel()
    expected = Camera(64, 48, 50.0, 51.0, 30.0, 20.0)
    assert camera_request(message, contract).camera(SOURCE) == expected


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_only_a_name_means_an_added_camera(w: float, contract: Contract) -> None:
    """Clients that zero what they leave out send w = 0, the others the default w = 1."""
    request = clip_request()
    request.camera.pose.orientation.w = w
    assert requested_camera(request, contract) is None
    request.camera.parent_frame = "odom"
    if w:
        whole = requested_camera(request, contract)
        assert whole is not None
        assert isinstance(whole.placement, Standing)
        assert whole.placement.pose.frame == "odom"
        np.testing.assert_array_equal(whole.placement.pose.frame_from_cam, np.eye(4))


@given(st.text(alphabet="aZ0_-/ é", max_size=6))
def test_names_are_what_a_topic_and_a_frame_can_be(name: str) -> None:
    words = name.split("_")
    allowed = all(word and set(word) <= set("a0") for word in words) and words[0][0] == "a"
    assert bool(NAME.fullmatch(name)) == allowed


def test_python_and_ros_agree_on_paths(tmp_path: Path, contract: Contract) -> None:
    """The frame and the topics of the longest name are valid in ROS."""
    from rclpy.validate_full_topic_name import validate_full_topic_name

    longest = camera_request(VirtualCamera(name="a" * 64), contract)
    assert validate_full_topic_name(f"/virtual/{longest.name}/synthesis_info")
    assert longest.frame_id == "a" * 64 + "_optical_frame"

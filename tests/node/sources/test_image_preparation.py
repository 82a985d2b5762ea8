"""What is told of calibrations that are used nevertheless."""

from __future__ import annotations

import pytest

from anyview_ros.clips.intake.image_preparation import calibration_warnings
from anyview_ros.frames import Camera
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.node.messages import info_message

CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)


@pytest.mark.parametrize(
    ("shift", "frame_id", "told"),
    [
        (0.0, "right_camera_optical_frame", False),
        (-6.0, "left_camera_optical_frame", False),
        (-6.0, "bright_optical_frame", False),
        (-6.0, "right_camera_optical_frame", True),
        (-6.0, "robot/stereo_right", True),
    ],
)
def test_a_baseline_that_may_count_twice_is_told(shift: float, frame_id: str, told: bool) -> None:
    info = info_message(CAMERA, 1, frame_id)
    info.p[3] = shift
    texts = {
        warning.code: warning.message
        for warning in calibration_warnings(lens_from_info(info), 1.0, frame_id)
    }
    assert ("stereo_frame" in texts) == told
    if told:
        assert f"P puts the camera 0.120 m beside '{frame_id}'" in texts["stereo_frame"]
        assert "set P[0][3] to 0" in texts["stereo_frame"]


def test_a_black_border_is_told() -> None:
    lens = lens_from_info(info_message(CAMERA, 1, "a"))
    assert not list(calibration_warnings(lens, 0.95, "a"))
    (warning,) = calibration_warnings(lens, 0.90, "a")
    assert warning.code == "rectified_border"
    assert "10 % of the rectified image lies outside" in warning.message

"""Remedies of source cameras and of TF, done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from std_msgs.msg import Header

from anyview_ros.clips.intake.image_preparation import calibration_warnings
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.clips.intake.source_health import SourceStatus, with_clock_problems
from anyview_ros.clips.ledger import LedgerSnapshot
from anyview_ros.clips.transform_buffer import TransformBuffer
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.message_fields import check_header
from anyview_ros.node.messages import time_message
from tests.imaging.test_camera_info import FISHEYE, p_with, with_fields
from tests.node.rig import transform
from tests.node.sources.test_camera_intake import OPTIONS, Bench
from tests.remedies.listed import (
    can_be_lowered,
    code_of,
    does,
    is_outside,
    takes,
    tiny,
)

SECOND = 1_000_000_000


@does(
    "imaging.message_fields",
    "set header.stamp in the camera driver",
    "set the camera driver's frame_id",
)
def whole_header(folder: Path) -> None:
    assert code_of(check_header, Header(frame_id="front")) == "zero_stamp"
    assert code_of(check_header, Header(stamp=time_message(SECOND))) == "empty_frame_id"
    check_header(Header(stamp=time_message(SECOND), frame_id="front"))


@does("imaging.camera_info", "set the camera's parameter rectify to 'on' for a fisheye")
def fisheye_of_zeros(folder: Path) -> None:
    takes("front.rectify", "on")
    zeros = with_fields(**{**FISHEYE, "d": [0.0] * 4})
    assert code_of(lens_from_info, zeros, "auto") == "invalid_distortion"
    lens_from_info(zeros, "on")


@does("imaging.camera_info", "to 'off' if its images are rectified")
def fisheye_that_is_rectified(folder: Path) -> None:
    takes("front.rectify", "off")
    lens_from_info(with_fields(**{**FISHEYE, "d": [0.0] * 4}), "off")


@does(
    "imaging.camera_info",
    "write equidistant for the k1 k2 k3 k4 of a fisheye",
    "plumb_bob for OpenCV's k1 k2 p1 p2 k3",
)
def model_by_its_ros_name(folder: Path) -> None:
    for d, name in (([0.02, 0.01, 0.0, 0.0], "equidistant"), ([0.1] * 5, "plumb_bob")):
        assert code_of(lens_from_info, with_fields(d=d, distortion_model="kannala_brandt"))
        lens_from_info(with_fields(d=d, distortion_model=name))


@does("imaging.camera_info", "leave out or add zeros at the end of D")
def as_many_coefficients_as_the_model_has(folder: Path) -> None:
    for count, right, model in ((5, 4, "equidistant"), (6, 8, "plumb_bob"), (3, 4, "plumb_bob")):
        d = [0.02, 0.01, *[0.0] * 12]
        wrong = with_fields(d=d[:count], distortion_model=model)
        assert code_of(lens_from_info, wrong) == "invalid_distortion"
        lens_from_info(with_fields(d=d[:right], distortion_model=model))


@does("clips.intake.camera_intake", "lower tf_timeout_s")
def shorter_patience(folder: Path) -> None:
    can_be_lowered("tf_timeout_s")
    for timeout_s, overflows in ((30.0, True), (0.2, False)):
        bench = Bench(IntakeConfig.of(tiny(folder)), replace(OPTIONS, tf_timeout_s=timeout_s))
        bench.tf_until_ns = 0
        for k in range(400):
            bench.pair(2000 + 100 * k)
            bench.pass_ms(100)
        assert ("pending_overflow" in bench.problems) == overflows


@does("clips.intake.camera_intake", "set the camera's camera_info_topic")
@does("clips.intake.info_pairing", "set the camera's camera_info_topic")
def another_info_topic(folder: Path) -> None:
    takes("front.camera_info_topic", "/other/camera_info")


@does(
    "doctor.rules",
    "name the camera in cameras, and the topic of its camera_info in <camera>.camera_info_topic",
)
def camera_with_another_info_topic(folder: Path) -> None:
    takes("cameras", ("front",))
    another_info_topic(folder)


@does("clips.intake.image_preparation", "set P[0][3] to 0")
def camera_in_its_own_frame(folder: Path) -> None:
    stereo = lens_from_info(with_fields(p=p_with(3, -60.0)))
    assert [warning.code for warning in calibration_warnings(stereo, 1.0, "right_optical")] == [
        "stereo_frame"
    ]
    assert not list(
        calibration_warnings(lens_from_info(with_fields(p=p_with(3, 0.0))), 1.0, "right_optical")
    )
    assert not list(calibration_warnings(stereo, 1.0, "left_optical"))


@does("node.sources.camera_stream", "fix {}.image_topic", "set {}.transport to '{}'")
def another_image_topic(folder: Path) -> None:
    takes("front.image_topic", "/other/image_raw")
    takes("front.transport", "raw")
    takes("front.transport", "compressed")


@does(
    "node.sources.camera_stream",
    "set {}.reliability to 'best_effort'",
    "set the camera's reliability to 'reliable'",
)
@does("clips.intake.source_health", "set the camera's reliability to 'reliable'")
def another_reliability(folder: Path) -> None:
    takes("front.reliability", "best_effort")
    takes("front.reliability", "reliable")
    ours = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    for offered in (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        theirs = QoSProfile(depth=5, reliability=offered)
        assert qos_check_compatible(theirs, ours)[0] != QoSCompatibility.ERROR


@does("clips.intake.source_health", "set {}.clock_offset_s to about {} more")
def same_clock(folder: Path) -> None:
    takes("rear.clock_offset_s", 57.9)
    front, rear = source("front", 100.0), source("rear", 42.1)
    (problem,) = with_clock_problems([front, rear])[1].problems
    assert "set rear.clock_offset_s to about 57.900 more" in problem.text
    assert with_clock_problems([front, source("rear", 42.1 + 57.9)])[1].problems == ()


def source(name: str, stamp_s: float) -> SourceStatus:
    ledger = LedgerSnapshot(10, 1, 5, 2, 1, {"tf_expired": 1})
    return SourceStatus(name, f"/{name}/image_raw", ledger, 10.0, round(stamp_s * 1e9), ())


@does("clips.transform_buffer", "set frame_id without the slash")
@does("clips.transform_buffer", "name one of these")
def frame_of_the_tree(folder: Path) -> None:
    tree = TransformBuffer(10 * SECOND)
    tree.insert(transform("odom", "base_link", np.eye(4), SECOND), static=True)
    for wrong in ("/base_link", "base_lonk"):
        assert code_of(tree.lookup, "odom", wrong, SECOND).startswith("tf_")
    tree.lookup("odom", "base_link", SECOND)


for module, words in (
    ("imaging.camera_info", "give its driver the calibration file"),
    ("clips.intake.image_preparation", "give the driver a P that crops it"),
    ("clips.intake.image_preparation", "name the left camera's frame in the headers"),
    ("clips.intake.info_pairing", "set one frame_id in the driver"),
    ("clips.intake.info_pairing", "give the driver the calibration of this resolution"),
):
    is_outside("the camera driver's", module, words)


@does("node.sources.inputs", "set '{}.image_topic | {}.camera_info_topic' to one")
def topics_by_name(folder: Path) -> None:
    takes("front.image_topic", "/rig/front/image_raw")
    takes("front.camera_info_topic", "/rig/front/camera_info")


for module in ("node.sources.camera_stream", "clips.intake.source_health"):
    is_outside("the container's", module, "give a container a larger /dev/shm")

"""How cameras are found in the graph and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.node import parameters
from anyview_ros.node.sources.inputs import Inputs
from anyview_ros.packages import load_package
from anyview_ros.topics import cameras_of
from tests.graph import graph
from tests.node.rig import wait_for
from tests.packages import make_package

pytestmark = pytest.mark.graph

LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
INFOS = {
    f"{folder}/camera_info" for folder in ("/front", "/rig/left", "/rig/front", "", "/virtual/a")
}


@pytest.mark.parametrize(
    ("images", "namespace", "cameras"),
    [
        (["/front/image_raw"], "/", {"front": "/front/image_raw"}),
        (["/rig/left/image_raw"], "/", {"rig_left": "/rig/left/image_raw"}),
        (["/rig/left/image_raw"], "/rig", {"left": "/rig/left/image_raw"}),
        (["/rig/left/image_raw"], "/ri", {"rig_left": "/rig/left/image_raw"}),
        (["/image_raw"], "/", {"camera": "/image_raw"}),
        (["/front/image_raw", "/front/image_rect"], "/", {"front": "/front/image_rect"}),
        (["/front/image_b", "/front/image_a"], "/", {"front": "/front/image_a"}),
        (["/rear/image_raw"], "/", {}),
        (["/virtual/a/image_raw"], "/", {}),
        (
            ["/rig/front/image_raw", "/front/image_raw"],
            "/rig",
            {"front": "/front/image_raw"},
        ),
    ],
)
def test_cameras_are_image_topics_with_a_camera_info_beside_them(
    images: list[str], namespace: str, cameras: dict[str, str]
) -> None:
    assert cameras_of(images, INFOS, namespace) == cameras


def test_raw_images_are_taken_where_there_are_some_and_compressed_ones_else(
    tmp_path: Path,
) -> None:
    config = IntakeConfig.of(load_package(make_package(tmp_path / "tiny")).contract)
    with graph(138) as robot, graph(138) as opened:
        for topic, kind in (
            ("/front/image_raw/compressed", CompressedImage),
            ("/rear/image_raw/compressed", CompressedImage),
            ("/lonely/image_raw/compressed", CompressedImage),
            ("/front/camera_info", CameraInfo),
            ("/rear/camera_info", CameraInfo),
            ("/front/image_raw", Image),
        ):
            robot.node.create_publisher(kind, topic, 1)
        settings = parameters.declare(opened.node)
        inputs = Inputs(opened.node, settings, config, lambda camera, reason: None)
        wait_for(lambda: len(inputs.streams()) == 2, "both cameras")
        topics = {name: stream.status().topic for name, stream in inputs.streams().items()}
        inputs.close()
    assert topics == {"front": "/front/image_raw", "rear": "/rear/image_raw/compressed"}


def test_colour_is_taken_before_grey_and_depth_is_no_camera(tmp_path: Path) -> None:
    """As image_proc and a RealSense publish them; what else there is, the log says once."""
    config = IntakeConfig.of(load_package(make_package(tmp_path / "tiny")).contract)
    with graph(139) as robot, graph(139) as opened:
        for topic, kind in (
            ("/proc/image_rect", Image),
            ("/proc/image_rect_color", Image),
            ("/proc/detections_image", Image),
            ("/proc/camera_info", CameraInfo),
            ("/rs/depth/image_rect_raw", Image),
            ("/rs/depth/camera_info", CameraInfo),
        ):
            robot.node.create_publisher(kind, topic, 1)
        logged = opened.listen(Log, "/rosout", LATCHED)
        settings = parameters.declare(opened.node)
        inputs = Inputs(opened.node, settings, config, lambda camera, reason: None)
        said = {
            "camera 'proc' on /proc/image_rect_color",
            "camera 'proc' could also be /proc/image_rect: set proc.image_topic",
            "'/rs/depth/image_rect_raw' is not a camera: by its name it is depth",
        }
        wait_for(lambda: said <= {message.msg for message in logged}, "the choices in the log")
        assert list(inputs.streams()) == ["proc"]
        inputs.close()


def test_depth_that_its_name_hides_is_told_by_its_first_image(tmp_path: Path) -> None:
    """What was found first makes room for the colour beside it; what a parameter names stays."""
    config = IntakeConfig.of(load_package(make_package(tmp_path / "tiny")).contract)
    with graph(127) as robot, graph(127) as opened:
        opened.node.declare_parameter("given.image_topic", "/tof/image_raw")
        publishers = {
            topic: robot.node.create_publisher(Image, topic, 1)
            for topic in ("/tof/image_raw", "/arm/image_a", "/arm/image_b", "/given/image_raw")
        }
        for folder in ("tof", "arm", "given"):
            robot.node.create_publisher(CameraInfo, f"/{folder}/camera_info", 1)
        encodings = {"/tof/image_raw": "16UC1", "/arm/image_a": "32FC1", "/arm/image_b": "rgb8"}
        logged = opened.listen(Log, "/rosout", LATCHED)
        inputs = Inputs(
            opened.node, parameters.declare(opened.node), config, lambda camera, reason: None
        )
        said = {
            "'/tof/image_raw' is not a camera: its images are depth (16UC1)",
            "'/arm/image_a' is not a camera: its images are depth (32FC1)",
            "camera 'arm' on /arm/image_b",
        }

        def send_until_said() -> bool:
            for topic, encoding in encodings.items():
                image = Image(encoding=encoding)
                image.header.stamp.sec, image.header.frame_id = 1, "optical"
                publishers[topic].publish(image)
            return said <= {message.msg for message in logged}

        wait_for(send_until_said, "depth in the log")
        assert inputs.streams().keys() == {"given", "arm"}
        assert inputs.streams()["given"].status().ledger.dropped.keys() == {"unsupported_encoding"}
        inputs.close()

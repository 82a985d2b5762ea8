"""`anyview check` over DDS, beside a rig that is well and beside cameras that are not."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.engine.onnx.runtime import choose_provider
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.node.messages import image_message, info_message
from tests.graph import child, graph
from tests.packages import make_package

pytestmark = pytest.mark.graph

BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


def check(domain: int, model: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    command = ["anyview_ros.cli", "check", *arguments, "--ros-args", "-p", f"model:={model}"]
    with child(command, domain, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=120)
    return process.returncode, said


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


def test_a_rig_that_is_well(model: Path) -> None:
    with graph(76) as live:
        clock = live.listen(Clock, "/clock")
        with child(["anyview_ros.node.simulation.sim_rig"], 76):
            live.wait_until(lambda: bool(clock), "the rig's clock", 120)
            status, said = check(76, model, "--seconds", "6")
    lines = [line for line in said.splitlines() if line.strip()]
    assert status == 0, said
    assert not [line for line in lines if line.startswith("bad")]
    for camera in ("front", "left", "right"):
        placed = [line for line in lines if line.startswith(f"ok    camera {camera}: ")]
        assert len(placed) == 1
        assert f"'{camera}_optical_frame' is placed in 'odom'" in placed[0]
        assert "reliable, 256x144" in placed[0]
    assert "use_sim_time:=true" in said


def test_nothing_there(model: Path) -> None:
    status, said = check(77, model, "--seconds", "1")
    assert status == 1
    assert "bad   cameras: no Image topic with a camera_info beside it in ROS_DOMAIN_ID 77" in said


def test_cameras_that_are_not_well(model: Path) -> None:
    camera = Camera.from_fov(64, 48, 1.0)
    image = np.zeros((48, 64, 3), np.uint8)
    with graph(78) as live:
        node = live.node
        node.create_subscription(Image, "/placed/image_raw", ignore, 10)  # reliable: deaf
        publishers = {
            topic: node.create_publisher(kind, topic, BEST_EFFORT)
            for topic, kind in {
                "/placed/image_raw": Image,
                "/placed/camera_info": CameraInfo,
                "/blind/image_raw": Image,
                "/blind/camera_info": CameraInfo,
                "/lonely/image_raw": Image,
            }.items()
        }

        def publish() -> None:
            stamp = node.get_clock().now().nanoseconds
            for name in ("placed", "blind"):
                info = info_message(camera, stamp, f"{name}_optical_frame")
                if name == "blind":
                    info.k = np.zeros(9)
                publishers[f"/{name}/camera_info"].publish(info)
                message = image_message(image, stamp, f"{name}_optical_frame")
                publishers[f"/{name}/image_raw"].publish(message)

        node.create_timer(0.1, publish)
        status, said = check(78, model, "--seconds", "8")
    assert status == 1
    for words in (
        "bad   camera placed: '/test' cannot hear '/placed/image_raw': Best effort publisher",
        "camera placed: '/placed/image_raw': no frame 'odom' in TF, frames there are: none yet",
        "bad   camera blind: '/blind/image_raw': camera info must hold a calibration",
        "warn  cameras: '/lonely/image_raw' has no camera_info beside it",
    ):
        assert words in said, said
    assert "\nok    camera" not in said


def test_a_damaged_model_and_a_provider_that_is_not_there(tmp_path: Path) -> None:
    damaged = make_package(tmp_path / "damaged")
    with (damaged / "decode.onnx").open("ab") as file:
        file.write(b"!")
    command = ["anyview_ros.cli", "check", "--seconds", "0.1", "--ros-args"]
    values = ["-p", f"model:={damaged}", "-p", "provider:=cuda"]
    with child([*command, *values], 79, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "bad   model: 'decode.onnx'" in said
    assert "install the package again" in said
    assert cuda_line() in said


def test_the_running_node_keeps_its_name_and_its_file_is_read(tmp_path: Path, model: Path) -> None:
    """A section of a file is of a node by name: the check, of another name, reads it too."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"/anyview:\n  ros__parameters:\n    model: {model}\n    cameras: [rear]\n")
    command = ["anyview_ros.cli", "check", "--seconds", "6", "--ros-args", "--params-file", file]
    names: set[str] = set()
    with graph(95) as live, child(list(map(str, command)), 95, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            names |= set(live.node.get_node_names())
            time.sleep(0.05)
        said, _ = process.communicate(timeout=120)
    assert f"ok    model: '{model}'" in said
    assert "bad   camera rear: " in said
    assert "anyview_check" in names
    assert "anyview" not in names
    assert not [line for line in said.splitlines() if "[INFO]" in line]


def cuda_line() -> str:
    """What is true of this machine."""
    try:
        return f"ok    provider: {choose_provider('cuda')}"
    except AnyviewError as error:
        return f"bad   provider: {error.message}"


def ignore(message: Any) -> None:
    """A subscriber that only has to be there."""

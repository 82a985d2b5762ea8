"""docs/simulators.md: its files are taken, and find the cameras that it names."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS
from anyview_ros.topics import cameras_of, no_camera

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "simulators.md").read_text(encoding="utf-8")
CARLA, GAZEBO = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))


def test_the_parameters_are_those_of_the_node() -> None:
    values = dict(CARLA["/**"]["ros__parameters"])
    assert values.pop("use_sim_time") is True
    cameras = values["cameras"]
    for name in values:
        camera, _, last = name.rpartition(".")
        declared = CAMERA_PARAMETERS if camera else NODE_PARAMETERS
        assert last in {parameter.name for parameter in declared}
        assert camera in ("", *cameras)
    assert not no_camera(values["front.image_topic"])


def test_the_bridge_has_what_a_camera_needs() -> None:
    topics = {entry["ros_topic_name"]: entry["ros_type_name"] for entry in GAZEBO}
    images = [topic for topic, kind in topics.items() if kind == "sensor_msgs/msg/Image"]
    assert cameras_of(images, topics, "/") == {"front": "/front/image_raw"}
    assert topics["/clock"] == "rosgraph_msgs/msg/Clock"
    assert {entry["direction"] for entry in GAZEBO} == {"GZ_TO_ROS"}

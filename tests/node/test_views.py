"""The files for rviz and Foxglove name topics that there are, of the type that they show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from anyview_ros.msg import SynthesisInfo

from anyview_ros.node.frustums import TOPIC
from anyview_ros.node.virtual.steering_markers import NAMESPACE
from tests.node.rig import live, raised_camera
from tests.packages import make_package

pytestmark = pytest.mark.graph

CHECKOUT = Path(__file__).resolve().parents[2]
RVIZ = CHECKOUT / "rviz" / "anyview.rviz"
FOXGLOVE = CHECKOUT / "foxglove" / "anyview.json"
CAMERA = "left_shift"  # of the README's example
KINDS = {
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
}


def displays() -> list[dict[str, Any]]:
    content = yaml.safe_load(RVIZ.read_text())["Visualization Manager"]
    return list(content["Displays"])


def rviz_topics() -> dict[str, str]:
    """Topic to type, of the displays that have one."""
    found = {d["Topic"]["Value"]: KINDS[d["Class"]] for d in displays() if "Topic" in d}
    (steering,) = [d for d in displays() if d["Class"].endswith("InteractiveMarkers")]
    space = steering["Interactive Markers Namespace"]
    return {**found, f"{space}/update": "visualization_msgs/msg/InteractiveMarkerUpdate"}


def foxglove_topics() -> dict[str, str]:
    found = {"/anyview/frustums": "visualization_msgs/msg/MarkerArray"}
    panels = json.loads(FOXGLOVE.read_text())["configById"]
    assert panels["3D!cameras"]["topics"].keys() == found.keys()
    for panel in panels.values():
        mode = panel.get("imageMode") or {}
        if "imageTopic" in mode:
            packed = mode["imageTopic"].endswith("/compressed")
            found[mode["imageTopic"]] = f"sensor_msgs/msg/{'Compressed' * packed}Image"
            found[mode["calibrationTopic"]] = "sensor_msgs/msg/CameraInfo"
        if "topicToRender" in panel:
            found[panel["topicToRender"]] = "diagnostic_msgs/msg/DiagnosticArray"
    return found


def test_names_follow_the_code() -> None:
    assert TOPIC.replace("~", "/anyview") in {*rviz_topics(), *foxglove_topics()}
    assert NAMESPACE.replace("~", "/anyview") + "/update" in rviz_topics()


def test_the_node_offers_every_topic(tmp_path: Path) -> None:
    with live(210, make_package(tmp_path / "tiny")) as (opened, _, caller):
        assert caller.add(raised_camera(CAMERA)).success
        offered = dict(opened.node.get_topic_names_and_types())
        for topic, kind in {**rviz_topics(), **foxglove_topics()}.items():
            assert kind in offered.get(topic, []), topic
        panel = json.loads(FOXGLOVE.read_text())["configById"]["DiagnosticStatusPanel!one"]
        status = caller.status(panel["selectedName"].removeprefix("anyview: "))
        assert status.hardware_id == panel["selectedHardwareId"]


def test_plots_are_of_fields_that_there_are() -> None:
    panels = json.loads(FOXGLOVE.read_text())["configById"]
    for path in panels["Plot!latency"]["paths"]:
        topic, _, name = path["value"].rpartition(".")
        assert topic == f"/virtual/{CAMERA}/synthesis_info"
        assert name in SynthesisInfo.get_fields_and_field_types()


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        yield from leaves(node["first"])
        yield from leaves(node["second"])


def test_every_panel_has_its_place() -> None:
    content = json.loads(FOXGLOVE.read_text())
    assert sorted(leaves(content["layout"])) == sorted(content["configById"])


@pytest.mark.parametrize("folder", ["rviz", "foxglove"])
def test_the_files_are_installed(folder: str) -> None:
    (line,) = [
        line
        for line in (CHECKOUT / "CMakeLists.txt").read_text().splitlines()
        if "install(DIRECTORY config" in line
    ]
    assert folder in line.split()

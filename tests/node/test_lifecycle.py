"""The node as a managed node: its states, what they hold, and parameters that change meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from PIL import Image as Pillow
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from tests.graph import Graph, graph
from tests.node.rig import (
    DEADLINE_S,
    SENT,
    Caller,
    Rig,
    anyview,
    asked,
    live,
    raised_camera,
    result_of,
    values_of,
    wait_for,
)
from tests.node.test_node_lifecycle import is_gone
from tests.packages import make_package

pytestmark = pytest.mark.graph


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_package(tmp_path / "tiny")


class Manager:
    """Calls the services of a managed node, as a lifecycle manager does."""

    def __init__(self, opened: Graph, node: str = "/anyview") -> None:
        create = opened.node.create_client
        self._change = create(ChangeState, f"{node}/change_state")
        self._get = create(GetState, f"{node}/get_state")
        self._set = create(SetParameters, f"{node}/set_parameters")

    def make(self, transition: str) -> bool:
        request = ChangeState.Request()
        request.transition.label = transition
        return bool(self._answer(self._change, request).success)

    @property
    def state(self) -> str:
        return str(self._answer(self._get, GetState.Request()).current_state.label)

    def set(self, name: str, value: object) -> Any:
        message = Parameter(name, value=value).to_parameter_msg()
        return self._answer(self._set, SetParameters.Request(parameters=[message])).results[0]

    def _answer(self, client: Any, request: Any) -> Any:
        assert client.wait_for_service(DEADLINE_S)
        return result_of(client.call_async(request))


@contextmanager
def waiting(domain: int, model: Path, *parameters: str) -> Iterator[tuple[Graph, Caller, Manager]]:
    """A node that does not start by itself."""
    with graph(domain) as opened, anyview(domain, model, "autostart:=false", *parameters):
        yield opened, Caller(opened), Manager(opened)


def test_each_state_holds_what_it_should(model: Path) -> None:
    with waiting(196, model) as (opened, caller, manager):
        assert manager.state == "unconfigured"
        refused = caller.add(raised_camera("chase"))
        assert (refused.code, refused.message) == (
            "no_model",
            "no model is loaded; configure and activate the node: "
            "ros2 lifecycle set NODE configure",
        )
        assert caller.status("state").level == DiagnosticStatus.WARN

        rig = Rig(opened)
        assert manager.make("configure")
        worker = int(values_of(caller.status("model", _runs))["worker_pid"])
        refused = caller.add(raised_camera("chase"))
        assert (refused.code, refused.message) == (
            "inactive",
            "the node is inactive; activate the node: ros2 lifecycle set NODE activate",
        )
        assert not opened.node.count_subscribers("/front/image_raw")

        assert manager.make("activate")
        rig.wait_for_node(caller)
        rig.send(SENT)
        assert caller.status("state", _says("active")).level == DiagnosticStatus.OK
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success

        assert manager.make("deactivate")
        wait_for(lambda: not opened.node.count_subscribers("/front/image_raw"), "no subscriptions")
        assert caller.synthesize(asked("chase")).code == "inactive"
        assert not is_gone(worker), "the model stays"

        assert manager.make("cleanup")
        wait_for(lambda: is_gone(worker), "the end of the worker")
        assert caller.synthesize(asked("chase")).code == "no_model"

        assert manager.make("configure")
        assert manager.make("activate")
        rig.wait_for_node(caller)
        rig.send(SENT)
        assert caller.synthesize_when_ready(asked("chase")).success, "the virtual camera stayed"

        assert manager.make("shutdown")
        assert manager.state == "finalized"
        assert caller.synthesize(asked("chase")).code == "no_model"


def test_deactivation_ends_a_request_with_the_reason(tmp_path: Path) -> None:
    levels = tuple(float(80 - k * 0.08) for k in range(1000))
    slow = make_package(tmp_path / "slow", work=10, sigmas={"exact": levels})
    with live(197, slow) as (opened, rig, caller):
        manager = Manager(opened)
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        feedback: list[Any] = []
        answer = caller.ask_async(
            caller.send_goal(asked("chase"), feedback.append).get_result_async
        )
        wait_for(lambda: any(f.stage == "denoise" for f in feedback), "the first step")
        assert manager.make("deactivate")
        result = result_of(answer).result.result
        assert (result.code, result.message.partition(";")[0]) == (
            "inactive",
            "the node was deactivated",
        )
        assert manager.state == "inactive"


def test_a_transition_that_cannot_be_is_refused_and_the_node_lives(model: Path) -> None:
    with waiting(198, model) as (_, _, manager):
        for transition in ("activate", "deactivate", "no_such_transition"):
            assert not manager.make(transition)
            assert manager.state == "unconfigured"
        assert manager.make("configure")
        assert not manager.make("configure")
        assert manager.state == "inactive"


def test_a_model_that_cannot_run_is_replaced_by_parameter(model: Path) -> None:
    with waiting(199, Path("nowhere")) as (_, caller, manager):
        assert not manager.make("configure")
        assert manager.state == "unconfigured"
        assert "no model package 'nowhere' in" in caller.status("model", _says("nowhere")).message
        assert manager.set("model", str(model)).successful
        assert manager.make("configure")
        assert values_of(caller.status("model", _runs))["model"] == "tiny"


def test_parameters_change_where_they_can(model: Path) -> None:
    with live(200, model) as (opened, rig, caller):
        manager = Manager(opened)
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        plain = _frame(caller)
        assert manager.set("scene_scale", 2.0).successful
        assert manager.set("watermark", True).successful
        result = caller.synthesize_when_ready(asked("chase", return_frames=True))
        assert result.infos[0].scene_scale == 2.0
        assert bytes(result.frames[0].data) != plain

        assert manager.set("max_virtual_cameras", 1).successful
        assert caller.add(raised_camera("second")).code == "too_many_cameras"

        fixed = manager.set("fixed_frame", "map")
        assert not fixed.successful
        assert "read-only" in fixed.reason
        assert not manager.set("buffer_s", 1e6).successful
        word = manager.set("provider", "tpu")
        assert word.reason == "'provider' must be one of auto, cpu, cuda, tensorrt, got 'tpu'"
        word = manager.set("front.rectify", "maybe")
        assert word.reason == "'front.rectify' must be one of auto, on, off, got 'maybe'"


def test_cameras_are_chosen_anew_when_the_node_is_activated(model: Path) -> None:
    with live(201, model, "cameras:=[front]", cameras=("front", "left"), wait=False) as (
        opened,
        _,
        caller,
    ):
        manager = Manager(opened)
        caller.status("camera front")
        assert manager.set("cameras", ["left"]).successful
        assert manager.make("deactivate")
        assert manager.make("activate")
        caller.status("camera left")
        assert not opened.node.count_subscribers("/front/image_raw")


def test_qos_can_be_overridden(model: Path) -> None:
    folder = "qos_overrides./virtual/chase"
    override = f"{folder}/image_raw.publisher.reliability:=best_effort"
    broken = f"{folder.replace('chase', 'odd')}/camera_info.publisher.reliability:=perhaps"
    deaf = f"{folder.replace('chase', 'deaf')}/set_pose.subscription.reliability:=perhaps"
    with live(204, model, override, broken, deaf) as (opened, _, caller):
        assert caller.add(raised_camera("chase")).success
        topic = "/virtual/chase/image_raw"
        wait_for(lambda: opened.node.count_publishers(topic) == 1, "the topic")
        (publisher,) = opened.node.get_publishers_info_by_topic(topic)
        assert publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        refused = caller.add(raised_camera("odd"))
        assert refused.code == "invalid_parameter"
        assert "qos_overrides of 'virtual/odd' cannot be" in refused.message
        assert "`perhaps`" in refused.message
        topic = "/virtual/odd/image_raw"  # opened before it
        wait_for(lambda: opened.node.count_publishers(topic) == 0, "its end")
        for _ in range(2):  # nothing of it is left
            assert caller.add(raised_camera("deaf")).code == "invalid_parameter"
        assert caller.call("list_virtual_cameras").states == ["idle"]


def test_compressed_images_are_there_for_who_listens(model: Path) -> None:
    with live(205, model) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        topics = {"image_raw": Image, "image_raw/compressed": CompressedImage}
        heard = caller.listen_to(asked("chase"), topics)
        assert caller.synthesize(asked("chase")).success
        opened.wait_until(lambda: all(len(kept) >= 9 for kept in heard.values()), "9 of each")
        for raw, compressed in zip(*heard.values(), strict=True):
            assert compressed.header == raw.header
            assert compressed.format == "rgb8; jpeg compressed bgr8"
            file = bytes(compressed.data)
            assert b"trainedAlgorithmicMedia" in file, "it says of itself that it is synthetic"
            pixels = np.asarray(Pillow.open(io.BytesIO(file)), np.float64)
            assert np.abs(pixels - rgb_from_image(raw)).mean() < 4


def test_a_camera_with_another_clock_is_brought_to_the_robots(model: Path) -> None:
    """Its driver stamps 1000 s late; TF and the asker know nothing of that."""
    with live(227, model, "front.clock_offset_s:=-1000.0", wait=False) as (_, rig, caller):
        rig.wait_for_node(caller, 1000.0)
        rig.send_late(SENT, 1000.0)
        assert caller.add(raised_camera("chase")).success
        result = caller.synthesize_when_ready(asked("chase"))
        assert [stamp_ns(stamp) for stamp in result.stamps] == SENT[-9:]


def test_two_nodes_of_one_name_are_told(model: Path) -> None:
    with waiting(202, model) as (_, caller, _), anyview(202, model, "autostart:=false"):
        status = caller.status("state", _says("2 nodes are called '/anyview'"))
        assert status.level == DiagnosticStatus.ERROR
        assert "start the others in a namespace" in status.message


def test_two_nodes_in_namespaces_keep_apart(model: Path) -> None:
    spaces = ("robot1", "robot2")
    with (
        graph(203) as opened,
        _in_namespace(203, model, "robot1"),
        _in_namespace(203, model, "robot2"),
    ):
        callers = [Caller(opened, f"/{space}/anyview") for space in spaces]
        cameras = [VirtualCamera(name=name, horizontal_fov=1.0) for name in ("one", "two")]
        for caller, camera in zip(callers, cameras, strict=True):
            assert caller.add(camera).success
        for space, caller, camera in zip(spaces, callers, cameras, strict=True):
            listed = caller.call("list_virtual_cameras").cameras
            assert [known.name for known in listed] == [camera.name]
            topics = dict(opened.node.get_topic_names_and_types())
            assert f"/{space}/virtual/{camera.name}/image_raw" in topics
            status = caller.status("state", _says("active"), node=f"{space}/anyview")
            assert status.hardware_id == f"{space}/anyview"


@contextmanager
def _in_namespace(domain: int, model: Path, namespace: str) -> Iterator[None]:
    with anyview(domain, model, remap=(f"__ns:=/{namespace}",)):
        yield


def _frame(caller: Caller) -> bytes:
    result = caller.synthesize_when_ready(asked("chase", return_frames=True))
    assert result.success, result.message
    return bytes(result.frames[0].data)


def _runs(status: Any) -> bool:
    return values_of(status).get("worker_pid", "none") != "none"


def _says(text: str) -> Any:
    return lambda status: text in status.message

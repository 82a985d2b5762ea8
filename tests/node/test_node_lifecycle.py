"""How the node begins and ends: no model, started later, signals, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from anyview_ros.msg import VirtualCamera
from anyview_ros.srv import ListVirtualCameras
from diagnostic_msgs.msg import DiagnosticStatus

from anyview_ros.packages import load_package, write_manifest
from tests.graph import Graph, child, graph
from tests.node.rig import (
    DEADLINE_S,
    SENT,
    Caller,
    Rig,
    anyview,
    asked,
    live,
    raised_camera,
    values_of,
    wait_for,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

END_S = 2.0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_package(tmp_path / "tiny")


@contextmanager
def node_alone(domain: int, model: Path, *parameters: str) -> Iterator[tuple[Graph, Caller]]:
    """The node without a camera."""
    with graph(domain) as opened, anyview(domain, model, *parameters):
        yield opened, Caller(opened)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.alone
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_node_ends_within_two_seconds_and_leaves_no_process(
    model: Path, sent: signal.Signals
) -> None:
    with graph(44) as opened, anyview(44, model) as process:
        caller = Caller(opened)
        assert caller.add(VirtualCamera(name="chase", horizontal_fov=1.0)).success
        worker = int(values_of(caller.status("model"))["worker_pid"])
        began = time.monotonic()
        process.send_signal(sent)
        time.sleep(0.15)
        if sent == signal.SIGINT:
            process.send_signal(sent)  # launch adds one of its own to a terminal's
        status = process.wait(DEADLINE_S)
        took = time.monotonic() - began
        wait_for(lambda: is_gone(worker), "the end of the worker")
    assert took < END_S
    assert status == (-signal.SIGKILL if sent == signal.SIGKILL else 0)


@pytest.mark.alone
def test_a_signal_ends_a_node_that_is_working(tmp_path: Path) -> None:
    levels = tuple(float(80 - k * 0.08) for k in range(1000))
    slow = make_package(tmp_path / "slow", work=10, sigmas={"exact": levels, "draft": (80.0, 0.0)})
    with graph(45) as opened, anyview(45, slow) as process:
        caller, rig = Caller(opened), Rig(opened)
        rig.wait_for_node(caller)
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase", speed="draft")).success
        feedback: list[object] = []
        caller.send_goal(asked("chase"), feedback.append)
        caller.call_async("synthesize", request=asked("chase"))
        wait_for(lambda: len(feedback) > 3, "steps")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert time.monotonic() - began < END_S


@pytest.mark.alone
def test_a_signal_ends_a_node_that_is_still_checking_its_model(model: Path) -> None:
    contract = load_package(model).contract
    with (model / "weights.bin").open("wb") as file:
        file.truncate(40_000_000_000)  # sparse: tens of seconds of sha256
    write_manifest(model, replace(contract, files={**contract.files, "weights.bin": "0"}))
    with graph(53) as opened, anyview(53, model) as process:
        client = opened.node.create_client(ListVirtualCameras, "/anyview/list_virtual_cameras")
        assert client.wait_for_service(DEADLINE_S)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert time.monotonic() - began < END_S


def test_a_signal_ends_a_node_that_is_starting_without_a_trace(model: Path) -> None:
    node = ["anyview_ros.node.node_process", "--ros-args", "-p", f"model:={model}"]
    pipe = subprocess.PIPE
    with child(node, 53, stdout=pipe, stderr=subprocess.STDOUT) as process:
        tasks = Path(f"/proc/{process.pid}/task")
        wait_for(lambda: any(f.read_text() for f in tasks.glob("*/children")), "its child")
        process.send_signal(signal.SIGINT)  # while the inference process starts
        said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_a_damaged_model_leaves_the_node_up_and_saying_why(model: Path) -> None:
    graph_file = load_package(model).graph("denoise")
    content = bytearray(graph_file.read_bytes())
    content[100] ^= 1
    graph_file.write_bytes(content)
    with node_alone(46, model) as (_, caller):
        added = caller.add(raised_camera("chase"))
        assert (added.success, added.code) == (False, "no_model")
        assert f"model '{model}' cannot run: 'denoise.onnx' in {model} has sha256" in added.message
        answer = caller.synthesize(asked("chase"))
        assert (answer.code, answer.message) == (added.code, added.message)
        status = caller.status("model")
        assert (status.level, status.message) == (DiagnosticStatus.ERROR, added.message)


def test_a_model_with_a_missing_file_is_named(model: Path) -> None:
    load_package(model).graph("decode").unlink()
    with node_alone(47, model) as (_, caller):
        message = caller.add(raised_camera("chase")).message
        assert f"'decode.onnx' is missing in {model}; install the package again" in message


def test_an_unknown_model_is_named(model: Path) -> None:
    with node_alone(48, Path("nowhere")) as (_, caller):
        added = caller.add(raised_camera("chase"))
        assert added.code == "no_model"
        assert "no model package 'nowhere' in" in added.message


def test_a_bad_parameter_ends_the_node_with_its_name(model: Path) -> None:
    flags = [
        *("--ros-args", "-p", "cameras:=[front]"),
        *("-p", "front.transport:=theora", "-p", f"model:={model}"),
    ]
    arguments = ["anyview_ros.node.node_process", *flags]
    with child(arguments, 49, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert said.splitlines()[-1] == (
        "error [invalid_parameter]: 'front.transport' must be one of raw, compressed, got 'theora'"
    )


def test_a_camera_whose_name_is_no_topic_costs_the_others_nothing(model: Path) -> None:
    parameters = ["cameras:=[front, Front-cam, front]"]
    with live(52, model, *parameters, cameras=("front",)) as (_, _, caller):
        status = caller.status("camera Front-cam")
        assert status.level == DiagnosticStatus.ERROR
        assert status.message == (
            "'Front-cam/image_raw' is no name of a topic (topic name must not contain characters "
            "other than alphanumerics, '_', '~', '{', or '}'); set 'Front-cam.image_topic' to one"
        )
        assert caller.status("camera front").level == DiagnosticStatus.OK


def test_cameras_that_are_named_are_waited_for_and_others_left_alone(model: Path) -> None:
    parameters = ["cameras:=[roof]", "roof.image_topic:=/rig/top/image_raw"]
    with live(52, model, *parameters, cameras=("front",), wait=False) as (_, _, caller):
        status = caller.status("camera roof")
        assert status.level == DiagnosticStatus.ERROR
        assert "nobody publishes '/rig/top/image_raw'; start the camera" in status.message
        unknown = asked("bad")
        unknown.camera.sources = ["front"]
        answer = caller.synthesize(unknown)
        assert answer.message == "no source camera 'front'; there are: roof"

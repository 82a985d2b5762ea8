"""Each trouble is named, with what to do; a healthy setup has no other line than ok."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anyview_ros.clips.intake.source_health import Problem, SourceStatus
from anyview_ros.clips.ledger import LedgerSnapshot
from anyview_ros.doctor.probe import _lonely
from anyview_ros.doctor.rules import (
    BAD,
    OK,
    WARN,
    CameraFacts,
    Finding,
    GraphFacts,
    ModelFacts,
    TransportFacts,
    findings,
)
from anyview_ros.frames import Camera
from anyview_ros.geometry import optical_doubt
from anyview_ros.topics import IMAGE_TYPE

NOW_S = 1_700_000_000.0
HD = Camera.from_fov(1920, 1080, 1.2)
STATUS = SourceStatus(
    name="front",
    topic="/front/image_raw",
    ledger=LedgerSnapshot(30, 1, 29, 0, 0, {}),
    rate_hz=10.0,
    newest_stamp_ns=int(NOW_S * 1e9) - 200_000_000,
    problems=(),
)
CAMERA = CameraFacts(STATUS, "reliable", Camera.from_fov(256, 144, 1.2), "front_optical_frame")
GRAPH = GraphFacts(
    domain="7",
    fixed_frame="odom",
    cameras=(CAMERA,),
    lonely=(),
    refused=(),
    simulated_time=False,
    now_s=NOW_S,
)
TRANSPORT = TransportFacts(
    middleware="rmw_fastrtps_cpp",
    profile="/share/fastdds.xml",
    unset=(),
    profile_exists=True,
    shipped_profile="/share/fastdds.xml",
    shm_total=8 << 30,
    shm_free=8 << 30,
    container=False,
)
NO_PROFILE = replace(
    TRANSPORT,
    profile="",
    profile_exists=False,
    unset=("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"),
)
MODEL = ModelFacts("street", "", 0.1, "auto", "cpu", "", gpu=False)


def troubles(
    graph: GraphFacts = GRAPH, transport: TransportFacts = TRANSPORT, model: ModelFacts = MODEL
) -> list[Finding]:
    return [f for f in findings(graph, transport, model) if f.level != OK]


def with_camera(**changes: object) -> GraphFacts:
    return replace(GRAPH, cameras=(replace(CAMERA, **changes),))  # type: ignore[arg-type]


def with_status(**changes: object) -> GraphFacts:
    return with_camera(status=replace(STATUS, **changes))  # type: ignore[arg-type]


def test_a_healthy_setup_is_ok_in_every_line() -> None:
    found = list(findings(GRAPH, TRANSPORT, MODEL))
    assert {f.level for f in found} == {OK}
    assert [f.subject for f in found] == [
        "camera front",
        "DDS profile",
        "shared memory",
        "model",
        "provider",
    ]
    assert found[0].text == (
        "'/front/image_raw' reliable, 256x144, 10.0 Hz, camera info fits, "
        "'front_optical_frame' is placed in 'odom'"
    )


def test_a_camera_that_is_used_by_its_parameters_is_not_called_lonely() -> None:
    topics = [("/a/image_raw", [IMAGE_TYPE]), ("/b/image_raw", [IMAGE_TYPE])]
    node: Any = SimpleNamespace(get_topic_names_and_types=lambda: topics)
    assert list(_lonely(node, set())) == ["/a/image_raw", "/b/image_raw"]
    assert list(_lonely(node, {"/a/image_raw"})) == ["/b/image_raw"]


GRAPH_TROUBLES = {
    "no camera": (replace(GRAPH, cameras=()), BAD, "ROS_DOMAIN_ID 7; start .* `anyview rig`"),
    "no camera info": (
        replace(GRAPH, lonely=("/rear/image_raw",)),
        WARN,
        "'/rear/image_raw' has no camera_info beside it .* <camera>.camera_info_topic",
    ),
    "refused": (replace(GRAPH, refused=("'rear.transport' no",)), BAD, "'rear.transport' no"),
    "problem, frames come": (
        with_status(problems=(Problem("stamp_gaps", "7 images missing; do this"),)),
        WARN,
        "7 images missing; do this",
    ),
    "problem, no frame comes": (
        with_status(
            ledger=LedgerSnapshot(9, 0, 0, 0, 0, {"uncalibrated_camera": 9}),
            problems=(Problem("uncalibrated_camera", "calibrate it"),),
        ),
        BAD,
        "calibrate it",
    ),
    "silence": (with_status(ledger=LedgerSnapshot(0, 0, 0, 0, 0, {})), BAD, "more --seconds"),
    "a deaf listener": (
        with_camera(deaf=("'/rviz' cannot hear '/front/image_raw': reliability",)),
        BAD,
        "'/rviz' cannot hear .* make its QoS weaker or the driver's stronger",
    ),
    "too slow for the model": (
        with_status(rate_hz=5.0),
        BAD,
        r"5.0 Hz is slower than the 10.0 Hz .* raise the camera's rate to 10.0 Hz or more",
    ),
    "too few for a rate": (
        with_status(rate_hz=0.0),
        WARN,
        "too few images came to tell the rate; give the check more --seconds",
    ),
    "another clock": (
        with_status(newest_stamp_ns=int((NOW_S - 3600) * 1e9)),
        WARN,
        "3600 s behind this machine's clock and nobody publishes /clock",
    ),
}


@pytest.mark.parametrize("name", GRAPH_TROUBLES)
def test_troubles_of_the_graph(name: str) -> None:
    graph, level, words = GRAPH_TROUBLES[name]
    assert_one(troubles(graph), level, words)


def test_a_camera_in_a_body_frame_seems_to_look_at_the_sky() -> None:
    doubt = optical_doubt("camera_link", np.eye(4))
    assert_one(troubles(with_camera(optical_doubt=doubt)), WARN, "If not, publish one and name it")


def test_simulated_time_is_no_trouble_but_said() -> None:
    graph = replace(with_status(newest_stamp_ns=5_000_000_000), simulated_time=True)
    lines = [f.text for f in findings(graph, TRANSPORT, MODEL) if f.subject == "clock"]
    assert lines == ["stamps follow /clock; start the node with use_sim_time:=true"]
    assert troubles(graph) == []


TRANSPORT_TROUBLES = {
    "missing file": (replace(TRANSPORT, profile_exists=False), BAD, "which is not there; do: prof"),
    "one variable": (
        replace(TRANSPORT, unset=("FASTRTPS_DEFAULT_PROFILES_FILE",)),
        WARN,
        "^FASTRTPS_DEFAULT_PROFILES_FILE is not set: Fast DDS 2 .* set both",
    ),
    "full shared memory": (replace(TRANSPORT, shm_free=1 << 20), BAD, "1 of 8590 MB free.*remount"),
    "a container's 64 MB": (
        replace(TRANSPORT, shm_total=64 << 20, shm_free=64 << 20, container=True),
        WARN,
        "67 of 67 MB free, each process takes 67 MB .* --shm-size=1g, or with --ipc=host",
    ),
}


@pytest.mark.parametrize("name", TRANSPORT_TROUBLES)
def test_troubles_of_the_transport(name: str) -> None:
    transport, level, words = TRANSPORT_TROUBLES[name]
    assert_one(troubles(transport=transport), level, words)


def test_the_large_image_trap_is_explained() -> None:
    found = troubles(with_camera(camera=HD), NO_PROFILE)
    assert_one(found, WARN, r"6\.2 MB do not fit into the 512 KB .* lose nearly all of them")
    assert "profile=/share/fastdds.xml; export FASTRTPS_DEFAULT_PROFILES_FILE=" in found[0].text


def test_small_images_need_no_profile() -> None:
    assert troubles(transport=NO_PROFILE) == []


def test_another_middleware_needs_no_profile() -> None:
    cyclone = replace(NO_PROFILE, middleware="rmw_cyclonedds_cpp", shm_free=0)
    assert troubles(with_camera(camera=HD), cyclone) == []


MODEL_TROUBLES = {
    "damaged": (replace(MODEL, problem="'decode.onnx' has sha256"), BAD, "'decode.onnx' has sha"),
    "no provider": (
        replace(MODEL, provider="", provider_problem="provider 'cuda' was asked for"),
        BAD,
        "provider 'cuda' was asked for",
    ),
    "a GPU lies idle": (replace(MODEL, gpu=True), WARN, "cpu although there is an NVIDIA GPU"),
}


@pytest.mark.parametrize("name", MODEL_TROUBLES)
def test_troubles_of_the_model(name: str) -> None:
    model, level, words = MODEL_TROUBLES[name]
    assert_one(troubles(model=model), level, words)


def test_the_cpu_on_purpose_is_no_trouble() -> None:
    assert troubles(model=replace(MODEL, gpu=True, asked="cpu")) == []


def assert_one(found: list[Finding], level: str, words: str) -> None:
    assert [f.level for f in found] == [level]
    assert re.search(words, found[0].text), found[0].text

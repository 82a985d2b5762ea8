"""Cameras unlike each other, and cameras that misbehave, beside a good one on a live node.

After each test the good camera's request gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import ClipRequest, ClipResult

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.node.messages import time_message
from anyview_ros.packages import load_package
from tests.graph import Graph
from tests.node.driver import Driver, texture
from tests.node.rig import (
    CAMERA,
    PERIOD_NS,
    SENT,
    Caller,
    asked,
    base_from_cam,
    live,
    raised_camera,
    values_of,
    world_from_base,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 137
WIDE = Camera.from_fov(80, 45, 1.4)
SQUARE = Camera.from_fov(48, 48, 1.0)
NAMES = ("wide", "square", "jpeg", "stops", "zooms", "grows", "two", "stutters")


@dataclass(frozen=True)
class Fleet:
    """The live node with a good camera, and what it answered to a good request at first."""

    opened: Graph
    caller: Caller
    package: Any
    first: list[bytes]

    def driver(self, name: str, compressed: bool = False) -> Driver:
        """A camera of its own, whose images arrive."""
        made = Driver(self.opened.node, name, compressed)
        made.connect(self.caller)
        return made

    def good(self) -> list[bytes]:
        answer = self.caller.synthesize_when_ready(asked("chase", seed=5, return_frames=True))
        assert answer.success, answer.message
        return [bytes(frame.data) for frame in answer.frames]

    def ask(self, name: str, end_ns: int = SENT[-1], num_frames: int = 9) -> ClipResult:
        camera = replace_sources(name)
        request = ClipRequest(camera=camera, end_time=time_message(end_ns), num_frames=num_frames)
        request.return_frames = True
        return self.caller.synthesize_when_ready(request)

    def values(self, name: str, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The camera's diagnostics once something is so."""
        status = self.caller.status(f"camera {name}", lambda status: holds(values_of(status)))
        values = values_of(status)
        assert values["balanced"] == "True"
        return values

    def problem(self, name: str, code: str) -> str:
        """The text of a problem of the camera, once it is told."""
        key = f"problem.{code}"
        status = self.caller.status(f"camera {name}", lambda status: key in values_of(status))
        return values_of(status)[key]

    def expected(self, camera: Camera, stamps_ns: list[int]) -> list[bytes]:
        """What the pipeline makes of a camera's clip for `replace_sources`."""
        poses = [world_from_base(ns) @ base_from_cam("front") for ns in stamps_ns]
        frames = [
            Frame(ns, texture(camera, ns), camera, pose)
            for ns, pose in zip(stamps_ns, poses, strict=True)
        ]
        raised = np.stack(poses)
        raised[:, 0, 3] -= 1.0
        raised[:, 2, 3] += 2.5
        made = Pipeline(self.package, "cpu").synthesize(
            [Clip(tuple(frames))], View(camera, raised), SynthesisOptions()
        )
        return [frame.tobytes() for frame in made.frames]


def replace_sources(name: str) -> Any:
    camera = raised_camera(f"over_{name}")
    camera.sources = [name]
    return camera


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    model = make_package(tmp_path_factory.mktemp("models") / "tiny")
    # What the tests send at once must not be lost, however slow the machine.
    reliable = [f"{name}.reliability:=reliable" for name in NAMES]
    deep = [
        f"qos_overrides./{name}/image_raw{suffix}.subscription.depth:=100"
        for name in NAMES
        for suffix in ("", "/compressed")
    ]
    with live(DOMAIN, model, "tf_timeout_s:=0.2", *reliable, *deep) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        fleet = Fleet(opened, caller, load_package(model), [])
        fleet.first.extend(fleet.good())
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    yield running
    assert running.good() == running.first


def rate(hz: str) -> Callable[[dict[str, str]], bool]:
    return lambda values: values["rate_hz"] == hz


def newest(stamp: str) -> Callable[[dict[str, str]], bool]:
    return lambda values: values["newest_stamp"] == stamp


def bytes_of(answer: ClipResult) -> list[bytes]:
    assert answer.success, answer.message
    return [bytes(frame.data) for frame in answer.frames]


def test_sizes_rates_and_clocks_of_their_own(fleet: Fleet) -> None:
    """Wide at 30 Hz, square at 10 Hz with stamps between everybody else's."""
    wide = fleet.driver("wide")
    square = fleet.driver("square")
    at_30_hz = [SENT[0] + k * 10**9 // 30 for k in range(34)]
    between = [SENT[0] + 50_000_001 + k * PERIOD_NS for k in range(10)]
    for ns in sorted([*at_30_hz, *between]):
        (wide if ns in at_30_hz else square).send(ns, WIDE if ns in at_30_hz else SQUARE)
    answers = {
        "wide": fleet.ask("wide", at_30_hz[-1]),
        "square": fleet.ask("square", between[-1]),
    }
    assert bytes_of(answers["wide"]) == fleet.expected(WIDE, at_30_hz[-25::3])
    assert bytes_of(answers["square"]) == fleet.expected(SQUARE, between[-9:])
    assert int(fleet.values("wide", rate("30.00"))["dropped.off_grid"]) >= 22
    assert fleet.values("square", rate("10.00"))["topic"] == "/square/image_raw"
    wide.close()
    square.close()


def test_a_camera_that_has_compressed_images_only(fleet: Fleet) -> None:
    jpeg = fleet.driver("jpeg", compressed=True)
    for k, ns in enumerate(SENT):
        jpeg.send(ns, cut=100 if k == 1 else None)
    stamps = SENT[-9:]
    assert bytes_of(fleet.ask("jpeg")) == fleet.expected(CAMERA, stamps)
    values = fleet.values("jpeg", newest("2.100 s"))
    assert values["topic"] == "/jpeg/image_raw/compressed"
    assert values["dropped.invalid_image"] == "1"
    assert "its last chunk is missing" in fleet.problem("jpeg", "invalid_image")
    jpeg.close()


def test_a_camera_that_stops_and_comes_back(fleet: Fleet) -> None:
    stops = fleet.driver("stops")
    for ns in SENT[:3]:
        stops.send(ns)
    assert "no image came for" in fleet.problem("stops", "no_images")
    stops.close()
    assert "nobody publishes '/stops/image_raw'" in fleet.problem("stops", "no_publisher")
    assert fleet.good() == fleet.first
    stops = fleet.driver("stops")  # at stamps of before: it was restarted with its clock
    for ns in SENT:
        stops.send(ns)
    assert bytes_of(fleet.ask("stops")) == fleet.expected(CAMERA, SENT[-9:])
    going_on = count(SENT[-1] + PERIOD_NS, PERIOD_NS)

    def well(status: Any) -> bool:
        stops.send(next(going_on))
        return not any(key.startswith("problem.no_") for key in values_of(status))

    fleet.caller.status("camera stops", well)
    stops.close()


def test_another_calibration_and_another_size_in_mid_clip(fleet: Fleet) -> None:
    """`zooms` gets a longer lens after six frames, `grows` larger images of the same view."""
    zooms = fleet.driver("zooms")
    grows = fleet.driver("grows")
    large = CAMERA.resized(96, 72)
    for k, ns in enumerate(SENT):
        zooms.send(ns, CAMERA if k < 6 else replace(CAMERA, fx=1.5 * CAMERA.fx))
        grows.send(ns, CAMERA if k < 6 else large)
    refused = fleet.ask("zooms")
    assert refused.code == "calibration_changed"
    assert "the camera of '/zooms/image_raw' changed at 1.600 s" in refused.message
    assert "the calibration changed at 1.600 s" in fleet.problem("zooms", "calibration_changed")
    assert fleet.ask("zooms", SENT[5], num_frames=5).success
    assert fleet.ask("zooms", SENT[11], num_frames=5).success
    assert fleet.ask("grows").success
    text = fleet.problem("grows", "size_changed")
    assert "the images changed from 64x48 to 96x72 at 1.600 s" in text
    zooms.close()
    grows.close()


def test_two_publishers_on_one_topic(fleet: Fleet) -> None:
    one = fleet.driver("two")
    other = fleet.driver("two")
    text = fleet.problem("two", "two_publishers")
    assert "'/two/image_raw' has 2 publishers ('test', 'test'), whose images mix; stop one" in text
    for ns in SENT:
        one.send(ns)
        other.send(ns)
    fleet.values("two", lambda v: int(v.get("dropped.duplicate_stamp", 0)) >= len(SENT))
    assert bytes_of(fleet.ask("two")) == fleet.expected(CAMERA, SENT[-9:])
    one.close()
    other.close()


def test_stamps_that_repeat_and_go_back(fleet: Fleet) -> None:
    stutters = fleet.driver("stutters")
    wrong = [SENT[3], SENT[2], SENT[3]]
    for ns in [*SENT[:4], *wrong, *SENT[4:]]:
        stutters.send(ns)
    values = fleet.values("stutters", newest("2.100 s"))
    assert values["dropped.duplicate_stamp"] == "2"
    assert values["dropped.out_of_order"] == "1"
    assert bytes_of(fleet.ask("stutters")) == fleet.expected(CAMERA, SENT[-9:])
    stutters.send(SENT[-1] + 10**10)  # far ahead, and back by more than a second: starts over
    for ns in SENT:
        stutters.send(ns)
    values = fleet.values("stutters", lambda v: int(v["retired_used"]) >= 9)
    assert values["newest_stamp"] == "2.100 s"
    assert bytes_of(fleet.ask("stutters")) == fleet.expected(CAMERA, SENT[-9:])
    stutters.close()

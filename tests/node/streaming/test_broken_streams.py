"""Streams whose world breaks under them: each trouble is named, passes, and stops no other stream.

Beside every camera in trouble runs one on a good source, which answers each frame exactly once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from geometry_msgs.msg import PoseStamped
from tf2_msgs.msg import TFMessage

from anyview_ros.frames import Camera
from anyview_ros.node.messages import time_message
from tests.node.driver import Driver
from tests.node.live_streams import LOSSLESS, Stamps, Street, continuous, stamps_of
from tests.node.rig import CAMERA, SENT, Caller, Rig, live, transform, values_of, wait_for
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN, SIM_DOMAIN = 192, 193
LONGER_LENS = replace(CAMERA, fx=1.5 * CAMERA.fx)
SETTINGS = ("tf_timeout_s:=0.3", "flush_s:=0.4", "buffer_s:=20.0", "other.reliability:=reliable")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@dataclass
class Town:
    """A good source `front`, one that tests break called `other`, and an arm that TF knows of."""

    street: Street
    other: Driver
    arm: Any
    stamps: Stamps

    def play(self, stamps_ns: Sequence[int], camera: Camera = CAMERA, **what: bool) -> None:
        """Frames of both cameras, or without `other`, and with the pose of the `arm`."""
        for stamp in stamps_ns:
            if what.get("arm", False):
                pose = transform("odom", "arm", np.eye(4), stamp)
                self.arm.publish(TFMessage(transforms=[pose]))
            self.street.rig.send([stamp])
            if what.get("other", True):
                self.other.send(stamp, camera)
            threading.Event().wait(0.03)

    def answered(self, heard: dict[str, list[Any]], sent: Sequence[int]) -> None:
        """Every frame was answered exactly once, in order."""
        images = heard["image_raw"]
        self.street.opened.wait_until(lambda: len(images) >= len(sent), "all frames")
        assert stamps_of(images) == list(sent)


@pytest.fixture(scope="module")
def running(model: Path) -> Iterator[Town]:
    with live(DOMAIN, model, *SETTINGS) as (opened, rig, caller):
        other = Driver(opened.node, "other")
        caller.status("camera other")
        other.connect(caller)
        arm = opened.node.create_publisher(TFMessage, "/tf", 100)
        wait_for(lambda: arm.get_subscription_count() > 0, "a listener to the arm")
        rig.send(SENT)
        yield Town(Street(opened, rig, caller), other, arm, Stamps())


@pytest.fixture
def town(running: Town) -> Iterator[Town]:
    yield running
    caller = running.street.caller
    for camera in caller.call("list_virtual_cameras").cameras:
        assert caller.call("remove_virtual_camera", name=camera.name).success


def test_another_calibration_costs_a_lossless_stream_no_frame(town: Town) -> None:
    good = town.street.listen(continuous("good", LOSSLESS))
    zooms = town.street.listen(continuous("zooms", LOSSLESS, sources=["other"]))
    before, after = town.stamps.take(12), town.stamps.take(14)
    town.play(before)
    town.play(after, LONGER_LENS)
    values = town.street.published("zooms", 26)
    assert (values["published"], values["balanced"]) == ("26", "True")
    assert values["clips"] == "4", "9 and 3 before the change, 9 and 5 after it"
    for heard in (good, zooms):
        town.answered(heard, [*before, *after])
    town.play(back := town.stamps.take(9))
    town.answered(zooms, [*before, *after, *back])


def test_a_source_that_stops_is_named_and_goes_on_when_it_is_back(town: Town) -> None:
    """It comes back with larger images and the clock of a while ago, as after a restart."""
    good = town.street.listen(continuous("good", LOSSLESS))
    town.street.listen(continuous("stops", sources=["other"]))
    town.stamps.skip(10)
    before = town.stamps.take(12)
    town.play(before)
    town.street.published("stops", 9)
    town.other.close()
    values = town.street.status("stops", lambda v: v.get("code") == "source_silent")
    assert int(values["published"]) >= 9
    without = town.stamps.take(9)
    town.play(without, other=False)
    town.other = Driver(town.street.opened.node, "other")
    wait_for(lambda: town.other.is_heard, "the restarted camera's reader")
    count = int(values["published"])
    large = CAMERA.resized(96, 72)

    def is_back() -> bool:
        for stamp in before:  # again: the first ones may be lost before both sides are connected
            town.other.send(stamp, large)
            threading.Event().wait(0.05)
        values = town.street.status("stops", bool)
        return int(values["published"]) > count and values.get("code") != "source_silent"

    wait_for(is_back, "the restarted camera's clip")
    town.answered(good, [*before, *without])


def test_a_frame_that_comes_late_and_vanishes_is_named(town: Town) -> None:
    """On the arm's way: a trajectory whose frame TF knows too late, not any more, and again."""
    good = town.street.listen(continuous("good", LOSSLESS))
    on_arm = continuous("rides", parent_frame="arm")
    first = town.stamps.take(6)
    town.play(first)
    town.play(known := town.stamps.take(3), arm=True)
    town.street.listen(continuous("rides"))
    on_arm.pose = VirtualCamera().pose
    on_arm.trajectory = [_at(first[0], 0.0), _at(first[0] + 10**11, 1.0)]
    town.street.change(on_arm)
    town.play(late := town.stamps.take(2), arm=True)
    town.street.status("rides", lambda values: values.get("code") == "tf_expired")
    town.play(there := town.stamps.take(14), arm=True)
    count = int(town.street.published("rides", 1)["published"])
    town.play(gone := town.stamps.take(9))
    town.street.status("rides", lambda values: values.get("code") == "tf_waiting")
    town.play(again := town.stamps.take(14), arm=True)
    values = town.street.published("rides", count + 1)
    assert values.get("code") not in ("tf_expired", "tf_waiting")
    assert values["balanced"] == "True"
    town.answered(good, [*first, *known, *late, *there, *gone, *again])


def _at(stamp: int, x: float) -> PoseStamped:
    pose = PoseStamped()
    pose.header.stamp = time_message(stamp)
    pose.pose.position.x = x
    return pose


def test_a_hundred_cameras_are_as_many_as_the_node_takes(town: Town) -> None:
    good = town.street.listen(continuous("good", LOSSLESS, priority=255))
    names = [f"one_{k}" for k in range(100)]
    answers = [town.street.caller.add(continuous(name)) for name in names]
    assert [answer.success for answer in answers] == [True] * 15 + [False] * 85
    assert {answer.code for answer in answers[15:]} == {"too_many_cameras"}
    sent = town.stamps.take(25)
    town.play(sent, other=False)
    town.answered(good, sent)
    for name in names[:15]:
        values = town.street.status(name, lambda v: int(v.get("published", 0)) > 0)
        assert values["balanced"] == "True"


@pytest.fixture
def simulation(model: Path) -> Iterator[tuple[Street, Rig, Caller]]:
    with live(SIM_DOMAIN, model, "use_sim_time:=true", *SETTINGS) as (opened, rig, caller):
        wait_for(lambda: rig.clock_is_heard, "a listener to /clock")
        rig.tick(SENT[-1])
        rig.send(SENT)
        yield Street(opened, rig, caller), rig, caller


def test_simulated_time_jumps_back_while_a_clip_is_made(
    simulation: tuple[Street, Rig, Caller],
) -> None:
    street, rig, caller = simulation
    heard = street.listen(continuous("looped", LOSSLESS))
    worker = int(values_of(caller.status("model"))["worker_pid"])
    sent = Stamps().take(9)
    os.kill(worker, signal.SIGSTOP)  # the clip begins, and takes until further notice
    try:
        street.play(sent)
        street.status("looped", lambda values: values.get("waiting") == "9")
        rig.tick(SENT[0])
        values = street.status("looped", lambda values: values.get("waiting") == "0")
        assert (values["skipped.clock_jumped"], values["published"]) == ("9", "0")
    finally:
        os.kill(worker, signal.SIGCONT)
    rig.tick(sent[-1])
    street.play(sent)
    values = street.published("looped", 9)
    assert (values["balanced"], values["published"]) == ("True", "9")
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= 9, "the clip after the jump")
    assert stamps_of(heard["image_raw"]) == sent

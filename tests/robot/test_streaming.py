"""Continuous cameras through DDS: live, lossless, many at once, and what goes wrong meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from diagnostic_msgs.msg import DiagnosticStatus

from anyview_ros.robot.messages import stamp_ns
from tests.graph import Graph
from tests.packages import make_package
from tests.robot.rig import (
    PERIOD_NS,
    SENT,
    Caller,
    Rig,
    asked,
    live,
    raised_camera,
    values_of,
)

LIVE, LOSSLESS = VirtualCamera.LIVE, VirtualCamera.LOSSLESS


def numbered(*numbers: int) -> list[int]:
    """Stamps of the rig's grid; 0..11 are those of SENT."""
    return [SENT[0] + k * PERIOD_NS for k in numbers]


def continuous(name: str, mode: int = LIVE, rate: float = 10.0, **fields: Any) -> VirtualCamera:
    camera = raised_camera(name)
    camera.mode, camera.rate = mode, rate
    for field, value in fields.items():
        setattr(camera, field, value)
    return camera


@dataclass(frozen=True)
class Street:
    opened: Graph
    rig: Rig
    caller: Caller

    def listen(self, camera: VirtualCamera) -> dict[str, list[Any]]:
        """Add the camera; what it publishes from its first frame on, without a gap."""
        added = self.caller.add(raised_camera(camera.name))
        assert added.success, added.message
        heard = self.caller.listen_to(asked(camera.name))
        self.change(camera)
        return heard

    def play(self, stamps_ns: Sequence[int], apart_s: float = 0.02) -> None:
        """Send frames at a pace that the node's queues can follow."""
        for stamp in stamps_ns:
            self.rig.send([stamp])
            threading.Event().wait(apart_s)

    def change(self, camera: VirtualCamera) -> None:
        changed = self.caller.call("update_virtual_camera", camera=camera)
        assert changed.success, changed.message

    def status(self, name: str, holds: Any) -> dict[str, str]:
        """Values of a virtual camera's diagnostics, as soon as something holds of them."""
        status = self.caller.status(f"virtual camera {name}", lambda s: holds(values_of(s)))
        return values_of(status)

    def published(self, name: str, count: int) -> dict[str, str]:
        """Once so many frames were answered."""
        return self.status(name, lambda values: int(values.get("published", 0)) >= count)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def running(model: Path) -> Iterator[Street]:
    settings = ["tf_timeout_s:=0.3", "flush_s:=0.4", "buffer_s:=20.0"]
    with live(180, model, *settings) as (opened, rig, caller):
        rig.send(SENT)
        yield Street(opened, rig, caller)


class Stamps:
    """Stamps that go on from test to test, as a robot's do."""

    def __init__(self) -> None:
        self._next = len(SENT)

    def take(self, count: int) -> list[int]:
        found = numbered(*range(self._next, self._next + count))
        self._next += count
        return found

    def skip(self, count: int) -> None:
        self._next += count


@pytest.fixture(scope="module")
def stamps() -> Stamps:
    return Stamps()


@pytest.fixture
def street(running: Street) -> Iterator[Street]:
    yield running
    for camera in running.caller.call("list_virtual_cameras").cameras:
        assert running.caller.call("remove_virtual_camera", name=camera.name).success


def stamps_of(messages: Sequence[Any]) -> list[int]:
    return [stamp_ns(message.header.stamp) for message in messages]


def test_a_lossless_camera_answers_every_frame_once_and_flushes_the_rest(
    street: Street, stamps: Stamps
) -> None:
    heard = street.listen(continuous("all", LOSSLESS))
    sent = stamps.take(30)  # a clip of 9, two that continue it by 8, and 5 that are left
    street.play(sent)
    values = street.published("all", 30)
    assert values["balanced"] == "True"
    assert (values["seen"], values["published"], values["waiting"]) == ("30", "30", "0")
    street.opened.wait_until(
        lambda: all(len(messages) >= 30 for messages in heard.values()), "all frames"
    )
    for messages in heard.values():
        assert stamps_of(messages) == sent
    assert values["clips"] == "4"

"""Continuous cameras on a live node: what tests ask of them and read of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anyview_ros.msg import VirtualCamera

from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import time_message
from tests.graph import Graph
from tests.node.rig import PERIOD_NS, SENT, Caller, Rig, asked, raised_camera, values_of

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
        request = asked(camera.name)
        request.end_time = time_message(0)  # the newest frames
        heard = self.caller.listen_to(request)
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

    def answered(self, name: str, count: int) -> dict[str, str]:
        """Once so many frames were seen and none of them waits."""
        done = {"seen": str(count), "waiting": "0"}
        return self.status(name, lambda values: done.items() <= values.items())

    def published(self, name: str, count: int) -> dict[str, str]:
        """Once so many frames were answered."""
        return self.status(name, lambda values: int(values.get("published", 0)) >= count)


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


def stamps_of(messages: Sequence[Any]) -> list[int]:
    return [stamp_ns(message.header.stamp) for message in messages]

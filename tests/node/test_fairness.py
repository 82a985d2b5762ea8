"""One caller floods the node with goals, one camera streams, another caller asks now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyview_ros.action import SynthesizeClip
from rclpy.action import ActionClient

from tests.graph import Graph
from tests.node.live_streams import continuous
from tests.node.rig import SENT, Caller, Rig, asked, live, raised_camera, values_of
from tests.node.streaming.test_slow_streams import driving
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 56
GOALS = 12  # that wait for their answer at any time: more than may wait for the model
QUESTIONS = 6


@pytest.fixture
def street(tmp_path: Path) -> Iterator[tuple[Graph, Rig, Caller]]:
    """A clip takes about 50 ms."""
    with live(DOMAIN, make_package(tmp_path / "slow", work=10), "buffer_s:=60.0") as found:
        found[1].send(SENT)
        yield found


class Flood:
    """Goals for a camera, each of which is followed by the next as soon as it is answered."""

    def __init__(self, opened: Graph, camera: str) -> None:
        self.codes: Counter[str] = Counter()
        self._over = False
        self._goal = SynthesizeClip.Goal(request=asked(camera))
        self._client = ActionClient(opened.node, SynthesizeClip, "/anyview/synthesize_clip")
        executor = opened.node.executor
        assert executor is not None
        self._later = executor.create_task

    @contextmanager
    def going_on(self) -> Iterator[None]:
        assert self._client.wait_for_server(30.0)
        for _ in range(GOALS):
            self._later(self._send)
        yield
        self._over = True

    def _send(self) -> None:
        if not self._over:
            self._client.send_goal_async(self._goal).add_done_callback(self._on_accepted)

    def _on_accepted(self, accepted: Any) -> None:
        accepted.result().get_result_async().add_done_callback(self._on_answer)

    def _on_answer(self, answer: Any) -> None:
        self.codes[answer.result().result.result.code] += 1
        self._send()


def test_all_are_answered(street: tuple[Graph, Rig, Caller]) -> None:
    opened, rig, caller = street
    for name in ("flooded", "rare"):
        assert caller.add(raised_camera(name)).success
        assert caller.synthesize_when_ready(asked(name)).success
    assert caller.add(continuous("streams")).success
    flood, waits, passed = Flood(opened, "flooded"), [], []
    with driving(rig), flood.going_on():
        values = values_of(caller.status("virtual camera streams", _has_clips(2)))
        for _ in range(QUESTIONS):
            began, served = time.monotonic(), flood.codes[""]
            answer = caller.synthesize(asked("rare"))
            assert answer.success, answer.message
            waits.append(time.monotonic() - began)
            passed.append(flood.codes[""] - served)
            threading.Event().wait(0.1)
        values = values_of(caller.status("virtual camera streams", _has_clips(_clips(values) + 4)))
    print(f"{np.round(waits, 2)} s, {passed} of {flood.codes}; stream {values['rate_hz']} Hz")
    assert np.mean(passed) <= 2.5, "one that ran already, one whose turn it was, and no more"
    assert flood.codes[""] > 4, "the one who floods is answered too"
    assert flood.codes["busy"] > 0, "and told that it is too much"
    assert set(flood.codes) == {"", "busy"}


def _clips(values: dict[str, str]) -> int:
    return int(values.get("clips", 0))


def _has_clips(least: int) -> Any:
    return lambda status: _clips(values_of(status)) >= least

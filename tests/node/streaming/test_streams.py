"""Which streams there are, by the cameras and the model, without a graph."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera

from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.virtual.camera_request import camera_request
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.request_queue import RequestQueue, Ticket
from anyview_ros.node.streaming.streams import Streams
from anyview_ros.node.virtual import virtual_cameras
from anyview_ros.packages import load_package
from tests.packages import make_package


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")).contract


class Cameras:
    """The virtual cameras: each change is told."""

    def __init__(self) -> None:
        self._there: dict[str, Any] = {}
        self._on_change: Callable[[], None] = lambda: None

    def watch(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def listed(self) -> list[Any]:
        return list(self._there.values())

    def named(self, name: str) -> Any:
        return self._there[name]

    def add(self, name: str, contract: Contract, priority: int = 0) -> None:
        message = VirtualCamera(name=name, rate=10.0, priority=priority, sources=["front"])
        topics: Any = SimpleNamespace(has_room=True)
        self._there[name] = virtual_cameras.VirtualCamera(camera_request(message, contract), topics)
        self._on_change()

    def remove(self, name: str) -> None:
        del self._there[name]
        self._on_change()


@contextmanager
def running(model: Any, cameras: Any, maker: Any, node: Any) -> Iterator[Streams]:
    settings = SimpleNamespace(tf_timeout_s=1.0, flush_s=2.0, back_pressure="none", buffer_s=10.0)
    streams = Streams(node, model, cameras, RequestQueue(), maker, lambda: settings)
    try:
        yield streams
    finally:
        streams.close()


def test_a_camera_that_is_removed_while_there_is_no_model_has_no_stream(
    contract: Contract,
) -> None:
    model, cameras = SimpleNamespace(current=SimpleNamespace(contract=contract)), Cameras()
    with running(model, cameras, Mock(), Mock()) as streams:
        for name in ("kept", "removed"):
            cameras.add(name, contract)
        before = streams.status("kept")
        assert before is not None
        assert streams.status("removed") is not None
        model.current, model.loading = None, ""
        cameras.remove("removed")
        assert streams.status("removed") is None
        model.current = SimpleNamespace(contract=contract)
        streams.note("front", 10**9, False)
        assert streams.status("removed") is None
        status = streams.status("kept")
        assert status is not None
        assert status.ledger.seen == 1


def test_a_player_stands_while_another_model_is_loaded(contract: Contract) -> None:
    """Inputs are closed then: what it played would be lost."""
    model = SimpleNamespace(current=None, loading="another")
    with running(model, Cameras(), Mock(), Mock()) as streams:
        streams.back_pressure = Mock()
        streams.note("front", 10**9, False)
        assert not streams.back_pressure.release.called
        model.loading = ""
        streams.note("front", 2 * 10**9, False)
        assert streams.back_pressure.release.called


class Maker:
    """Makes clips in no time, of a second of the model's each; meanwhile new frames come."""

    def __init__(self, note: Callable[[], None], contract: Contract) -> None:
        self._note = note
        self._period_ns, self._frames = round(contract.frame_period * 1e9), contract.frames[0]
        self.made: Counter[str] = Counter()

    def start_process(self, ticket: Ticket) -> bool:
        return False

    def gather(self, spec: ClipSpec, camera: Any, *_: Any, **how: Any) -> Any:
        stamps = [spec.end_ns - k * self._period_ns for k in reversed(range(self._frames))]
        size = SimpleNamespace(camera=SimpleNamespace(height=2, width=2))
        name = camera.request.name
        return SimpleNamespace(stamps_ns=tuple(stamps), names=("front",), target=size, camera=name)

    def make(self, job: Any, ticket: Ticket, before: object) -> Any:
        ticket.model_s = 1.0
        self.made[job.camera] += 1
        self._note()
        frames = np.zeros((self._frames, 2, 2, 3), np.uint8)
        synthesis = SimpleNamespace(frames=frames, model_s=1.0)
        return SimpleNamespace(job=job, synthesis=synthesis, age_s=lambda now_ns: 0.0)

    def publish(self, made: Any, chosen: Sequence[int]) -> None:
        pass


def test_a_source_is_held_back_again_once_a_clip_has_all_its_frames(contract: Contract) -> None:
    """While the model works, which takes long: what lacked before the try before is there."""
    model, cameras = SimpleNamespace(current=SimpleNamespace(contract=contract)), Cameras()
    model.required = lambda: model.current
    backlogs = list[int]()

    class OnceNotYet(Maker):
        def gather(self, *what: Any, **how: Any) -> Any:
            if not backlogs:
                backlogs.append(0)
                raise AnyviewError("not_yet", "the other camera's frame comes in a moment")
            return super().gather(*what, **how)

        def make(self, *what: Any, **how: Any) -> Any:
            (stream,) = streams._now().values()
            backlogs.append(stream.backlog_at_work())
            return super().make(*what, **how)

    maker = OnceNotYet(lambda: None, contract)
    with running(model, cameras, maker, Mock()) as streams:
        message = VirtualCamera(name="a", rate=10.0, mode=VirtualCamera.LOSSLESS, sources=["front"])
        topics: Any = SimpleNamespace(has_room=True)
        cameras._there["a"] = virtual_cameras.VirtualCamera(
            camera_request(message, contract), topics
        )
        cameras._on_change()
        for k in range(9):
            streams.note("front", 10**9 + k * 10**8, False)
        deadline = time.monotonic() + 10.0
        while len(backlogs) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert backlogs == [0, 9]


def test_shares_follow_priorities(contract: Contract) -> None:
    model, cameras = SimpleNamespace(current=SimpleNamespace(contract=contract)), Cameras()
    model.required = lambda: model.current
    stamps = count(10**9, 10**8)

    def note() -> None:
        for stamp in islice(stamps, 40):
            streams.note("front", stamp, False)

    maker, node = Maker(note, contract), Mock()
    node.get_clock().now().nanoseconds = 0
    with running(model, cameras, maker, node) as streams:
        for name, priority in (("low", 0), ("high", 3)):
            cameras.add(name, contract, priority)
        note()
        deadline = time.monotonic() + 30
        while maker.made["low"] < 20:
            assert time.monotonic() < deadline, maker.made
            time.sleep(0.01)
    assert 3.5 < maker.made["high"] / maker.made["low"] < 4.5, "four times as much is its share"


def test_a_bug_does_not_take_a_core(contract: Contract) -> None:
    """What fails at once fails again."""
    model, cameras, node = (
        SimpleNamespace(current=SimpleNamespace(contract=contract)),
        Cameras(),
        Mock(),
    )
    cameras.named = Mock(side_effect=RuntimeError("a bug"))  # type: ignore[method-assign]
    with running(model, cameras, Mock(), node):
        cameras.add("chase", contract)
        time.sleep(0.5)
        assert 1 <= node.get_logger().error.call_count <= 12

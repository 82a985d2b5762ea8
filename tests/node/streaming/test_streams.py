"""Which streams there are, by the cameras and the model, without a graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from anyview_ros.msg import VirtualCamera

from anyview_ros.clips.virtual.camera_request import camera_request
from anyview_ros.contract import Contract
from anyview_ros.node.clips.request_queue import RequestQueue
from anyview_ros.node.streaming.streams import Streams
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

    def add(self, name: str, contract: Contract) -> None:
        message = VirtualCamera(name=name, rate=10.0, sources=["front"])
        topics = SimpleNamespace(has_room=True)
        request = camera_request(message, contract)
        self._there[name] = SimpleNamespace(request=request, topics=topics)
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
        model.current = None
        cameras.remove("removed")
        assert streams.status("removed") is None
        model.current = SimpleNamespace(contract=contract)
        streams.note("front", 10**9, False)
        assert streams.status("removed") is None
        status = streams.status("kept")
        assert status is not None
        assert status.ledger.seen == 1


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

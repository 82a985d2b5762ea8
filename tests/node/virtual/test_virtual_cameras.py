"""What the node's virtual cameras do while other parts of it wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera

from anyview_ros.clips.virtual.camera_request import camera_request
from anyview_ros.errors import AnyviewError
from anyview_ros.node.virtual.virtual_cameras import VirtualCameras
from anyview_ros.packages import load_package
from tests.graph import graph
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 59
LIMIT_S = 5.0


class Waiting:
    """Surroundings that are asked while a model is loaded, which needs the cameras too."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None

    def source_names(self) -> tuple[str, ...]:
        asks = threading.Thread(target=self.meanwhile, daemon=True)
        asks.start()
        asks.join(LIMIT_S)
        assert not asks.is_alive(), "the cameras are locked"
        return ()

    tree_frames = source_names

    def world_from(self, frame: str, stamp_ns: int) -> Any:
        return np.eye(4)

    def newest_ns(self) -> int:
        return 0


def test_cameras_are_not_locked_while_it_is_asked_what_names_others_have(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    settings: Any = SimpleNamespace(fixed_frame="odom", max_virtual_cameras=4)
    with graph(DOMAIN) as opened, ExitStack() as until_end:
        around = Waiting()
        cameras = VirtualCameras(opened.node, around, lambda: settings)
        until_end.callback(cameras.close)
        around.meanwhile = lambda: cameras.follow(contract)
        asked = [camera_request(VirtualCamera(name=n), contract) for n in ("added", "asked")]
        cameras.add(asked[0], contract)
        with cameras.for_one_request(asked[1], contract) as camera:
            assert camera.is_temporary


def test_requests_are_ended_before_the_topics_of_a_camera_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    settings: Any = SimpleNamespace(fixed_frame="odom", max_virtual_cameras=4)
    with graph(DOMAIN) as opened, ExitStack() as until_end:
        cameras = VirtualCameras(opened.node, Waiting(), lambda: settings)
        until_end.callback(cameras.close)
        cameras.add(camera_request(VirtualCamera(name="chase"), contract), contract)
        topics, happened = cameras.named("chase").topics, list[str]()
        until_end.callback(topics.close)
        monkeypatch.setattr(topics, "close", lambda: happened.append("closed"))

        def end_requests() -> None:
            assert not cameras.is_added("chase"), "none comes in after it"
            happened.append("ended")

        cameras.remove("chase", end_requests)
        assert happened == ["ended", "closed"]


def test_a_request_whose_topics_cannot_be_opened_leaves_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    settings: Any = SimpleNamespace(fixed_frame="odom", max_virtual_cameras=4)
    asked = camera_request(VirtualCamera(name="asked"), contract)

    def refuse(*_: object) -> None:
        raise AnyviewError("invalid_parameter", "qos_overrides")

    with graph(DOMAIN) as opened, ExitStack() as until_end:
        cameras = VirtualCameras(opened.node, Waiting(), lambda: settings)
        until_end.callback(cameras.close)
        monkeypatch.setattr(cameras, "_open", refuse)
        for _ in range(2):
            with pytest.raises(AnyviewError, match="qos_overrides"):
                until_end.enter_context(cameras.for_one_request(asked, contract))

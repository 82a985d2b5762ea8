"""What the node's virtual cameras do while other parts of it wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from geometry_msgs.msg import PoseStamped
from tf2_msgs.msg import TFMessage

from anyview_ros.clips.placements import Standing, Steered
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


def test_a_late_clip_does_not_move_a_camera_that_stands_by_now(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    settings: Any = SimpleNamespace(fixed_frame="odom", max_virtual_cameras=4)
    with graph(DOMAIN) as opened, ExitStack() as until_end:
        cameras = VirtualCameras(opened.node, Waiting(), lambda: settings)
        until_end.callback(cameras.close)
        standing = camera_request(VirtualCamera(name="chase"), contract)
        assert isinstance(standing.placement, Standing)
        moving = replace(standing, placement=Steered((0,), (standing.placement.pose,)))
        cameras.add(moving, contract)
        moved = opened.listen(TFMessage, "/tf", 10)
        poses = np.eye(4)[None]
        opened.wait_until(
            lambda: cameras.show_frames(moving, (len(moved) + 1,), poses) or bool(moved), "a frame"
        )
        cameras.update(standing)
        cameras.show_frames(moving, (10**9,), poses)
        cameras.steer("chase", PoseStamped())
        cameras.show_frames(moving, (2 * 10**9,), poses)
        stamps: Callable[[], set[int]] = lambda: {  # noqa: E731
            each.transforms[0].header.stamp.sec for each in moved
        }
        opened.wait_until(lambda: 2 in stamps(), "the next frame")
        assert 1 not in stamps()


def test_topics_have_the_depth_that_they_are_opened_with_and_no_parameters(tmp_path: Path) -> None:
    """A parameter would keep the first depth, and stay for each name there ever was."""
    settings: Any = SimpleNamespace(fixed_frame="odom", max_virtual_cameras=4)
    with graph(DOMAIN) as opened, ExitStack() as until_end:
        cameras = VirtualCameras(opened.node, Waiting(), lambda: settings)
        until_end.callback(cameras.close)
        before = opened.node.list_parameters([], 0).names
        for frames in (9, 41):
            package = make_package(tmp_path / f"of_{frames}", frames=(1, frames))
            contract = load_package(package).contract
            cameras.add(camera_request(VirtualCamera(name="chase"), contract), contract)
            publishers = cameras.named("chase").topics._publishers
            assert publishers["image_raw"].qos_profile.depth == 2 * frames
            cameras.remove("chase", lambda: None)
        assert opened.node.list_parameters([], 0).names == before

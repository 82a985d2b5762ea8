"""`anyview view` of a running node: its cameras, their images, and what the page asks of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anyview_ros.cli import view as command
from anyview_ros.clips.placements import FramePose
from anyview_ros.demo.session import Session
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import rigid
from anyview_ros.live_view import serving
from anyview_ros.live_view.live_node import LiveNode
from anyview_ros.live_view.node_choice import only_one
from anyview_ros.live_view.serving import connect, serve_once
from anyview_ros.view.live_cameras import Add, LiveCamera, Orders, Remove, Steer
from tests.graph import LOCAL
from tests.node.rig import CAMERA, PERIOD_NS, SENT, base_from_cam, live, picture, world_from_base
from tests.packages import make_package
from tests.remedies.listed import code_of, parsed
from tests.view.browser import CHROMIUM, browser

pytest.importorskip("viser", reason="viser is not installed: ./anyview test installs it")

from anyview_ros.view.live_page import ASIDE, LivePage

pytestmark = pytest.mark.graph

DOMAIN = 221
FRONT, PLACED = "front_optical_frame", "placed"
WITHIN_S = 60.0


class Running:
    """A node, a rig that a thread keeps sending, and the page's view of the node."""

    def __init__(self, rig: Any, node: LiveNode) -> None:
        self.node = node
        self._rig, self._ended = rig, threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def camera(self, key: str, holds: Callable[[LiveCamera], bool] = lambda _: True) -> LiveCamera:
        """The camera of that key, as soon as something holds of it."""
        end = time.monotonic() + WITHIN_S
        while True:
            found = {camera.key: camera for camera in self.node.cameras()}.get(key)
            if found and holds(found):
                return found
            assert time.monotonic() < end, f"'{key}': {found}"
            time.sleep(0.05)

    def image(self, key: str) -> Any:
        """The next image of a camera."""
        end = time.monotonic() + WITHIN_S
        while (image := self.node.images().get(key)) is None:
            self.node.cameras()  # which listens to those that are new
            assert time.monotonic() < end, f"no image of '{key}'"
            time.sleep(0.05)
        return image

    def _send(self) -> None:
        stamp = SENT[0]
        while not self._ended.wait(0.1):
            self._rig.send([stamp])
            stamp += PERIOD_NS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    model = make_package(tmp_path_factory.mktemp("model") / "tiny", max_sources=2)
    os.environ.update(LOCAL)
    with live(DOMAIN, model) as (_, rig, _), Session("view", DOMAIN) as session:
        rig.send(SENT[:1])
        at_work = Running(rig, connect(session, ""))
        yield at_work
        at_work.stop()


def test_a_source_stands_where_tf_has_it_and_shows_its_image(running: Running) -> None:
    expected = world_from_base(SENT[0]) @ base_from_cam("front")
    # The vehicle drives along x.
    front = running.camera("front (source)", lambda c: c.world_from_cam[0, 3] > expected[0, 3] + 1)
    assert running.node.fixed_frame == "odom"
    assert not front.is_virtual
    assert not front.steerable
    assert front.pose.frame == FRONT
    assert front.world_from_cam[1:] == pytest.approx(expected[1:], abs=1e-6)
    assert 2 * np.arctan(np.tan(front.fov / 2) * front.aspect) == pytest.approx(1.2, abs=0.01)
    assert running.image("front (source)").shape == picture("front", SENT[0]).shape


def test_a_camera_is_added_streams_is_steered_and_removed(running: Running) -> None:
    node = running.node
    node.follow(Add(PLACED, FramePose(FRONT, rigid(np.eye(3), (-1.0, 0.0, 0.0))), 1.0, 10.0))
    placed = running.camera(PLACED)
    assert placed.is_virtual
    assert placed.steerable
    assert running.image(PLACED).shape == (CAMERA.height, CAMERA.width, 3)
    there = FramePose(FRONT, rigid(np.eye(3), (2.0, 0.0, 0.0)))
    node.follow(Steer(PLACED, there))
    moved = running.camera(PLACED, lambda camera: camera.pose.frame_from_cam[0, 3] == 2.0)
    front = running.camera("front (source)")
    # Its axis x points to the right: the world's -y.
    assert moved.world_from_cam[1, 3] == pytest.approx(front.world_from_cam[1, 3] - 2.0)
    node.follow(Remove(PLACED))
    assert PLACED not in [camera.key for camera in node.cameras()]
    assert code_of(node.follow, Remove(PLACED)) == "unknown_camera"


@pytest.mark.skipif(not CHROMIUM, reason="no chromium or google-chrome on the PATH")
def test_the_page_in_a_browser(running: Running, tmp_path: Path) -> None:
    orders = Orders()
    page = LivePage(0, orders, running.node.fixed_frame, running.node.depth_m())
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            serve_once(page, running.node, orders)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with browser(tmp_path / "profile") as seen:
            seen.open(page.url)
            seen.wait_for("Add a virtual camera")
            seen.click("Add")
            assert running.camera(PLACED).pose.frame_from_cam == pytest.approx(ASIDE)
            seen.wait_for("Hz of 10 Hz")
            assert seen.screenshot().std() > 5
            assert all(
                url.startswith((page.url, "data:", "blob:", "ws://localhost"))
                for url in seen.requests
            )
    finally:
        ended.set()
        serving.join()
        page.stop()
        running.node.follow(Remove(PLACED))


def test_of_several_nodes_one_is_named() -> None:
    assert only_one(["anyview"]) == "anyview"
    with pytest.raises(AnyviewError, match="/anyview, /robot/anyview; name one of them") as refused:
        only_one(["robot/anyview", "anyview"])
    assert refused.value.code == "several_nodes"


@pytest.mark.parametrize("words", [["--model", "other"], ["bag", "--node", "/robot/anyview"]])
def test_options_of_the_other_kind_are_refused(words: list[str]) -> None:
    assert code_of(command.run, parsed("view", *words)) == "wrong_option"


def test_only_the_last_step_of_a_drag_is_sent() -> None:
    orders, here = Orders(), FramePose("odom", np.eye(4))
    steps = [Steer("a", here), Steer("a", here), Steer("b", here)]
    for order in (*steps, Remove("a")):
        orders.put(order)
    assert orders.take(0.0) == [*steps[1:], Remove("a")]
    assert orders.take(0.0) == []


@pytest.mark.parametrize("logs", ["", "see out/demo/rig.log"])
def test_who_waits_for_a_node_of_the_demo_is_not_told_to_start_one(
    logs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    session: Any = SimpleNamespace(wait=lambda *asked: said.append(asked[-1]))
    node = SimpleNamespace(wait_for_frustums=None)
    monkeypatch.setattr(serving, "Diagnostics", lambda session: SimpleNamespace(wait=None))
    monkeypatch.setattr(serving, "LiveNode", lambda *of: node)
    assert connect(session, "anyview", logs=logs) is node
    if logs:
        assert said == [logs, logs]
    else:
        assert said[0] == "start it (anyview node), in this ROS_DOMAIN_ID"
        assert said[1].startswith("call 'anyview check'")

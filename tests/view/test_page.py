"""The page in a real browser, the port it has, and the command that serves it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from anyview_ros.cli import view as command
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.datasets.scene_plan import plan_scenes
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, transform_from_pose
from anyview_ros.packages import load_package
from anyview_ros.view.recording import Recording
from anyview_ros.view.virtual_view import Viewer
from anyview_ros.view.wishes import Wish, Wishes
from tests.datasets.rig_bag import BASE_FROM_FRONT, FIRST_NS, MS, RigRecording, world_from_base
from tests.packages import make_package
from tests.remedies.listed import code_of, parsed
from tests.view.browser import CHROMIUM, Browser, browser

pytest.importorskip("viser", reason="viser is not installed: ./anyview test installs it")

from anyview_ros.view.local_server import HOST, check_port
from anyview_ros.view.page import Page
from anyview_ros.view.serving import WishServer

WITH_BROWSER = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium or google-chrome on the PATH to look at the page with"
)
TEXT = re.compile(r"co-visibility (\d+) % · (\w+),")


class Served:
    """A page whose wishes are fulfilled by a thread, which notes them."""

    def __init__(self, recording: Recording, pipeline: Pipeline, folder: Path) -> None:
        self.wishes, viewer = Wishes(), Viewer(recording, pipeline)
        self.page: Any = Page(0, viewer, self.wishes, "odom", folder)
        self.fulfilled: list[Wish] = []
        self._server = WishServer(self.page, viewer, self.wishes)
        self._ended = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended:
            wish = self.wishes.take()
            self._server.fulfil(wish)
            self.fulfilled.append(wish)

    def stop(self) -> None:
        self._ended = True
        self.wishes.put(self.fulfilled[-1])
        self._thread.join(timeout=60)
        self.page.stop()

    def wait_for(self, number: int) -> Wish:
        """Return the newest wish when so many were fulfilled, the newest not a draft."""
        end = time.monotonic() + 60
        while len(self.fulfilled) < number or self.fulfilled[-1].dragging or self.wishes.waiting:
            assert time.monotonic() < end, f"{len(self.fulfilled)} of {number} wishes"
            time.sleep(0.05)
        return self.fulfilled[-1]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RigRecording().write(tmp_path_factory.mktemp("page") / "bag")


@pytest.fixture
def served(bag: Path, tmp_path: Path) -> Iterator[Served]:
    package = load_package(make_package(tmp_path / "tiny", max_sources=2))
    with Bag(bag) as opened:
        cameras = bag_cameras(opened, BagOptions())
        plan = plan_scenes(cameras.by_name, 9, 100 * MS)
        serving = Served(Recording(opened, cameras, plan), Pipeline(package), tmp_path / "out")
        serving.wait_for(1)
        yield serving
        serving.stop()


def on_screen(served: Served, metres: NDArray[np.float64]) -> tuple[float, float]:
    """Pixels of a point of the virtual camera's frame in the browser's window."""
    (client,) = served.page._server.get_clients().values()
    camera = client.camera
    w, *xyz = camera.wxyz
    eye_from_world = inverse(transform_from_pose(camera.position, (*xyz, w)))
    gizmo = served.fulfilled[-1].pose.frame_from_cam
    world_from_gizmo = world_from_base(FIRST_NS) @ BASE_FROM_FRONT @ gizmo
    x, y, z, _ = eye_from_world @ world_from_gizmo @ [*metres, 1.0]
    focal = 0.5 * camera.image_height / np.tan(0.5 * camera.fov)
    return (
        float(0.5 * camera.image_width + focal * x / z),
        float(0.5 * camera.image_height + focal * y / z),
    )


def drag_along_x(page: Browser, served: Served, metres: float) -> None:
    """Drag the virtual camera's arrow; again where a busy machine let go of it."""
    number = len(served.fulfilled)
    for _ in range(5):
        begin = on_screen(served, np.array([0.9, 0.0, 0.0]))
        page.drag(begin, on_screen(served, np.array([0.9 + metres, 0.0, 0.0])))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            if len(served.fulfilled) > number or served.wishes.waiting:
                return
            time.sleep(0.05)
    raise AssertionError("no drag reached the arrow")


@WITH_BROWSER
def test_a_mouse_drags_the_camera_and_the_view_follows(served: Served, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as page:
        page.open(served.page.url)
        assert TEXT.search(page.wait_for("co-visibility"))
        time.sleep(2)  # frames of the browser, until all is drawn
        before, number = page.screenshot(), len(served.fulfilled)
        scene = before[:, : before.shape[1] * 2 // 3]
        assert len(np.unique(scene.reshape(-1, 3), axis=0)) > 500  # it is not blank
        assert scene.std() > 5
        drag_along_x(page, served, 1.5)
        moved = served.wait_for(number + 1)
        drafts = [wish for wish in served.fulfilled[number:] if wish.dragging]
        x, y, z = moved.pose.frame_from_cam[:3, 3]
        assert x == pytest.approx(-1.0 + 1.5, abs=0.3)
        assert (y, z) == pytest.approx((0.0, 0.0), abs=1e-6)
        assert drafts
        assert TEXT.search(page.wait_for("exact"))
        time.sleep(2)
        after = page.screenshot()
        panel = np.s_[:, before.shape[1] * 3 // 4 :]
        assert (before[panel] != after[panel]).any(axis=-1).sum() > 2000  # the picture
        page.text()
        own = (f"{served.page.url}/", "data:", "blob:http://localhost:", "ws://localhost:")
        assert [url for url in page.requests if not url.startswith(own)] == []
        assert page.requests


def test_a_camera_keeps_its_place_when_it_moves_with_another_frame(served: Served) -> None:
    number, before = len(served.fulfilled), served.fulfilled[-1].pose
    served.page._time.value = 0.3
    served.wait_for(number + 1)
    # 5 m/s: the world goes back by as much as the car went ahead, so that it stays in sight.
    assert served.page._world.position == pytest.approx((-1.5, 0.0, 0.0))
    served.page._parent.value = "odom"
    after = served.wait_for(number + 2).pose
    world_from_front = world_from_base(FIRST_NS + 300 * MS) @ BASE_FROM_FRONT
    assert (before.frame, after.frame) == ("front_optical", "odom")
    assert after.frame_from_cam == pytest.approx(world_from_front @ before.frame_from_cam)


def test_a_button_writes_the_camera(served: Served, tmp_path: Path) -> None:
    for name in ("no/name", "mine", "other"):
        served.page._name.value = name
        asyncio.run(served.page._write_camera(None))
    written = {
        file.name: yaml.safe_load(file.read_text())["cameras"][0]["name"]
        for file in (tmp_path / "out").iterdir()
    }
    assert written == {"mine.yaml": "mine", "other.yaml": "other"}


def test_only_this_machine_reaches_it(served: Served) -> None:
    port = served.page._server.get_port()
    with urlopen(f"http://{HOST}:{port}") as answer:
        assert answer.status == 200
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port)):
        pass


@pytest.mark.parametrize("origin", ["https://example.org", "http://localhost.example.org:8080"])
def test_pages_of_other_sites_are_refused(served: Served, origin: str) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = served.page.url.replace("http://localhost", f"ws://{HOST}")
    with pytest.raises(InvalidStatus, match="403"), connect(address, origin=origin):
        pass
    with connect(address, origin="http://localhost:9000"):  # through a tunnel of ssh
        pass


def test_nobody_opens_a_tunnel_to_the_internet(served: Served) -> None:
    assert served.page._server.request_share_url() is None
    assert served.page._server._share_tunnel is None


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    assert code_of(check_port, port) == "invalid_parameter"


def test_a_taken_port_is_refused(bag: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        args = parsed("view", str(bag), "--port", str(other.getsockname()[1]))
        with pytest.raises(AnyviewError, match="Address already in use") as refused:
            command.run(args)
        assert refused.value.code == "port_taken"
        check_port(parsed("view", str(bag), "--port", "0").port)  # what the text advises


def test_a_port_that_is_taken_meanwhile_is_refused(served: Served, tmp_path: Path) -> None:
    port, viewer = served.page._server.get_port(), served.page._viewer
    with pytest.raises(AnyviewError) as refused:
        Page(port, viewer, Wishes(), "odom", tmp_path)
    assert refused.value.code == "port_taken"


def test_without_viser_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert code_of(command.run, parsed("view", "bag")) == "viser_missing"


def test_the_command_serves_until_it_is_interrupted(bag: Path, tmp_path: Path) -> None:
    model = make_package(tmp_path / "tiny", max_sources=2)
    words = ("view", str(bag), "--model", str(model), "--port", "0", "--out", str(tmp_path))
    run = [sys.executable, "-m", "anyview_ros.cli", *words]
    with subprocess.Popen(
        run,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        said = []
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, process.communicate()
            said.append(line)
        url = line.split()[0]
        with urlopen(url.replace("localhost", HOST)) as answer:
            assert b"<html" in answer.read()[:2000].lower()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (rest, errors) == ("", "")
    assert "2 clips of front, left\n" in said

"""A bag with /clock through lossless cameras: every frame once, the same twice, held back."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyview_ros.msg import SynthesisInfo, VirtualCamera
from sensor_msgs.msg import CameraInfo, Image

from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.virtual.trajectories import orbit, pose_messages
from tests.datasets.rig_bag import FIRST_NS, MS, RigRecording, stamps
from tests.graph import Graph, graph
from tests.node.player import Player
from tests.node.rig import Caller, anyview, raised_camera, values_of, wait_for
from tests.packages import make_package

pytestmark = pytest.mark.graph

FRAMES = [stamp for k, stamp in enumerate(stamps(45)) if k not in (0, 1, 2, 30, 31, 32, 33)]
WARM_UP = stamps(3)  # a reader may miss the first frames: they go before the cameras are added
Published = dict[str, list[tuple[int, bytes]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips take longer than the bag is played."""
    return make_package(tmp_path_factory.mktemp("models") / "slow", work=120)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("bag") / "run", FRAMES)


@pytest.fixture(scope="module")
def warm_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("warm") / "up", WARM_UP)


def recorded(path: Path, frames: list[int]) -> Path:
    rig = RigRecording()
    rig.front.stamps_ns, rig.left.stamps_ns = frames, []
    first, last = frames[0] - 95 * MS, frames[-1] + 100 * MS
    rig.transforms_ns = list(range(first, last, 50 * MS))
    return rig.write(path)


def cameras() -> list[VirtualCamera]:
    raised = raised_camera("raised")
    around = VirtualCamera(name="around", parent_frame="base_link", sources=["front"])
    path = orbit(point=(0.0, 0.0, 1.0), radius=6.0, height=2.5, turns=1.0)
    around.trajectory = pose_messages(path, FIRST_NS - 10**9, 10.0)
    return [raised, around]


@contextmanager
def running(domain: int, model: Path, warm_up: Path, bag: Path, *settings: str) -> Iterator[Any]:
    """A node with two lossless cameras, what they publish, and a player at the bag's begin."""
    parameters = ["cameras:=[front]", "use_sim_time:=true", "flush_s:=3.0", *settings]
    with graph(domain) as opened, anyview(domain, model, *parameters) as process:
        caller = Caller(opened)
        first = Player(opened, warm_up, "/warm_up")
        player = Player(opened, bag)
        wait_for(lambda: all(p.get_subscription_count() for p in player.publishers.values()), "us")

        def warm(status: Any) -> bool:
            first.play(0.02)
            return values_of(status)["buffered"] != "0"

        caller.status("camera front", warm)
        heard = {}
        for camera in cameras():
            heard[camera.name] = listen(opened, camera.name)
            camera.rate, camera.mode = 10.0, VirtualCamera.LOSSLESS
            added = caller.add(camera)
            assert added.success, added.message
        yield opened, caller, player, heard, process


def listen(opened: Graph, name: str) -> dict[str, list[Any]]:
    topics = {"image_raw": Image, "camera_info": CameraInfo, "synthesis_info": SynthesisInfo}
    return {
        topic: opened.listen(kind, f"/virtual/{name}/{topic}") for topic, kind in topics.items()
    }


def published(opened: Graph, caller: Caller, heard: dict[str, dict[str, list[Any]]]) -> Published:
    """What every camera made of the bag, once all is there."""
    found = {}
    for name, topics in heard.items():
        status = caller.status(
            f"virtual camera {name}",
            lambda s: values_of(s)["published"] == str(len(FRAMES)),
            timeout_s=120.0,  # ten clips, on a busy machine
        )
        values = values_of(status)
        assert (values["balanced"], values["seen"]) == ("True", str(len(FRAMES)))
        for messages in topics.values():
            opened.wait_until(lambda m=messages: len(m) >= len(FRAMES), f"frames of {name}")
            assert [stamp_ns(m.header.stamp) for m in messages] == FRAMES
        images = topics["image_raw"]
        found[name] = [(stamp_ns(m.header.stamp), bytes(m.data)) for m in images]
    return found


def test_every_frame_once_in_order_and_the_same_bytes_whatever_the_pace(
    model: Path, warm_up: Path, bag: Path
) -> None:
    runs = []
    for domain, apart_s in ((182, 0.03), (183, 0.06)):
        with running(domain, model, warm_up, bag, "back_pressure:=player") as parts:
            opened, caller, player, heard, _ = parts
            player.play(apart_s)
            runs.append(published(opened, caller, heard))
            assert player.pauses > 0  # else nothing held it back
            caller.status("back pressure", lambda s: values_of(s)["holding"] == "False")
    assert runs[0] == runs[1]
    assert runs[0]["raised"] != runs[0]["around"]


def test_a_simulator_is_stepped_as_the_cameras_follow(
    model: Path, warm_up: Path, bag: Path
) -> None:
    settings = "back_pressure:=step", "back_pressure_node:=/simulator"
    with running(184, model, warm_up, bag, *settings) as (opened, caller, _, heard, _):
        missing = "no_back_pressure_service"
        caller.status("back pressure", lambda s: values_of(s).get("code") == missing)
        simulator = Player(opened, bag, "/simulator")
        simulator.wait_for_steps()
        published(opened, caller, heard)
        assert simulator.steps >= len(FRAMES)


def test_a_node_that_is_interrupted_resumes_its_player(
    model: Path, warm_up: Path, bag: Path
) -> None:
    """A terminal's Ctrl-C comes twice under launch: of the terminal, and of launch."""
    with running(185, model, warm_up, bag, "back_pressure:=player") as parts:
        _, _, player, _, process = parts
        playing = threading.Thread(target=player.play, args=(0.0,), daemon=True)
        playing.start()
        wait_for(lambda: player.is_paused, "the pause")
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        playing.join(60)
        assert not player.is_paused

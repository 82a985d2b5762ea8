"""The demo in a short form, as a person would run it: processes, DDS, bag, pictures, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image

from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.bag import Bag
from anyview_ros.demo.subprocesses import STOP_SIGNALS
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.media.stereo_pair import motorcycle
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.node.simulation.rig_sources import ASSUMED_POSE
from tests.graph import child, graph
from tests.packages import make_package

pytestmark = pytest.mark.graph

MARK = "ANYVIEW_TEST_MARK"
STEPS_THAT_TAKE_A_WHILE = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@contextmanager
def demo(
    domain: int, out: Path, model: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo, and the mark that it and all its children carry in their environment."""
    command = ["anyview_ros.cli", "demo", "--domain", str(domain), "--out", str(out)]
    mark = f"{out}-{time.monotonic_ns()}"
    os.environ[MARK] = mark
    try:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with child([*command, "--model", str(model), *arguments], domain, **streams) as process:
            yield process, mark
    finally:
        del os.environ[MARK]
        for pid in marked(mark):  # whatever a failed test left behind
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def marked(mark: str) -> dict[int, str]:
    """Command lines of the processes with a mark in their environment, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                if f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


def patience() -> float:
    """How much longer everything takes because others work on this machine too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


# World: its source cameras, its virtual cameras.
WORLDS = {
    "street": ({"front", "left", "right"}, {"chase", "shift_left"}),
    "table": ({"front", "side", "wrist"}, {"above", "aside"}),
}


@pytest.mark.parametrize("world", WORLDS)
def test_a_short_demo_of_a_world(world: str, tmp_path: Path, model: Path) -> None:
    sources, virtual = WORLDS[world]
    asked = ("--source", world, "--seconds", "2", "--seed", "4")
    with demo(80, tmp_path, model, *asked) as (process, mark):
        said, errors = process.communicate(timeout=280)
        assert process.returncode == 0, said + errors
        assert marked(mark) == {}
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["faults"] == []
    assert figures["truth"] == f"rendered from the world '{world}', seed 4"
    assert set(figures["virtual"]) == virtual
    for camera in figures["virtual"].values():
        assert camera["stream"]["images"] == camera["stream"]["infos"] == 18  # two clips of nine
        assert camera["wrong_stamps"] == camera["stream"]["unpaired"] == 0
        assert camera["quality"]["frames"] == 18
    for name in sources:
        assert figures["sources"][name]["images"] == 20
        assert figures["ledgers"][name]["received"] == 20
    assert all(f"{c['quality']['virtual']:.2f}" in said for c in figures["virtual"].values())
    with AnyReader([tmp_path / "bag"]) as bag:
        logged = [(c.topic, time_ns) for c, time_ns, _ in bag.messages()]
    assert {"/clock", "/diagnostics"} <= {topic for topic, _ in logged}
    assert max(time_ns for _, time_ns in logged) < 1000 * 10**9, "simulated, as the stamps are"
    sheet = np.asarray(Pillow.open(tmp_path / "contact_sheet.png"))
    assert sheet.std() > 20
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert len(list(container.decode(video=0))) == 18
    assert main(["report", str(tmp_path / "bag"), "--out", str(tmp_path / "again")]) == 0
    assert json.loads((tmp_path / "again" / "report.json").read_text()) == figures


def test_a_demo_of_the_stereo_pair(tmp_path: Path, model: Path) -> None:
    """The other picture is the truth of the camera that stands in its place."""
    with demo(84, tmp_path, model, "--source", "motorcycle", "--seconds", "1") as (process, _):
        said, errors = process.communicate(timeout=280)
        assert process.returncode == 0, said + errors
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["faults"] == []
    assert set(figures["sources"]) == {"left"}
    quality = figures["virtual"]["right"]["quality"]
    assert quality["frames"] == 9
    pair = motorcycle()
    copied = psnr(pair.left / 255.0, pair.right / 255.0)
    assert quality["copy_of_source"] == pytest.approx(copied, abs=0.01)


def test_a_video_that_ends_before_the_demo(tmp_path: Path, model: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", (96, 64)) as writer:
        for k in range(15):
            writer.write(np.full((64, 96, 3), 10 * k, np.uint8), k * 100_000_000)
    source = ("--source", str(tmp_path / "v.mp4"), "--hfov", "60", "--seconds", "30")
    with demo(81, tmp_path, model, *source) as (process, mark):
        said, errors = process.communicate(timeout=280)
        assert process.returncode == 0, said + errors
        assert marked(mark) == {}
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["truth"].startswith("none: real footage (v.mp4)")
    assert ASSUMED_POSE in figures["notes"]
    assert "1.6 m above the ground" in errors
    assert f"note: {ASSUMED_POSE}" in errors
    assert figures["sources"]["front"]["images"] == 15
    for camera in figures["virtual"].values():
        assert camera["stream"]["images"] == 9
        assert camera["quality"] is None


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)],
    ids=["Ctrl-C", "kill", "twice"],
)
def test_an_interrupt_ends_everything(tmp_path: Path, numbers: tuple[signal.Signals, ...]) -> None:
    slow = make_package(tmp_path / "slow", work=STEPS_THAT_TAKE_A_WHILE)
    with graph(82) as live:
        frames = live.listen(Image, "/virtual/chase/image_raw")
        with demo(82, tmp_path / "out", slow, "--seconds", "60") as (process, mark):
            live.wait_until(lambda: bool(frames), "a virtual frame", 280)
            assert len(marked(mark)) >= 4  # the demo, the rig, the node, its worker
            started = time.monotonic()
            for number in numbers:
                process.send_signal(number)
            process.communicate(timeout=60)
            took = time.monotonic() - started
            left = marked(mark)
    assert left == {}
    assert process.returncode == 130
    assert took < 2.0 * patience()
    with Bag(tmp_path / "out" / "bag") as bag:  # what was recorded until then can be read
        assert bag.stamps("/front/image_raw")


def test_a_child_that_dies_is_shown(tmp_path: Path, model: Path) -> None:
    with graph(83) as live:
        images = live.listen(Image, "/front/image_raw")
        with demo(83, tmp_path, model, "--seconds", "60") as (process, mark):
            live.wait_until(lambda: bool(images), "the rig's images", 280)
            (rig,) = (pid for pid, command in marked(mark).items() if "sim_rig" in command)
            os.kill(rig, signal.SIGKILL)
            _, errors = process.communicate(timeout=120)
            left = marked(mark)
    assert left == {}
    assert process.returncode == 1
    assert "error [child_ended]: 'rig' ended with status -9; the end of its log" in errors


def test_a_short_live_demo(tmp_path: Path, model: Path) -> None:
    with demo(87, tmp_path, model, "--live", "--seconds", "3") as (process, mark):
        said, errors = process.communicate(timeout=280)
        assert process.returncode == 0, said + errors
        assert marked(mark) == {}
    figures = json.loads((tmp_path / "live.json").read_text())
    assert set(figures["cameras"]) == {"vehicle", "world", "orbit", "hand"}
    for camera in figures["cameras"].values():
        assert camera["balanced"]
        assert camera["repeated"] == 0
        assert 0 < camera["published"] <= camera["seen"]
        assert camera["asked_hz"] == 10
        assert camera["latency_s"] > 0
        assert camera["psnr_db"] > 5
    with Pillow.open(tmp_path / "live.png") as picture:
        assert "synthetic" in str(picture.info).lower()
        assert np.asarray(picture).std() > 20


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too short": ({"seconds": 0.5}, "error [invalid_seconds]: seconds must be 0.9 (one clip"),
    "too long": ({"seconds": 1000}, "error [invalid_seconds]: "),
    "live, too short": ({"live": None, "seconds": 0.5}, "error [invalid_seconds]: seconds must be"),
    "live, another world": (
        {"live": None, "source": "table"},
        "error [invalid_source]: --live drives on the street, got --source table",
    ),
    "unknown model": ({"model": "nobody"}, "error [unknown_model]: no model package 'nobody'"),
    "a typo": ({"source": "tabel"}, "error [no_such_file]: 'tabel' is no source (street, table, "),
    "of a video only": ({"hfov": 60}, "error [wrong_option]: --hfov is for a video, and 'street'"),
    "no field of view": ({"source": __file__}, "error [missing_hfov]: "),
    "no video": ({"source": __file__, "hfov": 60}, "error [unreadable_video]: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_before_anything_starts(
    name: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values, words = REFUSED[name]
    values = {"model": model, "out": tmp_path / "out", **values}
    options = [
        text
        for key, value in values.items()
        for text in ((f"--{key}",) if value is None else (f"--{key}", str(value)))
    ]
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        assert main(["demo", *options]) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    said = capsys.readouterr()
    assert said.err.startswith(words)
    assert said.out == "", "nothing is said before the arguments are checked"
    assert not (tmp_path / "out").exists()

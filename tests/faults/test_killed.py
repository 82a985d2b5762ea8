"""Processes that are killed, interrupted early, or asked too much leave nothing behind."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from anyview_ros.srv import ListVirtualCameras, Synthesize
from rclpy.qos import QoSProfile

from anyview_ros.doctor.dds_profile import with_profile
from anyview_ros.node import stale_segments
from anyview_ros.node.stale_segments import NEW_S, SHARED_MEMORY, remove_stale_segments
from tests.graph import CHECKOUT, LOCAL, Graph, graph
from tests.integration.test_demo import demo, marked
from tests.node.rig import SENT, anyview, asked, live, raised_camera
from tests.packages import make_package

pytestmark = pytest.mark.graph

DEADLINE_S = 60.0
KILLED, SEGMENTS, BURST, HOMELESS, EARLY = 92, 223, 224, 225, 226  # domains
CALLS = 200


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


def until(holds: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_demo_that_is_killed_takes_all_it_started_with_it(model: Path, tmp_path: Path) -> None:
    with demo(KILLED, tmp_path / "out", model, "--seconds", "60") as (process, mark):
        until(lambda: any("worker_process" in command for command in marked(mark).values()))
        assert len(marked(mark)) == 4, marked(mark)
        process.kill()
        began = time.monotonic()
        until(lambda: not marked(mark), 10.0)
        assert time.monotonic() - began < 5


def segments() -> dict[str, int]:
    """Bytes of the shared memory of DDS processes, by name."""
    files = [f for f in SHARED_MEMORY.iterdir() if re.fullmatch(r"fast\w+_[0-9a-f]{16}", f.name)]
    return {file.name: 512 * file.stat().st_blocks for file in files}


@pytest.mark.alone  # nodes of other tests have segments too, and clear those that are left
def test_what_a_killed_node_leaves_in_shared_memory_is_cleared_by_the_next(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in with_profile(dict(os.environ)).items():
        monkeypatch.setenv(name, value)
    before = set(segments())
    with anyview(SEGMENTS, model) as node:
        until(lambda: any(n not in before and s > 6e7 for n, s in segments().items()))
        mine = set(segments()) - before
        node.kill()
        node.wait()
    left = {name: size for name, size in segments().items() if name in mine}
    assert sum(left.values()) > 60_000_000
    time.sleep(NEW_S)
    with anyview(SEGMENTS, model):
        until(lambda: not mine & set(segments()))


def test_segments_in_use_and_new_ones_stay(tmp_path: Path) -> None:
    names = ["fastrtps_0123456789abcdef", "fastdds_0123456789abcdef", "fastrtps_ffffffffffffffff"]
    for name in (*names, "other_0123456789abcdef", "fastrtps_port7400"):
        (tmp_path / name).write_bytes(bytes(4096))
        (tmp_path / f"{name}_el").touch()
        os.utime(tmp_path / f"{name}_el", (0, 0))
    (tmp_path / f"{names[2]}_el").touch()  # it may be about to be locked
    with (tmp_path / f"{names[0]}_el").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert remove_stale_segments(tmp_path) == 4096
        assert not (tmp_path / names[1]).exists()
        assert not (tmp_path / f"{names[1]}_el").exists()
        assert (tmp_path / names[0]).exists()
    assert remove_stale_segments(tmp_path) == 4096
    assert len(list(tmp_path.iterdir())) == 6
    assert remove_stale_segments(tmp_path / "none") == 0
    assert stale_segments.LOCK.fullmatch("fastrtps_4fe13c993b40963d_el")


@pytest.mark.parametrize("service", ["list_virtual_cameras", "synthesize"])
def test_a_burst_of_calls_is_answered(model: Path, service: str) -> None:
    """All at once from one client, whose own queue is as deep."""
    kind = {"list_virtual_cameras": ListVirtualCameras, "synthesize": Synthesize}[service]
    with live(BURST, model) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success
        qos = QoSProfile(depth=1000)
        client = opened.node.create_client(kind, f"/anyview/{service}", qos_profile=qos)
        assert client.wait_for_service(DEADLINE_S)
        requests = [kind.Request() for _ in range(CALLS)]
        if service == "synthesize":
            requests = [kind.Request(request=asked("chase")) for _ in range(CALLS)]
        calls = [client.call_async(request) for request in requests]
        until(lambda: all(call.done() for call in calls))
        if service == "synthesize":
            codes = {call.result().result.code for call in calls}
            assert codes <= {"", "busy"}
            assert "" in codes


def test_a_home_that_cannot_be_written_is_no_hindrance(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file: nothing can be made below it")
    with graph(HOMELESS) as opened:  # whose own HOME is as it was
        _starts_without_home(opened, model, tmp_path, monkeypatch)


def _starts_without_home(
    opened: Graph, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("ROS_LOG_DIR", "ROS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with anyview(HOMELESS, model):
        until(lambda: "anyview" in opened.node.get_node_names())
        assert list(tmp_path.glob("anyview-log-*/*.log"))


def test_ctrl_c_while_it_is_imported_shows_no_traceback(tmp_path: Path) -> None:
    commands = {
        "synth": [str(CHECKOUT / "scripts" / "synth")],
        "demo": [str(CHECKOUT / "scripts" / "anyview"), "demo", "--out", str(tmp_path / "out")],
        "check": [str(CHECKOUT / "scripts" / "anyview"), "check"],
    }
    environment = {**os.environ, **LOCAL, "ROS_DOMAIN_ID": str(EARLY), "PYTHONPATH": str(CHECKOUT)}
    for name, command in commands.items():
        for delay_s in (0.2, 0.35, 0.5, 0.7, 1.0):
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=CHECKOUT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            time.sleep(delay_s)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=DEADLINE_S)
            if said.startswith("Fatal Python error: init_"):
                continue  # Python itself was starting: no line of ours has run
            assert "Traceback" not in said, (name, delay_s)
            assert process.returncode in (0, 130, -signal.SIGINT), (name, delay_s, said)


def test_the_graph_is_empty_afterwards() -> None:
    with graph(KILLED) as opened:
        assert "anyview" not in opened.node.get_node_names()

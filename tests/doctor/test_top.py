"""`anyview top`: the page from statuses, and the command beside a live node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from anyview_ros.msg import VirtualCamera
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from anyview_ros.cli.top import BACK, HOME, WHOLE_SCREEN
from anyview_ros.doctor.gpu_load import gpu_load
from anyview_ros.doctor.top import page, reports
from tests.graph import LOCAL
from tests.node.rig import SENT, live
from tests.packages import make_package

pytestmark = pytest.mark.graph

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN


def status(
    name: str, level: bytes = OK, text: str = "", node: str = "anyview", **values: str
) -> DiagnosticStatus:
    pairs = [KeyValue(key=key.replace("__", "."), value=value) for key, value in values.items()]
    return DiagnosticStatus(
        name=f"{node}: {name}", hardware_id=node, level=level, message=text, values=pairs
    )


STATUSES = [
    status("state", state="active"),
    status("model", model="tiny", provider="CPUExecutionProvider", worker_pid="7"),
    status("load", node_cpu_percent="12", node_memory_mb="180"),
    status(
        "camera front",
        WARN,
        "3 images missing among the last 100",
        rate_hz="9.70",
        buffered="97",
        received="103",
        dropped__tf_expired="2",
        dropped__zero_stamp="1",
        topic="/front/image_raw",
    ),
    status(
        "virtual camera chase",
        state="running",
        mode="LIVE",
        rate_asked_hz="5",
        rate_hz="4.90",
        latency_s="0.310",
        published="40",
        skipped__superseded="8",
        sources="front, left",
    ),
    status("virtual camera still", state="idle"),
]


def test_a_page_has_a_line_for_each_camera_and_the_problems_whole() -> None:
    (report,) = reports(STATUSES)
    assert page(report, "GPU 45 %, 3100 MB", 80) == [
        "/anyview  active  model tiny on CPUExecutionProvider",
        "  node CPU 12 %, 180 MB  inference -  GPU 45 %, 3100 MB",
        "",
        "  SOURCE  RATE     BUFFERED  RECEIVED  DROPPED         TOPIC",
        "! front   9.70 Hz  97        103       3 (tf_expired)  /front/image_raw",
        "",
        "  VIRTUAL  STATE             RATE          LATENCY  ANSWERED  SKIPPED         SO",
        "  chase    LIVE, running     4.90 of 5 Hz  0.310 s  40        8 (superseded)  fr",
        "  still    on request, idle  -             -        -         0               -",
        "",
        "! camera front: 3 images missing among the last 100",
    ]


def test_nodes_are_told_apart_and_others_left_out() -> None:
    two = [status("state", node=f"robot{k}/anyview") for k in (2, 1)]
    other = [status("joint 3", node="arm"), DiagnosticStatus(name="disk: /", hardware_id="pc")]
    found = reports([*two, *other])
    assert [report.name for report in found] == ["robot1/anyview", "robot2/anyview"]


def test_a_node_without_cameras_says_so() -> None:
    (report,) = reports([status("state", state="inactive")])
    assert page(report, "", 80) == [
        "/anyview  inactive  model - on -",
        "  node -  inference -",
        "",
        "  SOURCE  none",
        "",
        "  VIRTUAL  none",
    ]


def test_the_gpu_is_asked_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_load("7") == ""
    fake = tmp_path / "nvidia-smi"
    fake.write_text(
        '#!/bin/sh\ncase "$1" in --query-gpu*) echo 45;; *) echo "7, 3000"; echo "8, 500";; esac\n'
    )
    fake.chmod(0o755)
    assert gpu_load("7") == "GPU 45 %, 3000 MB"
    fake.write_text("#!/bin/sh\nexit 9\n")
    assert gpu_load("7") == "GPU 0 %, 0 MB"


def top(domain: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **LOCAL, "ROS_DOMAIN_ID": str(domain), "COLUMNS": "150"}
    command = [sys.executable, "-m", "anyview_ros.cli", "top", "--once"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def on_a_terminal(domain: int, shown: str) -> tuple[str, int]:
    """What the command writes until it shows something twice and is interrupted; its status."""
    ours, theirs = os.openpty()
    environment = {**os.environ, **LOCAL, "ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, "-m", "anyview_ros.cli", "top"]
    process = subprocess.Popen(command, env=environment, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    screen = b""
    try:
        while screen.count(shown.encode()) < 2:
            screen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # Linux says so at the end of a terminal
            while rest := os.read(ours, 65536):
                screen += rest
        return screen.decode(), process.wait(30)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def test_the_command_shows_a_live_node(tmp_path: Path) -> None:
    model = make_package(tmp_path / "tiny")
    with live(208, model) as (_, rig, caller):
        rig.send(SENT)
        assert caller.add(VirtualCamera(name="chase", horizontal_fov=1.0)).success
        caller.status("virtual camera chase")
        done = top(208)
        screen, status = on_a_terminal(208, "chase")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "/anyview  active  model tiny on CPUExecutionProvider"
    assert "inference CPU" in lines[1]
    assert any("/front/image_raw" in line for line in lines)
    assert any("chase" in line and "on request, idle" in line for line in lines)
    assert status == 130
    assert screen.startswith(WHOLE_SCREEN + HOME)
    assert screen.endswith(BACK), "what was on the screen before is there again"


def test_without_a_node_that_is_said() -> None:
    done = top(209)
    assert done.returncode == 1
    assert "error [timeout]: the diagnostics of a node 'anyview' did not come" in done.stderr

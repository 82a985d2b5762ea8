"""`anyview rig` and `anyview node` side by side over DDS, and what watches them, as JSON."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from anyview_ros.cli import check, top
from tests.graph import child, graph
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 217
CAMERAS = ("front", "left", "right")


def said_as_json(*arguments: str) -> tuple[Any, int]:
    command = ["anyview_ros.cli", *arguments, "--json"]
    with child(command, DOMAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    return json.loads(said), process.returncode


def keys_of(content: Any, place: str = "") -> Iterator[str]:
    """The keys of JSON as `JSON_KEYS` has them; those of `values` are the node's own."""
    if isinstance(content, list):
        for entry in content:
            yield from keys_of(entry, f"{place}[]")
    if isinstance(content, dict) and not place.endswith(".values"):
        for key, value in content.items():
            path = f"{place}.{key}".lstrip(".")
            yield path
            yield from keys_of(value, path)


def test_they_find_each_other_and_end_by_one_signal(tmp_path: Path) -> None:
    model = make_package(tmp_path / "tiny")
    words = [f"model:={model}", "cameras:=front,left,right", "use_sim_time:=true"]
    with graph(DOMAIN) as live, ExitStack() as stack:
        images = {name: live.listen(Image, f"/{name}/image_raw") for name in CAMERAS}
        spoken = live.listen(DiagnosticArray, "/diagnostics")
        rig = stack.enter_context(child(["anyview_ros.cli", "rig", "--rate", "5"], DOMAIN))
        node = stack.enter_context(
            child(["anyview_ros.cli", "node", *words, "-p", "buffer_s:=7.5"], DOMAIN)
        )
        live.wait_until(lambda: all(images.values()), "the rig's images", 120)

        def state() -> str:
            statuses = [s for message in spoken for s in message.status]
            found = [s for s in statuses if s.name == "anyview: state"]
            return next((p.value for s in found[-1:] for p in s.values if p.key == "state"), "")

        live.wait_until(lambda: state() == "active", "an active node", 120)
        watched, _ = said_as_json("top")
        checked, status = said_as_json("check", "--seconds", "6")
        for process in (node, rig):
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0

    (one,) = watched["nodes"]
    assert one["name"] == "/anyview"
    about = {status["subject"]: status for status in one["statuses"]}
    assert about["state"]["values"]["state"] == "active"
    assert about["model"]["values"]["model"] == "tiny"
    assert {f"camera {name}" for name in CAMERAS} <= about.keys()
    assert set(keys_of(watched)) == set(top.JSON_KEYS)
    subjects = {finding["subject"] for finding in checked["findings"]}
    assert {f"camera {name}" for name in CAMERAS} <= subjects
    levels = {finding["level"] for finding in checked["findings"]}
    assert levels <= {"ok", "warn", "bad"}  # on a busy machine the rig is late
    assert status == ("bad" in levels)
    assert set(keys_of(checked)) == set(check.JSON_KEYS)


def test_a_rig_that_cannot_start_says_so_in_a_line() -> None:
    command = ["anyview_ros.cli", "rig", "--source", __file__]
    with child(command, DOMAIN, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"^error \[missing_hfov\]: .*give --hfov DEGREES", errors, re.M)
    assert "Traceback" not in errors

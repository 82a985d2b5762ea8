"""What a node is told arrives as what was said, whatever YAML would make of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from anyview_ros.chaos.lab import Lab, LabPlan
from anyview_ros.cli import rig as rig_command
from anyview_ros.cli.commands import parser_of
from anyview_ros.demo.demo import node_parameters, rig_parameters
from anyview_ros.demo.harness import Harness
from anyview_ros.demo.live_demo import _LiveDemo
from anyview_ros.demo.plan import DemoPlan
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.node.simulation import sim_rig
from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS

ODD = ("Drive #2.mp4", "2024", "yes", "a: b.mp4", "[1]", "null", "1e3", 'a "b".mp4', "Straße 🚗")
DECLARED = {p.name: p.default for p in (*NODE_PARAMETERS, *RIG_PARAMETERS)}
DECLARED |= {"use_sim_time": False, "cameras": []}


class FakeChildren:
    """Takes processes as they are started."""

    def __init__(self) -> None:
        self.started: dict[str, list[str]] = {}

    def start(self, name: str, module: str, arguments: list[str]) -> None:
        self.started[name] = arguments


def parameters(words: list[str]) -> dict[str, Any]:
    """Return parameters as rcl reads them, YAML of each."""
    texts = [words[k + 1] for k, word in enumerate(words) if word == "-p"]
    pairs = (text.split(":=", 1) for text in texts)
    return {name: yaml.safe_load(value) for name, value in pairs}


def are_of_their_types(found: dict[str, Any]) -> None:
    """ROS refuses an integer for a float."""
    declared = {n: v for n, v in found.items() if not n.endswith(".reliability")}
    assert declared
    assert {n: type(v) for n, v in declared.items()} == {n: type(DECLARED[n]) for n in declared}


@pytest.mark.parametrize("path", ODD)
def test_a_demo_passes_its_paths_on(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(path).touch()
    plan = DemoPlan(Path("out"), 6.0, path, 1, path, hfov_deg=60, poses=Path(path))
    scene: Any = SimpleNamespace(scene_scale=0.0625)
    children: Any = FakeChildren()
    session: Any = None
    rig = rig_parameters(plan, frame_period=0.1, readers=2)
    Harness(children, session).start(node_parameters(plan, scene), rig)
    node, played = (parameters(children.started[name]) for name in ("node", "rig"))
    assert (node["model"], played["source"], played["poses"]) == (path, path, path)
    assert node["use_sim_time"] is True
    assert played["rate"] == 10.0
    are_of_their_types(node)
    are_of_their_types(played)


@pytest.mark.parametrize("path", ODD)
def test_chaos_passes_its_folder_on(path: str) -> None:
    started: dict[str, list[str]] = {}
    lab: Any = SimpleNamespace(
        plan=LabPlan(Path("out"), "tiny"),
        model=Path(path),
        topics={"front": "/front/image_raw", "y": "/y/image_raw"},
        _rate=10.0,
        _start=lambda name, module, words: started.update({name: words}),
    )
    Lab.start_rig(lab)
    Lab.start_node(lab)
    node = parameters(started["node"])
    assert node["model"] == path
    assert node["cameras"] == ["front", "y"]
    assert node["y.reliability"] == "reliable"
    are_of_their_types(node)
    are_of_their_types(parameters(started["rig"]))


def test_a_live_demo_says_numbers() -> None:
    started: list[dict[str, Any]] = []
    processes = SimpleNamespace(start=lambda *given: started.extend(given))
    demo: Any = SimpleNamespace(
        _plan=DemoPlan(Path("out"), 6.0, "2024", 1),
        _world=SimpleNamespace(scene_scale=0.0625),
        _contract=SimpleNamespace(frame_period=0.1),
        _processes=processes,
    )
    _LiveDemo._start_processes(demo)
    for each in started:
        are_of_their_types(each)
    assert started[1]["rate"] == 10.0


@pytest.mark.parametrize("path", ODD)
def test_a_rig_plays_that_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []
    monkeypatch.setattr(sim_rig, "main", said.append)
    rig_command.run(parser_of("rig").parse_args(["--source", path]))
    assert parameters(said[0])["source"] == path
    are_of_their_types(parameters(said[0]))

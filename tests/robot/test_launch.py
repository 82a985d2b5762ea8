"""The launch files, read with stand-ins for `launch`, which the wheels do not have.

They were run with the real launch and launch_ros too; this keeps their contents right.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PROFILE_VARIABLES = {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"}


class Said:
    """What a launch file said: its words, positional and named."""

    def __init__(self, *words: Any, **named: Any) -> None:
        self.words, self.named = words, named

    def perform(self, context: dict[str, str]) -> str:
        return context[self.words[0]]


def kind(name: str) -> type[Said]:
    return type(name, (Said,), {})


STAND_INS = {
    "launch": ("LaunchContext", "LaunchDescription"),
    "launch.actions": (
        *("DeclareLaunchArgument", "IncludeLaunchDescription", "OpaqueFunction"),
        "SetEnvironmentVariable",
    ),
    "launch.launch_description_sources": ("PythonLaunchDescriptionSource",),
    "launch.substitutions": ("LaunchConfiguration",),
    "launch_ros": (),
    "launch_ros.actions": ("Node",),
    "launch_ros.parameter_descriptions": ("ParameterValue",),
}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in STAND_INS.items():
        stand_in = ModuleType(module)
        for name in names:
            setattr(stand_in, name, kind(name))
        monkeypatch.setitem(sys.modules, module, stand_in)
    index = ModuleType("ament_index_python.packages")
    index.get_package_share_directory = lambda package: str(CHECKOUT)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ament_index_python.packages", index)
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def described(file: str) -> tuple[dict[str, Any], list[Said]]:
    """The launch file's globals, and the actions of its description."""
    content = runpy.run_path(str(CHECKOUT / "launch" / file))
    (actions,) = content["generate_launch_description"]().words
    return content, actions


def named(actions: list[Said], name: str) -> list[Said]:
    return [action for action in actions if type(action).__name__ == name]


def synth_node(**given: str) -> Said:
    content, actions = described("synth.launch.py")
    arguments = named(actions, "DeclareLaunchArgument")
    defaults = {a.words[0]: a.named["default_value"] for a in arguments}
    assert given.keys() <= defaults.keys()
    (node,) = content["synth"]({**defaults, **given})
    assert isinstance(node, Said)
    return node


def test_the_arguments_are_those_of_the_readme() -> None:
    _, actions = described("synth.launch.py")
    names = [a.words[0] for a in named(actions, "DeclareLaunchArgument")]
    assert names == ["model", "cameras", "params_file", "use_sim_time", "namespace"]


def test_without_arguments_the_file_says_all() -> None:
    node = synth_node().named
    file, chosen = node["parameters"]
    assert "/**" in yaml.safe_load(Path(file).read_text())
    assert chosen == {"use_sim_time": False}
    assert (node["package"], node["executable"]) == ("anyview_ros", "synth")
    assert (CHECKOUT / "scripts" / node["executable"]).is_file()


@pytest.mark.parametrize("cameras", ["front,left", "[front, left]", " front , left "])
def test_arguments_are_put_above_the_file(cameras: str) -> None:
    node = synth_node(model="/m", cameras=cameras, use_sim_time="True", namespace="robot").named
    _, chosen = node["parameters"]
    assert chosen == {"use_sim_time": True, "model": "/m", "cameras": ["front", "left"]}
    assert node["namespace"] == "robot"


def test_the_dds_profile_is_set_unless_the_user_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _, actions = described("synth.launch.py")
    assert {a.words[0] for a in named(actions, "SetEnvironmentVariable")} == PROFILE_VARIABLES
    files = {a.words[1] for a in named(actions, "SetEnvironmentVariable")}
    assert all(os.path.isfile(file) for file in files)
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    _, actions = described("synth.launch.py")
    assert not named(actions, "SetEnvironmentVariable")


@pytest.mark.parametrize("world", ["street", "table"])
def test_the_rig_starts_after_the_profile_is_set(world: str) -> None:
    _, actions = described(f"demo_{world}.launch.py")
    kinds = [type(action).__name__ for action in actions]
    assert kinds.index("IncludeLaunchDescription") < kinds.index("Node")
    (rig,) = named(actions, "Node")
    assert (CHECKOUT / "scripts" / rig.named["executable"]).is_file()
    assert rig.named["parameters"][0].get("world", "street") == world
    (include,) = named(actions, "IncludeLaunchDescription")
    assert dict(include.named["launch_arguments"])["use_sim_time"] == "true"

"""The launch files, read with stand-ins for `launch`, which the wheels do not have.

They were run with the real launch and launch_ros too; this keeps their contents right.
"""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from anyview_ros.errors import AnyviewError
from anyview_ros.worlds.world import KINDS, make_world

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
        *("DeclareLaunchArgument", "GroupAction", "IncludeLaunchDescription", "OpaqueFunction"),
        "SetEnvironmentVariable",
    ),
    "launch.launch_description_sources": ("PythonLaunchDescriptionSource",),
    "launch.substitutions": ("LaunchConfiguration",),
    "launch_ros": (),
    "launch_ros.actions": ("LifecycleNode", "Node", "PushRosNamespace", "SetRemap"),
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


def asked(file: str, function: str, **given: str) -> list[Said]:
    """What a launch file's function says, with these arguments and the rest at their defaults."""
    content, actions = described(file)
    arguments = named(actions, "DeclareLaunchArgument")
    defaults = {a.words[0]: a.named["default_value"] for a in arguments}
    assert given.keys() <= defaults.keys()
    actions = content[function]({**defaults, **given})
    assert isinstance(actions, list)
    return actions


def synth_node(**given: str) -> Said:
    (node,) = asked("synth.launch.py", "synth", **given)
    return node


def included(action: Said) -> tuple[str, dict[str, Any]]:
    """Name of an included launch file, and the arguments it is given."""
    (source,) = action.words
    return Path(source.words[0]).name, dict(action.named["launch_arguments"])


def test_the_arguments_are_those_of_the_docs() -> None:
    _, actions = described("synth.launch.py")
    names = [a.words[0] for a in named(actions, "DeclareLaunchArgument")]
    assert names == [
        *("model", "cameras", "scene_scale", "autostart"),
        *("params_file", "use_sim_time", "namespace"),
    ]


def test_without_arguments_the_file_says_all() -> None:
    node = synth_node().named
    file, chosen = node["parameters"]
    assert "/**" in yaml.safe_load(Path(file).read_text())
    assert chosen == {}, "nothing stands above the file, use_sim_time neither"
    assert (node["package"], node["executable"]) == ("anyview_ros", "synth")
    assert (CHECKOUT / "scripts" / node["executable"]).is_file()


@pytest.mark.parametrize(
    "cameras",
    ["front,left", "[front, left]", " front , left ", "['front', 'left']", '["front", "left"]'],
)
def test_arguments_are_put_above_the_file(cameras: str) -> None:
    node = synth_node(model="/m", cameras=cameras, use_sim_time="True", namespace="robot").named
    _, chosen = node["parameters"]
    assert chosen == {"use_sim_time": True, "model": "/m", "cameras": ["front", "left"]}
    assert node["namespace"] == "robot"


def test_numbers_and_switches_keep_their_type() -> None:
    """As ROS needs it: a double parameter refuses a string."""
    _, chosen = synth_node(scene_scale="0.5", autostart="false").named["parameters"]
    assert chosen == {"scene_scale": 0.5, "autostart": False}


@pytest.mark.parametrize("word", ["true", "True", "yes", "on", "1"])
def test_every_word_of_yaml_for_true_is_true(word: str) -> None:
    assert synth_node(autostart=word).named["parameters"][1] == {"autostart": True}


@pytest.mark.parametrize(
    ("argument", "word", "needed"),
    [
        ("autostart", "yess", "true or false"),
        ("use_sim_time", "2", "true or false"),
        ("scene_scale", "abc", "a number"),
        ("cameras", "{front: left}", "names as front,left or ['front', 'left']"),
        ("cameras", "[front", "names as front,left or ['front', 'left']"),
        ("cameras", "[1, 2]", "names as front,left or ['front', 'left']"),
    ],
)
def test_a_word_that_means_nothing_is_refused(argument: str, word: str, needed: str) -> None:
    text = f"{argument}:={word} was given; it must be {needed}"
    with pytest.raises(AnyviewError, match=re.escape(text)):
        synth_node(**{argument: word})


def test_the_seed_of_a_demo_is_a_whole_number() -> None:
    with pytest.raises(AnyviewError, match="seed:=x was given; it must be a whole number"):
        asked("demo.launch.py", "demo", seed="x")


def test_the_commands_of_the_readme_are_read_as_they_stand() -> None:
    lines = [
        line
        for line in (CHECKOUT / "README.md").read_text().splitlines()
        if line.startswith("ros2 launch anyview_ros synth.launch.py")
    ]
    assert lines
    for line in lines:
        given = dict(word.split(":=", 1) for word in shlex.split(line)[4:])
        _, chosen = synth_node(**given).named["parameters"]
        assert chosen == {"cameras": ["front"], "use_sim_time": False}


def test_the_dds_profile_is_set_unless_the_user_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _, actions = described("synth.launch.py")
    assert {a.words[0] for a in named(actions, "SetEnvironmentVariable")} == PROFILE_VARIABLES
    files = {a.words[1] for a in named(actions, "SetEnvironmentVariable")}
    assert all(os.path.isfile(file) for file in files)
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    _, actions = described("synth.launch.py")
    assert not named(actions, "SetEnvironmentVariable")


@pytest.mark.parametrize("world", KINDS)
def test_a_demo_is_told_the_scale_and_the_cameras_of_its_world(world: str) -> None:
    include, rig = asked("demo.launch.py", "demo", world=world, seed="3", model="/m")
    assert type(rig).__name__ == "Node", "after the node's file has set the DDS profile"
    assert (CHECKOUT / "scripts" / rig.named["executable"]).is_file()
    assert rig.named["parameters"] == [{"world": world, "seed": 3}]
    file, given = included(include)
    known = make_world(world, 3)
    assert (file, given["model"], given["use_sim_time"]) == ("synth.launch.py", "/m", "true")
    (node,) = asked(file, "synth", **given)
    _, chosen = node.named["parameters"]
    assert chosen["scene_scale"] == known.scene_scale
    assert chosen["cameras"] == [camera.name for camera in known.rig]


def test_they_need_nothing_of_the_virtual_environment() -> None:
    """`ros2 launch` runs on the Python of ROS, which does not see what pip brought there."""
    listed = (CHECKOUT / "requirements" / "sourced-ros.in").read_text().splitlines()
    absent = [line for line in listed if line.isidentifier()]  # numpy has a pin: apt's
    assert "transforms3d" in absent
    nodes = [
        node
        for file in (CHECKOUT / "launch").glob("*.launch.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("anyview_ros")
    ]
    assert nodes
    code = f"import sys; sys.modules.update(dict.fromkeys({[*absent, 'onnxruntime']}))\n"
    code += "\n".join(map(ast.unparse, nodes))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


def test_a_world_that_there_is_not_is_named() -> None:
    with pytest.raises(AnyviewError, match=r"world must be one of .*, got 'moon'"):
        asked("demo.launch.py", "demo", world="moon")


def test_two_robots_share_no_name() -> None:
    _, actions = described("demo_two_robots.launch.py")
    spaces, seeds = [], []
    for group in named(actions, "GroupAction"):
        (inside,) = group.words
        spaces += [push.words[0] for push in named(inside, "PushRosNamespace")]
        remaps = {remap.words for remap in named(inside, "SetRemap")}
        assert remaps == {("/tf", "tf"), ("/tf_static", "tf_static"), ("/clock", "clock")}
        file, given = included(inside[-1])
        assert file == "demo.launch.py"
        seeds.append(given["seed"])
    assert spaces == ["robot1", "robot2"]
    assert len(set(seeds)) == 2, "they do not drive in the same place"

"""Commands of README and docs that need a sourced ROS, by the nearest thing that the wheels have.

They were run with the real tools too. Here a service call fills its message, a node is given the
parameters of its command line, and a launch file reads its arguments.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node

from anyview_ros.node import parameters
from anyview_ros.node.launch_arguments import NODE_ARGUMENTS
from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS
from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.compile(r"```(?:sh|bash)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(ros2 [^`]+)`")
# Of packages that a ROS installation has and the wheels have not.
ELSEWHERE = ("rosbag2_interfaces/",)


@dataclass(frozen=True)
class Command:
    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words[:5])}"


def commands() -> Iterator[Command]:
    """Every `ros2 ...` of README and docs, in blocks and inline."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text()
        for block in BLOCKS.findall(text):
            for line in whole_lines(block):
                if line.startswith("ros2 "):
                    yield Command(page.name, tuple(shlex.split(line, comments=True)))
        for line in INLINE.findall(text):
            yield Command(page.name, tuple(shlex.split(line)))


def whole_lines(block: str) -> Iterator[str]:
    """Lines with their continuations: behind a backslash, and inside of quotes."""
    line = ""
    for part in block.replace("\\\n", " ").splitlines():
        line = f"{line}\n{part}" if line else part
        if line.count('"') % 2 == 0:
            yield line
            line = ""


def of(*begin: str) -> list[Command]:
    """Commands that begin so, without these words."""
    found = [c for c in commands() if c.words[: len(begin)] == begin]
    assert found, f"no page has a command that begins {begin}"
    return [Command(c.page, c.words[len(begin) :]) for c in found]


def filled(message: Any, values: dict[str, Any]) -> Any:
    """A message with the fields of a YAML text, as ros2cli fills it."""
    for name, value in values.items():
        assert name in message.get_fields_and_field_types(), f"{type(message).__name__}.{name}"
        field = getattr(message, name)
        if isinstance(value, dict):
            filled(field, value)
        else:
            setattr(message, name, float(value) if isinstance(field, float) else value)
    return message


def kind(name: str) -> Any:
    package, room, word = name.split("/")
    return getattr(import_module(f"{package}.{room}"), word)


@pytest.mark.parametrize("command", of("ros2", "service", "call"), ids=str)
def test_a_service_call_fills_its_request(command: Command) -> None:
    name, type_name, text = (*command.words, "{}")[:3]
    values = yaml.safe_load(text)
    if type_name.startswith(ELSEWHERE):
        assert isinstance(values, dict)
        return
    filled(kind(type_name).Request(), values)
    assert name.startswith("/anyview/")


def test_the_lossless_recipe_lets_go_of_tf_before_it_adds() -> None:
    """A player that starts paused has sent no /tf_static, and cameras need their frame."""
    page = (ROOT / "docs" / "streaming.md").read_text()
    _, _, recipe = page.partition("ros2 bag play run --clock --start-paused")
    steps = ("/rosbag2_player/burst ", "/anyview/add_virtual_camera ", "/rosbag2_player/resume ")
    places = [recipe.index(f"ros2 service call {step}") for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("command", of("ros2", "action", "send_goal", "--feedback"), ids=str)
def test_a_goal_is_filled(command: Command) -> None:
    _, type_name, text = command.words
    filled(kind(type_name).Goal(), yaml.safe_load(text))


@pytest.mark.parametrize("command", of("ros2", "topic", "pub", "--once"), ids=str)
def test_a_message_is_filled(command: Command) -> None:
    _, type_name, text = command.words
    filled(kind(type_name)(), yaml.safe_load(text))


@pytest.mark.parametrize("command", of("ros2", "interface", "show"), ids=str)
def test_an_interface_is_there(command: Command) -> None:
    assert kind(*command.words)


@pytest.mark.parametrize("command", of("ros2", "run", "anyview_ros"), ids=str)
def test_an_executable_takes_its_parameters(command: Command) -> None:
    executable, *arguments = command.words
    assert (ROOT / "scripts" / executable).is_file()
    if executable == "anyview":
        (word,) = arguments
        assert import_module(f"anyview_ros.cli.{word}")
        return
    given = {word.partition(":=")[0] for word in arguments if ":=" in word}
    assert given
    context = Context()
    rclpy.init(context=context)
    try:
        node = Node("anyview", context=context, cli_args=arguments, use_global_arguments=False)
        if executable == "synth":
            for camera in parameters.declare(node).cameras:
                parameters.declare_camera(node, camera)
            assert all(node.has_parameter(name) for name in given)
        else:
            assert given <= {each.name for each in RIG_PARAMETERS}
    finally:
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("command", of("ros2", "param", "set"), ids=str)
def test_a_parameter_is_one(command: Command) -> None:
    node, name, _ = command.words
    assert node == "/anyview"
    assert name in {p.name for p in (*NODE_PARAMETERS, *CAMERA_PARAMETERS)}


@pytest.mark.parametrize("command", of("ros2", "launch", "anyview_ros"), ids=str)
def test_a_launch_file_has_its_arguments(command: Command) -> None:
    """Their values are read in tests/node/test_launch.py."""
    file, *arguments = command.words
    text = (ROOT / "launch" / file).read_text()
    known = {each.name for each in NODE_ARGUMENTS if "NODE_ARGUMENTS" in text}
    for argument in arguments:
        name = argument.partition(":=")[0]
        assert name in known or f'"{name}"' in text


def test_every_kind_of_command_is_looked_at() -> None:
    looked_at = (
        *(("service", "call"), ("action", "send_goal"), ("topic", "pub"), ("interface", "show")),
        *(("run", "anyview_ros"), ("param", "set"), ("launch", "anyview_ros")),
    )
    other = {c.words[1:3] for c in commands()} - set(looked_at)
    assert other <= {
        *(("bag", "record"), ("bag", "play"), ("lifecycle", "set"), ("run", "your_driver")),
        *(("security", "create_keystore"), ("security", "generate_artifacts")),
    }

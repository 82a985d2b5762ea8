"""What the node can be told in words `name:=value`, by `ros2 launch` and by `anyview node`.

Words become values here: ROS refuses a string where a bool is declared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from anyview_ros.errors import AnyviewError

# The words of YAML 1.1, as in parameter files, and the digits of launch's conditions.
TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")


def flag(name: str, word: str) -> bool:
    """Return what a switch says: `flag("autostart", "yes")` is True.

    Raises:
        AnyviewError: `invalid_launch_argument`.
    """
    if (lower := word.strip().lower()) in TRUE_WORDS + FALSE_WORDS:
        return lower in TRUE_WORDS
    raise _refused(name, "true or false", word)


def whole_number(name: str, word: str) -> int:
    """Return an integer; errors as `flag`."""
    try:
        return int(word)
    except ValueError:
        raise _refused(name, "a whole number", word) from None


def number(name: str, word: str) -> float:
    """Return a float; errors as `flag`."""
    try:
        return float(word)
    except ValueError:
        raise _refused(name, "a number", word) from None


def names(name: str, word: str) -> list[str]:
    """Return a list of names, written `front,left` or as YAML: `['front', 'left']`.

    Errors as `flag`.
    """
    needed = "names as front,left or ['front', 'left']"
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError:
        raise _refused(name, needed, word) from None
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _refused(name, needed, word)
    return [entry.strip() for entry in entries]


@dataclass(frozen=True)
class LaunchArgument:
    """One word; an empty one was not given.

    Args:
        read: makes the parameter's value of (name, word); None: it is no parameter.
    """

    name: str
    meaning: str
    read: Callable[[str, str], Any] | None = None


NODE_ARGUMENTS = (
    LaunchArgument("model", "model package, a name or a path", lambda _, word: word),
    LaunchArgument("cameras", "names of the source cameras, front,left", names),
    LaunchArgument("scene_scale", "factor on Plücker moments", number),
    LaunchArgument("autostart", "whether it becomes active by itself", flag),
    LaunchArgument("params_file", "YAML file of parameters; the words here stand above it"),
    LaunchArgument("use_sim_time", "whether /clock is the time", flag),
    LaunchArgument("namespace", "of the node and its topics"),
)


def chosen_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters among the words that were given, as values; errors as `flag`."""
    return {
        a.name: a.read(a.name, given[a.name]) for a in NODE_ARGUMENTS if a.read and given[a.name]
    }


def ros_arguments(given: Mapping[str, str]) -> list[str]:
    """Return the words as what follows --ros-args on a node's command line; errors as `flag`."""
    words: list[str] = []
    if given["namespace"]:
        words += ["-r", f"__ns:=/{given['namespace'].lstrip('/')}"]
    if given["params_file"]:
        words += ["--params-file", given["params_file"]]
    for name, value in chosen_parameters(given).items():
        words += ["-p", f"{name}:={json.dumps(value)}"]  # which is YAML too
    return words


def _refused(name: str, needed: str, word: str) -> AnyviewError:
    return AnyviewError(
        "invalid_launch_argument",
        f"{name}:={word} was given; it must be {needed}",
    )

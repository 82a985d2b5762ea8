"""The commands by what they are for, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyview_ros.cli.parser import Parser

# In the order in which somebody meets them. Each is a module beside this one.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "start here": {
        "demo": "see virtual cameras of a simulated car or robot arm, a stereo pair, or your video",
        "test": "check this checkout: style, types, unit tests, and real nodes over DDS",
        "completion": "print what lets bash or zsh complete these commands",
    },
    "cameras of a robot": {
        "node": "start the node that synthesizes virtual cameras",
        "rig": "start a simulated robot, or a video, as cameras in ROS",
        "top": "watch cameras, rates, latency, drops and load of running nodes",
        "policy": "print what the node may do in a secured graph, for ros2 security",
        "view": "see the cameras of a running node, or of a bag, and drag a virtual one by mouse",
    },
    "recordings": {
        "inspect": "look at what a recorded bag holds for augment, and whether it can be used",
        "cameras": "preview virtual cameras over the rig of a recorded bag, a frame of each",
        "augment": "add virtual cameras to a recorded bag, the same every time",
        "convert": "turn a bag or a video into scenes",
        "report": "recompute every figure of a bag with virtual cameras from the bag alone",
    },
    "model and training": {
        "train": "train a model on procedural worlds and on your scenes",
        "distill": "make a student of few steps from a trained model",
        "ablate": "train a run's variants at a small budget: what is each of its parts worth?",
        "import": "turn the files of the AnyView release into weights that export takes",
        "export": "turn a checkpoint, or imported weights, into a model package",
        "bench": "measure a model package on a benchmark, or on worlds, beside its baselines",
        "tiers": "measure what each speed of a model package costs against exact",
        "sign": "sign a model package, or check its signature",
    },
    "looking for faults": {
        "check": "look at topics, camera info, TF, transport and model before a request",
        "chaos": "do faults to a node and what is around it, and see that its promises hold",
        "verify": "hold the joint family against golden vectors of the official code",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}


def command(name: str) -> Any:
    """Return the module of a command: its `add_arguments(parser)` and `run(arguments)`."""
    return import_module(f"anyview_ros.cli.{name}")


def parser_of(name: str) -> Parser:
    """Return the parser of one command; only its module is imported."""
    from anyview_ros.cli.parser import Parser

    parser = Parser(prog=f"anyview {name}", description=COMMANDS[name])
    command(name).add_arguments(parser)
    return parser


def whole_parser() -> Parser:
    """Return one parser of all commands, for what describes them."""
    from anyview_ros.cli.parser import Parser

    parser = Parser(prog="anyview")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command(name).add_arguments(commands.add_parser(name, help=text, description=text))
    return parser


def overview() -> str:
    """Return what `anyview --help` prints."""
    width = max(map(len, COMMANDS))
    lines = ["usage: anyview COMMAND [ARGUMENT ...]"]
    for group, commands in GROUPS.items():
        lines += ["", f"{group}:"]
        lines += [f"  {name:<{width}}  {text}" for name, text in commands.items()]
    return "\n".join([*lines, "", "'anyview COMMAND --help' has the arguments of a command."])

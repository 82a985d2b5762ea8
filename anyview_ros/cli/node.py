"""`anyview node [NAME:=VALUE ...]`: the node `anyview`, without `ros2 launch` or `ros2 run`."""

from __future__ import annotations

import os
from argparse import REMAINDER, ArgumentParser, ArgumentTypeError, Namespace

from anyview_ros.errors import AnyviewError
from anyview_ros.nearest import did_you_mean


def add_arguments(parser: ArgumentParser) -> None:
    from anyview_ros.node.launch_arguments import NODE_ARGUMENTS

    words = "; ".join(f"{each.name}: {each.meaning}" for each in NODE_ARGUMENTS)
    parser.add_argument("words", nargs="*", type=word, metavar="NAME:=VALUE", help=words)
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        type=word,
        default=[],
        metavar="NAME:=VALUE",
        help="any parameter of the node, as front.image_topic:=/rig/front/rgb; may be repeated",
    )
    parser.add_argument("--params-file", metavar="FILE", help="the same as params_file:=FILE")
    add_ros_arguments(parser)


def add_ros_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--ros-args",
        nargs=REMAINDER,
        default=[],
        metavar="...",
        help="the rest of the line is for ROS, as with ros2 run: -r FROM:=TO, --log-level LEVEL",
    )


def word(text: str) -> tuple[str, str]:
    """Return name and value of `NAME:=VALUE`."""
    name, sign, value = text.partition(":=")
    if not (name and sign):
        raise ArgumentTypeError(f"needs NAME:=VALUE, got '{text}'")
    return name, value


def run(args: Namespace) -> int:
    arguments = node_arguments(args)
    use_profile()
    from anyview_ros.node.node_process import main

    main(arguments)
    return 0


def node_arguments(args: Namespace) -> list[str]:
    """Return what the node is given, as on the command line of `ros2 run`.

    Raises:
        AnyviewError: `unknown_argument`; as `launch_arguments.ros_arguments`.
    """
    from anyview_ros.node.launch_arguments import NODE_ARGUMENTS, ros_arguments

    given = {each.name: "" for each in NODE_ARGUMENTS}
    if args.params_file:
        given["params_file"] = args.params_file
    for name, value in args.words:
        if name not in given:
            raise AnyviewError(
                "unknown_argument",
                f"'{name}' is none of {', '.join(given)}{did_you_mean(name, given)}; other "
                f"parameters have -p before them: -p {name}:={value}",
            )
        given[name] = value
    each = [text for name, value in args.param for text in ("-p", f"{name}:={value}")]
    return ["--ros-args", *ros_arguments(given), *each, *args.ros_args]


def use_profile() -> None:
    """Let large images arrive: the profile counts for the processes that follow, too."""
    from anyview_ros.doctor.dds_profile import with_profile

    os.environ.update(with_profile(os.environ))

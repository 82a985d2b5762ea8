"""`anyview rig`: the node `sim_rig`, a world or a video as the cameras of a robot."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from anyview_ros.cli.node import add_ros_arguments, use_profile


def add_arguments(parser: ArgumentParser) -> None:
    from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS

    for each in RIG_PARAMETERS:
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=type(each.default),
            default=each.default,
            metavar="DEG" if each.name == "hfov" else None,
            help=each.meaning,
        )
    add_ros_arguments(parser)


def run(args: Namespace) -> int:
    use_profile()
    from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS
    from anyview_ros.node.simulation.sim_rig import main

    values = {each.name: getattr(args, each.name) for each in RIG_PARAMETERS}
    words = [
        text for name, value in values.items() for text in ("-p", f"{name}:={json.dumps(value)}")
    ]
    main(["--ros-args", *words, *args.ros_args])
    return 0

"""`anyview rig`: the node `sim_rig`, a world or a video as the cameras of a robot."""

from __future__ import annotations

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
    from anyview_ros.demo.parameter_words import parameter_words
    from anyview_ros.node.simulation.rig_parameters import RIG_PARAMETERS
    from anyview_ros.node.simulation.sim_rig import main

    values = {each.name: getattr(args, each.name) for each in RIG_PARAMETERS}
    main([*parameter_words(values), *args.ros_args])
    return 0

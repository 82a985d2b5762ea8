"""`anyview check`: what would keep the node from working, before anything is requested."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace

from anyview_ros.demo.session import Session
from anyview_ros.doctor.other_node import parameters_of
from anyview_ros.doctor.probe import look_at_graph, look_at_model, look_at_transport
from anyview_ros.doctor.rules import BAD, findings
from anyview_ros.node import parameters


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=4.0, help="how long to listen")
    parser.add_argument(
        "--ros-args",
        nargs=REMAINDER,
        default=[],
        help="parameters as for the node: -p model:=NAME, --params-file FILE",
    )


def run(args: Namespace) -> int:
    arguments = ["--ros-args", *args.ros_args]
    # Not the node's own name, which is taken where it runs already; its rule comes before a user's.
    checked, given = parameters_of("anyview", arguments)
    name = f"{checked.rpartition('/')[2]}_check"
    renamed = ["--ros-args", "-r", f"__node:={name}", *args.ros_args]
    with Session(name, arguments=renamed, parameters=given) as session:
        session.be_quiet()  # the findings say it all
        settings = parameters.declare(session.node)
        model, config = look_at_model(settings)
        graph = look_at_graph(session.node, settings, config, args.seconds)
        found = list(findings(graph, look_at_transport(), model))
    for finding in found:
        print(f"{finding.level:<4}  {finding.subject}: {finding.text}")
    return 1 if any(finding.level == BAD for finding in found) else 0

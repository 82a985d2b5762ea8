"""`anyview check`: what would keep the node from working, before anything is requested."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace
from dataclasses import asdict

from anyview_ros.cli.json_output import add_json, print_json
from anyview_ros.quiet_interrupt import ended_quietly

JSON_KEYS = {
    "findings": "in the order in which they are printed",
    "findings[].level": "`ok`, `warn` or `bad`; the exit status is 1 where one is `bad`",
    "findings[].subject": "what it is about: `camera front`, `model`, `shared memory`, ...",
    "findings[].text": "what was found, and what to do",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds to listen")
    add_json(parser, "the findings")
    parser.add_argument(
        "--ros-args",
        nargs=REMAINDER,
        default=[],
        metavar="...",
        help="parameters as for the node: -p model:=NAME, --params-file FILE",
    )


def run(args: Namespace) -> int:
    with ended_quietly():
        from anyview_ros.demo.session import Session
        from anyview_ros.doctor.other_node import parameters_of
        from anyview_ros.doctor.probe import look_at_graph, look_at_model, look_at_transport
        from anyview_ros.doctor.rules import BAD, findings
        from anyview_ros.node import parameters

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
    if args.json:
        print_json({"findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            print(f"{finding.level:<4}  {finding.subject}: {finding.text}")
    return 1 if any(finding.level == BAD for finding in found) else 0

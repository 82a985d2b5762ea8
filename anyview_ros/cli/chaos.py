"""`anyview chaos`: faults done to a node and what is around it, and whether its promises hold."""

from __future__ import annotations

import random
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anyview_ros.cli.demo import DOMAINS, demo_domain
from anyview_ros.cli.json_output import add_json, print_json
from anyview_ros.cli.node import add_ros_arguments
from anyview_ros.cli.unused_options import refuse_unused
from anyview_ros.errors import AnyviewError
from anyview_ros.nearest import did_you_mean
from anyview_ros.packages import DEFAULT_MODEL
from anyview_ros.whole_file import full_disk_named

if TYPE_CHECKING:
    from anyview_ros.chaos.command_faults import CommandFault
    from anyview_ros.chaos.fault import Fault

    AnyFault = Fault | CommandFault

JSON_KEYS = {
    "undisturbed_s": "seconds until all virtual cameras show a moment, before the first fault",
    "outcomes": "in the order in which the faults were done",
    "outcomes[].fault": "its name, as `--list` has it",
    "outcomes[].does": "what was done",
    "outcomes[].verdict": "`held`, `red` or `skipped`; the exit status is 1 where one is `red`",
    "outcomes[].recovery_s": "from its end until all virtual cameras were back; null: never",
    "outcomes[].allowed_s": "how long that may take",
    "outcomes[].named": "by which words diagnostics named it",
    "outcomes[].broken": "which promises were broken, in words",
    "outcomes[].skipped": "why it was not done; empty where it was",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--faults",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these, in this order; all of them if not given",
    )
    parser.add_argument("--list", action="store_true", help="print the faults there are, and end")
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="go on for so long with faults drawn at random; 0 = each once",
    )
    parser.add_argument(
        "--topics",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="raw images of your robot, in the graph of ROS_DOMAIN_ID; without, a simulated car "
        "in a graph of its own",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/chaos"),
        help="folder of the logs; a new or an empty one, or that of an earlier run",
    )
    parser.add_argument(
        "--domain", type=demo_domain, help="ROS_DOMAIN_ID of the car; a random one if not given"
    )
    add_json(parser, "the outcomes")
    add_ros_arguments(parser)


def run(args: Namespace) -> int:
    from anyview_ros.chaos.faults import FAULTS, outcome_of
    from anyview_ros.chaos.lab import LabPlan, laboratory
    from anyview_ros.chaos.outcome_text import content, listing, row, table
    from anyview_ros.demo.subprocesses import interrupt_once
    from anyview_ros.engine.onnx.runtime import check_installed

    if args.list:
        print(listing(FAULTS))
        return 0
    if args.topics:
        why = "the car, and --topics are in the graph of ROS_DOMAIN_ID"
        refuse_unused(args, "chaos", ["domain"], why)
    check_installed()
    faults = chosen(FAULTS, args.faults)
    interrupt_once()
    plan = LabPlan(
        out=args.out,
        model=args.model,
        domain=None if args.topics else args.domain or random.choice(DOMAINS),
        topics=tuple(args.topics),
        ros_args=tuple(args.ros_args),
    )
    outcomes, undisturbed_s, status = [], 0.0, 0
    try:
        with full_disk_named(plan.out), laboratory(plan, say) as lab:
            undisturbed_s = lab.undisturbed_s
            for fault in sequence(faults, args.minutes):
                say(f"{fault.name}: {fault.does}")
                outcomes.append(outcome_of(fault, lab))
                say(f"  {', '.join(row(outcomes[-1])[1:])}")
    except KeyboardInterrupt:
        if not outcomes:
            raise
        say("interrupted; these were done:")
        status = 130
    if args.json:
        print_json(content(outcomes, undisturbed_s))
    else:
        print(table(outcomes))
    return 1 if any(outcome.verdict == "red" for outcome in outcomes) else status


def say(line: str) -> None:
    """Print progress, where it does not mix with what programs read."""
    print(line, file=sys.stderr, flush=True)


def chosen(faults: Sequence[AnyFault], names: Sequence[str]) -> list[AnyFault]:
    """Return the faults of these names, in this order; all without any.

    Raises:
        AnyviewError: `unknown_fault`.
    """
    known = {fault.name: fault for fault in faults}
    for name in names:
        if name not in known:
            near = did_you_mean(name, known) or "; --list names them"
            raise AnyviewError("unknown_fault", f"there is no fault '{name}'{near}")
    return [known[name] for name in names] or list(faults)


def sequence(faults: Sequence[AnyFault], minutes: float) -> Iterator[AnyFault]:
    """Yield the faults once, or at random until the time is over."""
    if not minutes:
        yield from faults
        return
    end_s, drawn = time.monotonic() + 60 * minutes, random.Random(0)
    while time.monotonic() < end_s:
        yield drawn.choice(faults)

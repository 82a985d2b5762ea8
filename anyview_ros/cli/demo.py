"""`anyview demo`: see virtual cameras work: on a simulated robot, a stereo pair or a video."""

from __future__ import annotations

import os
import random
import webbrowser
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from anyview_ros.cli.report import DRAWING
from anyview_ros.cli.view import PORT, check_viser, say_address
from anyview_ros.cli.waiting import waiting
from anyview_ros.demo.plan import SOURCES, DemoPlan
from anyview_ros.packages import DEFAULT_MODEL
from anyview_ros.whole_file import full_disk_named
from anyview_ros.worlds.seeds import DEMO_SEED

# Higher ones share ports with ordinary connections (ROS_DOMAIN_ID, ROS 2 documentation).
DOMAINS = range(1, 102)
SECONDS = 6.0
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")  # set where there is one


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        default=SOURCES[0],
        help=f"what cameras see: {', '.join(SOURCES)}, a video file, or a folder of images",
    )
    parser.add_argument(
        "--hfov",
        type=float,
        default=None,
        metavar="DEG",
        help="horizontal field of view of a video's camera, degrees",
    )
    parser.add_argument(
        "--poses",
        type=Path,
        help="camera poses of a video, TUM format (docs/video.md); without them its camera stands "
        "still, level, 1.6 m above the ground",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"simulated seconds; {SECONDS:g} if not given, without end with --view",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=DEMO_SEED,
        help="number of the street or table: each is another one",
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the results")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--live",
        action="store_true",
        help="show four cameras that stream: on the car, standing, circling, moved by hand",
    )
    shown.add_argument(
        "--view",
        action="store_true",
        help="open a page in the browser where you move a camera by mouse; Ctrl-C ends it",
    )
    parser.add_argument(
        "--domain", type=demo_domain, help="ROS_DOMAIN_ID; a random one if not given"
    )


def run(args: Namespace) -> int:
    from anyview_ros.demo.subprocesses import interrupt_once
    from anyview_ros.engine.onnx.runtime import check_installed

    check_installed()  # else the node says so in its log, and images are waited for
    interrupt_once()
    if args.view:
        check_viser()
    usual = 0.0 if args.view else SECONDS
    plan = DemoPlan(
        out=args.out,
        seconds=usual if args.seconds is None else args.seconds,
        model=args.model,
        domain=args.domain or random.choice(DOMAINS),
        source=args.source,
        seed=args.seed,
        hfov_deg=args.hfov or 0.0,
        poses=args.poses,
    )
    with full_disk_named(plan.out):
        if args.view:
            return _viewed(plan)
        return _live(plan) if args.live else _recorded(plan)


def _live(plan: DemoPlan) -> int:
    from anyview_ros.demo.live_demo import run_live
    from anyview_ros.demo.live_report import SHEET, VALUES, write_live_report

    text, faults = write_live_report(run_live(plan), plan.out)
    print("\n".join([text, *faults, *(f"{plan.out / name}" for name in (SHEET, VALUES))]))
    return 1 if faults else 0


def _viewed(plan: DemoPlan) -> int:
    from anyview_ros.live_view.viewed_demo import run_viewed
    from anyview_ros.view.local_server import free_port

    def begin(url: str) -> None:
        say_address(url)
        if any(map(os.environ.get, SCREENS)):  # without one, a browser of the terminal would wait
            webbrowser.open(url)

    try:
        run_viewed(plan, free_port(PORT), begin)
    except KeyboardInterrupt:
        return 0
    return 0


def _recorded(plan: DemoPlan) -> int:
    from anyview_ros.demo.demo import run_demo
    from anyview_ros.demo.report_files import REPORT, SHEET, VIDEO, table, write_report

    bag = run_demo(plan)
    with waiting(DRAWING):
        report = write_report(bag, plan.out)
    print(table(report))
    print("\n".join(f"{plan.out / name}" for name in (SHEET, VIDEO, REPORT)))
    return 1 if report.faults else 0


def demo_domain(text: str) -> int:
    """Return the ROS_DOMAIN_ID of a graph of its own."""
    if not text.isdecimal() or int(text) not in DOMAINS:
        raise ArgumentTypeError(f"must be {DOMAINS[0]} to {DOMAINS[-1]}, got '{text}'")
    return int(text)

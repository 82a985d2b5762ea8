"""`anyview demo`: see virtual cameras work: on a simulated robot, a stereo pair or a video."""

from __future__ import annotations

import random
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from anyview_ros.demo.plan import SOURCES, DemoPlan
from anyview_ros.packages import DEFAULT_MODEL
from anyview_ros.whole_file import full_disk_named
from anyview_ros.worlds.seeds import DEMO_SEED

# Higher ones share ports with ordinary connections (ROS_DOMAIN_ID, ROS 2 documentation).
DOMAINS = range(1, 102)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        default=SOURCES[0],
        help=f"{', '.join(SOURCES)}, a video file, or a folder of images",
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
    parser.add_argument("--seconds", type=float, default=6.0, help="simulated time")
    parser.add_argument("--seed", type=int, default=DEMO_SEED, help="which street or table")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of the results")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    parser.add_argument(
        "--live",
        action="store_true",
        help="four cameras that stream: on the vehicle, in the world, in orbit, in a hand",
    )
    parser.add_argument("--domain", type=_domain, help="ROS_DOMAIN_ID; a random one if not given")


def run(args: Namespace) -> int:
    from anyview_ros.demo.subprocesses import interrupt_once
    from anyview_ros.engine.onnx.runtime import check_installed

    check_installed()  # else the node says so in its log, and images are waited for
    interrupt_once()
    plan = DemoPlan(
        out=args.out,
        seconds=args.seconds,
        model=args.model,
        domain=args.domain or random.choice(DOMAINS),
        source=args.source,
        seed=args.seed,
        hfov_deg=args.hfov or 0.0,
        poses=args.poses,
    )
    with full_disk_named(plan.out):
        return _live(plan) if args.live else _recorded(plan)


def _live(plan: DemoPlan) -> int:
    from anyview_ros.demo.live_demo import run_live
    from anyview_ros.demo.live_report import SHEET, VALUES, write_live_report

    text, faults = write_live_report(run_live(plan), plan.out)
    print("\n".join([text, *faults, *(f"{plan.out / name}" for name in (SHEET, VALUES))]))
    return 1 if faults else 0


def _recorded(plan: DemoPlan) -> int:
    from anyview_ros.demo.demo import run_demo
    from anyview_ros.demo.report_files import REPORT, SHEET, VIDEO, table, write_report

    bag = run_demo(plan)
    report = write_report(bag, plan.out)
    print(table(report))
    print("\n".join(f"{plan.out / name}" for name in (SHEET, VIDEO, REPORT)))
    return 1 if report.faults else 0


def _domain(text: str) -> int:
    if not text.isdecimal() or int(text) not in DOMAINS:
        raise ArgumentTypeError(f"must be {DOMAINS[0]} to {DOMAINS[-1]}, got '{text}'")
    return int(text)

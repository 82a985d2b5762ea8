"""`anyview report`: every figure of a bag, from the bag alone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from anyview_ros.demo.report_files import table, write_report


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="folder of a rosbag2 recording")
    parser.add_argument(
        "--out", type=Path, help="folder for report.json and pictures (default: beside the bag)"
    )


def run(args: Namespace) -> int:
    bag: Path = args.bag.resolve()
    report = write_report(bag, args.out or bag.parent)
    print(table(report))
    return 1 if report.faults else 0

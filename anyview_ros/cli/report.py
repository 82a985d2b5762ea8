"""`anyview report`: every figure of a bag, from the bag alone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from anyview_ros.cli.json_output import add_json, print_json
from anyview_ros.cli.waiting import waiting

DRAWING = "computing figures, drawing pictures"

NEEDS = (
    "The bag should hold, of each virtual camera, virtual/NAME/image_raw, camera_info and "
    "synthesis_info; image_raw and camera_info of its sources; /diagnostics for the ledgers; and "
    "for PSNR /tf, /tf_static and the world of 'anyview rig'. 'anyview demo' records such a bag."
)
JSON_KEYS = {
    "truth": "whose truth the PSNR is against, or why there is none",
    "sources": "figures of the images of each source, by its name",
    "virtual": "figures of each virtual camera, by its name: stamps, seconds, latency, PSNR in dB",
    "ledgers": "where the node's received frames went, by source",
    "faults": "what is wrong; the exit status is 1 where there is one",
    "notes": "what was assumed, and what could not be looked at",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = NEEDS
    parser.add_argument("bag", type=Path, help="folder of a rosbag2 recording, see below")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for report.json and pictures; the one that the bag lies in if not given",
    )
    add_json(parser, "report.json")


def run(args: Namespace) -> int:
    from dataclasses import asdict

    from anyview_ros.demo.report_files import table, write_report

    bag: Path = args.bag.resolve()
    with waiting(DRAWING):
        report = write_report(bag, args.out or bag.parent)
    if args.json:
        print_json(asdict(report))
    else:
        print(table(report))
    return 1 if report.faults else 0

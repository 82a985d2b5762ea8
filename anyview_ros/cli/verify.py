"""`anyview verify`: hold our implementation of the joint family against golden vectors."""

from __future__ import annotations

import argparse
from pathlib import Path

from anyview_ros.verify.engines import ENGINES, open_networks
from anyview_ros.verify.run import verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--golden",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of golden vectors, laid out as tests/golden",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default="torch", help="library that runs the networks"
    )


def run(args: argparse.Namespace) -> int:
    """One line a file and precision mode; 0 when all are good."""
    lines = []
    for line in verify(args.golden, open_networks(args.engine)):
        print(line, flush=True)
        lines.append(line)
    bad = sum(not line.good for line in lines)
    print(f"{len(lines) - bad} of {len(lines)} good")
    return 1 if bad else 0

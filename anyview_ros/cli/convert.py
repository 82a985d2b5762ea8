"""`anyview convert bag|video ...`: what others have made, in the forms that we read."""

from __future__ import annotations

import argparse
from importlib import import_module

KINDS = {
    "bag": "a recorded bag with camera info and TF into scenes",
    "video": "a video, or a folder of images, into scenes of one standing camera",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, text in KINDS.items():
        command = import_module(f"anyview_ros.cli.convert_{kind}")
        command.add_arguments(kinds.add_parser(kind, help=text, description=text))


def run(args: argparse.Namespace) -> int:
    return int(import_module(f"anyview_ros.cli.convert_{args.kind}").run(args))

"""Data sets that `augment` writes beside a recording: its options, and what they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from anyview_ros.errors import AnyviewError

if TYPE_CHECKING:
    from anyview_ros.augment.exports.exporting import Exports

EGO_FRAME = "base_link"


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        metavar="FORMAT=FOLDER",
        help="data set to write too: scenes, kitti, nuscenes, lerobot, argoverse2; repeatable",
    )
    parser.add_argument("--fps", type=int, default=0, help="samples a second of an export")
    parser.add_argument(
        "--clock", default="", metavar="TOPIC", help="whose messages are the samples of an export"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="from a sample to its frame at most; 0 = half a period",
    )
    parser.add_argument(
        "--ego-frame",
        default=EGO_FRAME,
        metavar="FRAME",
        help="TF frame of the robot, on which an export places the cameras",
    )


def exports_from(args: argparse.Namespace) -> Exports | None:
    """Return what is asked for; None without `--export`.

    Raises:
        AnyviewError: `invalid_parameter`, `pyarrow_missing`.
    """
    from anyview_ros.augment.exports.clock import NS, Clock
    from anyview_ros.augment.exports.exporting import Exports
    from anyview_ros.augment.exports.formats import parse_wanted

    if not args.export:
        if args.fps or args.clock or args.tolerance or args.ego_frame != EGO_FRAME:
            raise AnyviewError(
                "invalid_parameter",
                "--fps, --clock, --tolerance and --ego-frame are of an export; pass "
                "--export FORMAT=FOLDER too",
            )
        return None
    clock = Clock(args.fps, args.clock, round(args.tolerance * NS))
    name = args.bag.resolve().stem
    return Exports(parse_wanted(args.export), clock, args.ego_frame, name)

"""Data sets that `augment` writes beside a recording: its options, and what they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anyview_ros.errors import AnyviewError

if TYPE_CHECKING:
    from anyview_ros.augment.exports.exporting import Exports
    from anyview_ros.augment.lerobot_augment import DatasetAugmentation

EGO_FRAME = "base_link"


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        metavar="FORMAT=FOLDER",
        help="also write a data set: scenes, kitti, nuscenes, lerobot, argoverse2; may be repeated",
    )
    parser.add_argument("--fps", type=int, default=0, help="samples of an export in each second")
    parser.add_argument(
        "--clock",
        default="",
        metavar="TOPIC",
        help="topic whose messages say when an export has samples",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="longest time from a sample to its frame; 0: half a period",
    )
    parser.add_argument(
        "--ego-frame",
        default=EGO_FRAME,
        metavar="FRAME",
        help="TF frame of the robot, for exports that place cameras on it",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        default=None,
        metavar="FILE.yaml",
        help="poses of a LeRobot data set's cameras; if not given, its folder anyview/ tells them",
    )


def dataset_from(args: argparse.Namespace) -> DatasetAugmentation:
    """Return what is asked for where a data set goes in.

    Raises:
        AnyviewError: `invalid_parameter`, `pyarrow_missing`.
    """
    from anyview_ros.augment.exports.formats import check_arrow
    from anyview_ros.augment.lerobot_augment import DatasetAugmentation

    check_arrow("a LeRobot data set")
    of_bags = ("export", "fps", "clock", "tolerance", "only", "param", "tf_topics", "ignore_frames")
    given = [f"--{name.replace('_', '-')}" for name in of_bags if getattr(args, name)]
    given += ["--rectify"] * (args.rectify != "auto") + ["--images"] * (args.images != "raw")
    given += ["--ego-frame"] * (args.ego_frame != EGO_FRAME)
    if given:
        raise AnyviewError(
            "invalid_parameter",
            f"{', '.join(given)} mean nothing for a LeRobot data set; leave them out",
        )
    return DatasetAugmentation(
        args.bag, args.out, args.cameras, args.calibration, args.fixed_frame, tuple(args.sources)
    )


def exports_from(args: argparse.Namespace) -> Exports | None:
    """Return what is asked for; None without `--export`.

    Raises:
        AnyviewError: `invalid_parameter`, `pyarrow_missing`.
    """
    from anyview_ros.augment.exports.clock import NS, Clock
    from anyview_ros.augment.exports.exporting import Exports
    from anyview_ros.augment.exports.formats import parse_wanted
    from anyview_ros.augment.stores import resolved

    if args.calibration is not None:
        raise AnyviewError(
            "invalid_parameter",
            "--calibration is of LeRobot data sets; for a bag give -p CAMERA.camera_info_url:=FILE",
        )
    if not args.export:
        if args.fps or args.clock or args.tolerance or args.ego_frame != EGO_FRAME:
            raise AnyviewError(
                "invalid_parameter",
                "--fps, --clock, --tolerance and --ego-frame are of an export; pass "
                "--export FORMAT=FOLDER too",
            )
        return None
    if args.only:
        raise AnyviewError(
            "invalid_parameter",
            "--export reads sources and TF from the whole bag that is written; leave --only out",
        )
    clock = Clock(args.fps, args.clock, round(args.tolerance * NS))
    name = resolved(args.bag).stem
    return Exports(parse_wanted(args.export, args.work), clock, args.ego_frame, name)

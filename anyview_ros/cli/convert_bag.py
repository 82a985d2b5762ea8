"""`anyview convert bag BAG --out DIR`: scenes for training and bench from a recording."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.convert_scenes import add_scene_arguments, folders_from, progress, report
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify

if TYPE_CHECKING:
    from anyview_ros.datasets.bag_choice import BagOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="rosbag2 folder, or one .mcap or .db3 file")
    parser.add_argument(
        "--cameras", nargs="+", default=(), metavar="NAME", help="as the node names them; all"
    )
    parser.add_argument("--fixed-frame", default="odom", help="TF frame that does not move")
    parser.add_argument(
        "--rectify",
        choices=get_args(Rectify),
        default="auto",
        help="auto: unless the topic's name says rect; off: the images are rectified already",
    )
    parser.add_argument(
        "--param",
        "-p",
        nargs="+",
        action="extend",
        metavar="CAMERA.NAME:=VALUE",
        help="of one camera: image_topic, camera_info_topic, rectify as the node has them; "
        "frame_id, its optical frame; camera_info_url, a calibration file",
    )
    parser.add_argument(
        "--tf-topics", nargs="+", default=(), metavar="TOPIC", help="those above the camera's"
    )
    parser.add_argument(
        "--ignore-frames", nargs="+", default=(), metavar="FRAME", help="whose TF is left out"
    )
    add_scene_arguments(parser)


def options_from(args: argparse.Namespace) -> BagOptions:
    """How the cameras are to be taken.

    Raises:
        AnyviewError: `invalid_parameter`.
    """
    from anyview_ros.datasets.bag_choice import BagOptions, camera_options

    return BagOptions(
        tuple(args.cameras),
        args.fixed_frame,
        args.rectify,
        tuple(args.tf_topics),
        tuple(args.ignore_frames),
        camera_options(args.param or []),
    )


def run(args: argparse.Namespace) -> int:
    from anyview_ros.datasets.bag import Bag
    from anyview_ros.datasets.bag_cameras import bag_cameras
    from anyview_ros.datasets.bag_scenes import write_bag_scenes
    from anyview_ros.datasets.scene_plan import plan_scenes
    from anyview_ros.datasets.scene_splits import list_scenes

    folders, options = folders_from(args, args.bag), options_from(args)
    with Bag(args.bag) as bag:
        print(f"reading the stamps of {args.bag} ...", flush=True)
        with tqdm(unit="image", disable=None) as bar:  # None: only on a terminal
            cameras = bag_cameras(bag, options, bar.update)
        for note in cameras.notes:
            print(note)
        plan = plan_scenes(cameras.by_name, args.frames, folders.notes.period_ns)
        print(f"{len(plan.scenes)} scenes of {', '.join(cameras.by_name)}", flush=True)
        try:
            with progress(folders, len(list(plan.shots()))) as advance:
                failed = write_bag_scenes(
                    bag, cameras.by_name, plan, folders, args.longer_side, advance
                )
        finally:  # also of those that were complete when it was stopped
            if len(cameras.by_name) > 1:
                list_scenes(folders)
        damaged = [f"unreadable: {part}" for part in bag.damage]
    reasons = [*cameras.left_out(), *plan.reasons(), *failures(failed), *damaged]
    return report(folders, len(plan.scenes) - len(failed), reasons)


def failures(failed: Mapping[int, AnyviewError]) -> list[str]:
    """A line for each code of the errors for which scenes were given up."""
    counts = Counter(error.code for error in failed.values())
    first: dict[str, AnyviewError] = {}
    for error in failed.values():
        first.setdefault(error.code, error)
    return [f"{n} scenes: {code}, e.g. {first[code]}" for code, n in counts.most_common()]

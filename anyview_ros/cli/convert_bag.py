"""`anyview convert bag BAG --out DIR`: scenes for training and bench from a recording."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from anyview_ros.cli.convert_scenes import add_scene_arguments, folders_from, progress, report
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="rosbag2 folder, mcap or sqlite3")
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
    add_scene_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.datasets.bag import Bag
    from anyview_ros.datasets.bag_cameras import BagOptions, bag_cameras
    from anyview_ros.datasets.bag_scenes import write_bag_scenes
    from anyview_ros.datasets.scene_plan import plan_scenes
    from anyview_ros.datasets.scene_splits import list_scenes

    folders = folders_from(args, args.bag)
    options = BagOptions(tuple(args.cameras), args.fixed_frame, args.rectify)
    with Bag(args.bag) as bag:
        print(f"reading the stamps of {args.bag} ...", flush=True)
        cameras = bag_cameras(bag, options)
        plan = plan_scenes(cameras, args.frames, folders.notes.period_ns)
        topics = {name: camera.topic for name, camera in cameras.items()}
        print(f"{len(plan.scenes)} scenes of {', '.join(topics)}", flush=True)
        try:
            with progress(folders, len(list(plan.shots()))) as advance:
                failed = write_bag_scenes(bag, topics, plan, folders, args.longer_side, advance)
        finally:  # also of those that were complete when it was stopped
            if len(topics) > 1:
                list_scenes(folders)
    return report(folders, len(plan.scenes) - len(failed), [*plan.reasons(), *failures(failed)])


def failures(failed: Mapping[int, AnyviewError]) -> list[str]:
    """A line for each code of the errors for which scenes were given up."""
    counts = Counter(error.code for error in failed.values())
    first: dict[str, AnyviewError] = {}
    for error in failed.values():
        first.setdefault(error.code, error)
    return [f"{n} scenes: {code}, e.g. {first[code]}" for code, n in counts.most_common()]

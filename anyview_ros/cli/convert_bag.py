"""`anyview convert bag BAG --out DIR`: scenes for training and bench from a recording."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.cli.convert_scenes import add_scene_arguments, folders_from, progress, report
from anyview_ros.cli.opened_bag import opened_bag
from anyview_ros.cli.printable import printable
from anyview_ros.errors import AnyviewError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap or .db3 file, or ROS 1 bag")
    add_bag_arguments(parser, choice="--cameras")
    add_scene_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.datasets.bag_cameras import bag_cameras
    from anyview_ros.datasets.bag_scenes import write_bag_scenes
    from anyview_ros.datasets.scene_plan import plan_scenes
    from anyview_ros.datasets.scene_splits import list_scenes

    folders, options = folders_from(args, args.bag), bag_options(args, args.cameras)
    with opened_bag(args.bag) as bag:
        print(f"reading the stamps of {args.bag} ...", flush=True)
        with tqdm(unit="image", disable=None) as bar:  # None: only on a terminal
            cameras = bag_cameras(bag, options, bar.update)
        for note in cameras.notes:
            print(printable(note))
        plan = plan_scenes(cameras.by_name, args.frames, folders.notes.period_ns)
        names = printable(", ".join(cameras.by_name))
        print(f"{len(plan.scenes)} scenes of {names}", flush=True)
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

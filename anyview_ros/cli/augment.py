"""`anyview augment BAG OUT --cameras FILE.yaml`: a recording with virtual cameras added to it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.augment.stores import place, with_work
from anyview_ros.cli.augment_many import INTERRUPTED, add_many_arguments, augment_many
from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.cli.engine_arguments import add_engine_arguments, chosen_model, sampling_options
from anyview_ros.cli.export_arguments import add_export_arguments, dataset_from, exports_from
from anyview_ros.cli.printable import printable
from anyview_ros.cli.unused_options import refuse_unused

if TYPE_CHECKING:
    from anyview_ros.augment.settings import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bag",
        type=place,
        help="rosbag2 folder, .mcap or .db3 file, ROS 1 bag, or LeRobot data set; never changed; "
        "a path of this machine or of a store, as s3://bucket/drive",
    )
    parser.add_argument(
        "out", type=place, help="folder to write, here or in a store; it must not exist yet"
    )
    parser.add_argument(
        "--cameras",
        type=Path,
        required=True,
        metavar="FILE.yaml",
        help="the virtual cameras to add (docs/augment.md shows such a file)",
    )
    add_bag_arguments(parser, choice="--sources")
    add_engine_arguments(parser)
    parser.add_argument(
        "--images",
        choices=("raw", "jpeg", "both"),
        default="raw",
        help="how the images of virtual cameras are stored",
    )
    parser.add_argument(
        "--memory",
        choices=("past", "both"),
        default="past",
        help="past: use what cameras saw before a clip, as the node does; both: after it, too",
    )
    add_export_arguments(parser)
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        metavar="TOPIC",
        help="copy only these topics of the input, * stands for any text; all if not given",
    )
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="folder of this machine for outputs of a store until they are uploaded; by default "
        "~/.cache/anyview/augment",
    )
    add_many_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.augment.lerobot_augment import augment_dataset
    from anyview_ros.augment.lerobot_source import is_lerobot
    from anyview_ros.augment.run import augment
    from anyview_ros.augment.settings import Settings

    if not (args.workers or args.ray_address):
        why = "workers of Ray, and there are none (--workers)"
        refuse_unused(args, "augment", ["gpu_share"], why)
    args.bag, args.out = with_work(args.bag, args.work), with_work(args.out, args.work)
    settings = Settings(sampling_options(args), args.images, args.memory, only=tuple(args.only))
    if args.workers is not None or args.ray_address:
        args.workers = 1 if args.workers is None else args.workers
        return augment_many(args, settings)
    model = chosen_model(args)
    try:
        with progress() as on_progress:
            watched: dict[str, Any] = {
                "resume": args.resume,
                "on_progress": on_progress,
                "say": lambda line: print(printable(line), flush=True),
            }
            if is_lerobot(args.bag):
                report = augment_dataset(dataset_from(args), settings, model, **watched)
            else:
                report = augment(
                    args.bag,
                    args.out,
                    args.cameras,
                    bag_options(args, args.sources),
                    settings,
                    model,
                    exports=exports_from(args),
                    **watched,
                )
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        raise
    print(f"{report.answered} frames added: {args.out}")
    for line in report.lines:
        print(printable(line))
    print("labels were copied as they are: they belong to the recorded views, not to new ones")
    return 0


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield what shows a bar with the time that is left, one for each stage."""
    bars: dict[str, tqdm] = {}
    units = {"making": ("image", 1), "copying": ("MB", 1 << 20), "exporting": ("image", 1)}
    units["episodes"] = ("episode", 1)

    def show(stage: str, done: int, total: int) -> None:
        unit, scale = units[stage]
        if stage not in bars:
            for bar in bars.values():
                bar.close()
            bars[stage] = tqdm(
                total=total // scale, unit=unit, desc=stage, file=sys.stderr, disable=None
            )
        bars[stage].update(done // scale - bars[stage].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()

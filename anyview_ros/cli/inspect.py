"""`anyview inspect BAG`: what a recording holds for `augment`, and whether it can be used."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.cli.engine_arguments import add_provider
from anyview_ros.cli.opened_bag import opened_bag
from anyview_ros.cli.printable import printable
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import DEFAULT_MODEL

if TYPE_CHECKING:
    from anyview_ros.augment.inspection import Inspection
    from anyview_ros.augment.settings import Model
    from anyview_ros.augment.timing import Estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bag", type=Path, help="rosbag2 folder, .mcap or .db3 file, or ROS 1 bag; never changed"
    )
    add_bag_arguments(parser, choice="--sources")
    parser.add_argument("--json", action="store_true", help="print the same as JSON, for scripts")
    parser.add_argument(
        "--no-timing", action="store_true", help="do not make a clip to measure the time"
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="model package whose time is measured"
    )
    add_provider(parser)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.augment.inspection import Inspection
    from anyview_ros.augment.inspection_text import lines
    from anyview_ros.augment.job import size_of
    from anyview_ros.augment.model import find_model

    model = None if args.no_timing else find_model(args.model, args.provider)
    try:
        found = _inspected(args)
    except AnyviewError as error:
        if not args.json:
            raise
        found = Inspection(problems=(error,))
    size = size_of(args.bag) if args.bag.exists() else 0
    if args.json:
        estimated, _ = _estimate(found, model)
        print(json.dumps(as_json(args.bag, size, found, estimated), indent=2, default=_error))
        return 0 if found.usable else 1
    for line in lines(found, size):
        print(printable(line), flush=True)
    _, said = _estimate(found, model)
    if said:
        print(said)
    return 0 if found.usable else 1


def as_json(bag: Path, size: int, found: Inspection, estimate: Estimate | None) -> dict[str, Any]:
    """Return what `--json` prints; its keys are in docs/augment.md and do not change."""
    known = asdict(replace(found, stamps_ns={}))
    del known["stamps_ns"]
    named = {"bag": str(bag), "usable": found.usable, "size_bytes": size}
    return {**named, **known, "estimate": asdict(estimate) if estimate else None}


def _error(error: Any) -> dict[str, str]:
    return {"code": error.code, "text": error.message}


def _inspected(args: argparse.Namespace) -> Inspection:
    from anyview_ros.augment.bag_copy import check_copied
    from anyview_ros.augment.inspection import inspect

    options, say = bag_options(args, args.sources), (lambda line: None) if args.json else print
    bar = tqdm(unit="image", disable=None)  # None: only on a terminal
    with opened_bag(args.bag, say) as bag, bar:
        check_copied(bag)
        return inspect(bag, options, bar.update)


def _estimate(found: Inspection, model: Model | None) -> tuple[Estimate | None, str]:
    """Return how long a virtual camera takes, and that in words."""
    from anyview_ros.augment.inspection_text import time_line
    from anyview_ros.augment.timing import estimate

    if model is None or not found.usable:
        return None, ""
    try:
        estimated = estimate(found.stamps_ns, model)
    except AnyviewError as error:  # the recording is as usable as before
        return None, f"time: not measured: [{error.code}] {error.message}"
    return estimated, time_line(estimated)

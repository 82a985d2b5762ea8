"""`anyview augment FOLDER OUT --workers N`: many recordings, and the ledger of them."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from anyview_ros.cli.bag_arguments import bag_options
from anyview_ros.cli.export_arguments import exports_from
from anyview_ros.cli.printable import printable
from anyview_ros.errors import AnyviewError

if TYPE_CHECKING:
    from anyview_ros.augment.fleet import Work, Worker, Workers
    from anyview_ros.augment.settings import Settings
    from anyview_ros.engine.onnx.providers import ProviderChoice

INTERRUPTED = "interrupted; what was made is kept, --resume goes on"


def add_many_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of many recordings."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="BAG is a folder or a list of recordings: augment N of them at a time, with Ray; "
        "0: one after the other, without Ray",
    )
    parser.add_argument(
        "--ray-address", default="", help="address of a Ray cluster; this machine if not given"
    )
    parser.add_argument(
        "--gpu-share", type=float, default=0.0, help="share of a GPU that Ray gives each worker"
    )


def augment_many(args: argparse.Namespace, settings: Settings) -> int:
    """Augment all recordings; the status is 0 where all of them are done."""
    from anyview_ros.augment.fleet import Fleet, InProcess, Work
    from anyview_ros.augment.ledger import Ledger
    from anyview_ros.augment.model import find_model
    from anyview_ros.augment.ray_workers import RayWorkers
    from anyview_ros.augment.recordings import LIST, recordings
    from anyview_ros.augment.run import identity_of_work
    from anyview_ros.augment.stores import check_apart, resolved

    if args.workers < 0 or args.gpu_share < 0:
        raise AnyviewError(
            "invalid_parameter",
            "--workers and --gpu-share must not be negative, got "
            f"{args.workers} and {args.gpu_share:g}",
        )
    found, model = recordings(args.bag), find_model(args.model, args.provider)
    exports = exports_from(args)
    if args.bag.suffix != LIST:
        check_apart([("BAG", args.bag), ("OUT", args.out)])
    check_apart([("BAG", args.bag), *(exports.places if exports else ())])
    work = Work(args.cameras.resolve(), bag_options(args, args.sources), settings, exports)
    identity = identity_of_work(work.cameras, work.options, settings, model)
    if exports is not None:
        exports.check_free(args.resume)
        identity["exports"] = sorted(f"{each.format}={each.folder}" for each in exports.wanted)
    out = resolved(args.out)
    make = partial(_worker, work, args.model, args.provider)
    with ExitStack() as stack:
        workers: Workers
        if args.workers:
            workers = stack.enter_context(
                RayWorkers(make, args.workers, args.ray_address, args.gpu_share)
            )
            ledger = Ledger(out, identity, args.resume)
        else:
            ledger = Ledger(out, identity, args.resume)
            workers = InProcess(make(), ledger)
        fleet = Fleet(
            {name: resolved(path) for name, path in found.items()},
            ledger,
            workers,
            lambda line: print(printable(line), flush=True),
        )
        try:
            lines = fleet.run()
        except KeyboardInterrupt:
            print(INTERRUPTED, file=sys.stderr)
            raise
    states = fleet.states()
    for line in lines:
        print(printable(line))
    print(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    return 0 if states["done"] == len(found) else 1


def _worker(work: Work, model: str, provider: ProviderChoice) -> Worker:
    """Make a worker, in the process in which it works."""
    from anyview_ros.augment.fleet import Worker
    from anyview_ros.augment.model import find_model

    return Worker(work, find_model(model, provider))

"""`anyview score PACKAGE --seeds A:B [--publish]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SHEET_SCENES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", help="name or folder of a model package")
    parser.add_argument("--world", default="street", help="kind of world")
    parser.add_argument("--seeds", type=seed_range, default=(900000, 900032), help="A:B, without B")
    parser.add_argument("--cache", type=Path, help="folder of rendered scenes")
    parser.add_argument("--renderers", type=int, default=2, help="processes that render scenes")
    parser.add_argument(
        "--publish", action="store_true", help="write the scores and a picture into the package"
    )


def seed_range(text: str) -> tuple[int, int]:
    first, last = map(int, text.split(":"))
    return first, last


def run(args: argparse.Namespace) -> int:
    from anyview_ros.contract import find_package, load_package
    from anyview_ros.tools import score
    from anyview_ros.training.store import SceneStore, default_cache, renderers, wait_for

    package = load_package(find_package(args.package))
    config = score.held_out(package.contract, args.world, *args.seeds)
    store = SceneStore(config, args.cache or default_cache())
    with renderers(store, args.renderers):
        wait_for(store, config.count)
    table = score.score_package(package, store, _show_progress)
    for name, value in {**table.model, **table.others}.items():
        print(f"{value:7.2f} dB  {name}")
    if args.publish:
        score.write_sheet(
            package, score.contact_sheet(package, [store[i] for i in range(SHEET_SCENES)])
        )
        score.seal(package, table.as_scores())
    for line in table.unmet():
        print(f"not good enough: {line}")
    return 1 if table.unmet() else 0


def _show_progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} clips", end=end, file=sys.stderr, flush=True)

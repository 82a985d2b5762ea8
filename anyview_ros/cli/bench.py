"""`anyview bench ROOT --model NAME`, or `--worlds` or `--real` in place of a root."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyview_ros.cli.engine_arguments import add_provider
from anyview_ros.cli.json_output import add_json, print_json
from anyview_ros.cli.unused_options import refuse_unused
from anyview_ros.worlds.seeds import BENCH_SEED

if TYPE_CHECKING:
    from anyview_ros.evaluation.run import Plan
    from anyview_ros.evaluation.suite import Suite
    from anyview_ros.packages import ModelPackage

SEEDS = f"{BENCH_SEED}:{BENCH_SEED + 16}"
JSON_KEYS = {
    "model": "`name` and `sha256` of the package",
    "speeds": "steps by speed",
    "seed": "of the noise",
    "perceptual": "which perceptual distance, or `none`",
    "suite": "what was asked for: splits, seeds, sizes",
    "splits": "means of each split, by split, method and figure",
    "groups": "means of each group of splits, by group, method and figure",
    "mean": "means of all groups, by method and figure",
    "notes": "what was not reached",
    "left_out": "splits and episodes that could not be read",
    "failed": "episodes that failed: `name`, `code`, `message`; the exit status is 1 where one did",
    "episodes": "figures of each episode, by method",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("root", nargs="?", type=Path, help="benchmark root with a splits.json")
    what.add_argument("--worlds", action="store_true", help="worlds that are rendered from seeds")
    what.add_argument(
        "--real", action="store_true", help="real pictures that have a true second view"
    )
    parser.add_argument("--model", required=True, help="name or folder of a model package")
    parser.add_argument(
        "--out", type=Path, help="folder to write; out/bench/MODEL-WHAT if not given"
    )
    parser.add_argument(
        "--splits", type=names, default=(), help="only these splits, or groups of splits: A,B"
    )
    parser.add_argument(
        "--seeds", type=seed_range, default=SEEDS, help="seeds of worlds, A:B without B"
    )
    parser.add_argument(
        "--size", type=image_size, help="size of worlds, HxW; the model's if not given"
    )
    parser.add_argument(
        "--kinds", type=names, default=(), help="kinds of worlds, A,B; all if not given"
    )
    parser.add_argument("--speeds", type=names, default=("exact",), help="speeds of the model, A,B")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the noise, the same for every episode"
    )
    parser.add_argument(
        "--workers", type=int, help="processes; one for each core, or one on a GPU, if not given"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each worker")
    add_provider(parser)
    parser.add_argument(
        "--no-perceptual", action="store_true", help="leave the perceptual distance out"
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write scores and contact sheet into the package (with --worlds)",
    )
    add_json(parser, "results.json")


def names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def seed_range(text: str) -> tuple[int, int]:
    first, last = map(int, text.split(":"))
    return first, last


def image_size(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def run(args: argparse.Namespace) -> int:
    from anyview_ros.evaluation.acceptance import scores
    from anyview_ros.evaluation.publish import publish
    from anyview_ros.evaluation.seal import seal_card
    from anyview_ros.packages import find_package, load_package

    if not args.worlds:  # before a package is sealed
        there = "--real" if args.real else "a root"
        others = ("size", "seeds", "kinds", "publish")
        refuse_unused(args, "bench", others, f"--worlds, and {there} is given")
    folder = find_package(args.model)
    if args.publish:
        say(seal_card(folder))  # it may have been written since
    package = load_package(folder)
    plan = planned(args, package)
    usual = 1 if plan.provider != "cpu" else os.cpu_count() or 1
    content = _with_progress(plan, args.workers or usual)
    if args.json:
        print_json(content)
    else:
        print_results(plan, content)
    if args.publish and not content["failed"]:
        say(publish(package, scores(content), plan.out / "contact_sheet.png"))
    return 1 if content["failed"] else 0


def say(what: str) -> None:
    """Print what there is to say beside the figures, if anything."""
    if what:
        print(what, file=sys.stderr)


def planned(args: argparse.Namespace, package: ModelPackage) -> Plan:
    """What the arguments ask for.

    Raises:
        AnyviewError: `unknown_speed`, `unknown_split`, `unknown_kind`, `invalid_benchmark`, ...
    """
    from anyview_ros.engine.onnx.runtime import choose_provider
    from anyview_ros.evaluation import perceptual
    from anyview_ros.evaluation.evaluation import SamplingOptions
    from anyview_ros.evaluation.run import Plan
    from anyview_ros.evaluation.suite import select

    speeds = select(args.speeds, package.contract.sigmas, "speed")
    what = "worlds" if args.worlds else "real" if args.real else args.root.resolve().name
    return Plan(
        suite=suite_of(args, package),
        package=package,
        sampling=SamplingOptions(speeds, args.seed),
        metric=perceptual.NONE if args.no_perceptual else perceptual.metric_name(),
        provider=choose_provider(args.provider),
        out=args.out or Path("out") / "bench" / f"{package.contract.name}-{what}",
        threads=args.threads,
    )


def suite_of(args: argparse.Namespace, package: ModelPackage) -> Suite:
    from anyview_ros.evaluation.real_suite import RealSuite
    from anyview_ros.evaluation.root_suite import RootSuite
    from anyview_ros.evaluation.suite import select
    from anyview_ros.evaluation.world_suite import CHANGES, WorldSuite
    from anyview_ros.worlds.world import KINDS

    if args.real:
        return RealSuite.of(package.contract, args.splits)
    if not args.worlds:
        return RootSuite.of(package.contract, args.root, args.splits)
    kinds, changes = select(args.kinds, KINDS, "kind"), select(args.splits, CHANGES, "split")
    return WorldSuite.of(package.contract, kinds, changes, args.seeds, args.size)


def _with_progress(plan: Plan, workers: int) -> dict[str, Any]:
    from tqdm import tqdm  # type: ignore[import-untyped]

    from anyview_ros.evaluation.bench import bench
    from anyview_ros.evaluation.evaluation import Outcome
    from anyview_ros.evaluation.run import Failure

    total, done, calls = len(plan.suite.episodes()), len(plan.done()), 0
    if done:
        print(f"{done} of {total} episodes are done in {plan.out}", file=sys.stderr)
    started = time.perf_counter()
    with tqdm(total=total, initial=done, unit="episode", file=sys.stderr, disable=None) as bar:

        def show(result: Outcome | Failure) -> None:
            nonlocal calls
            bar.update()
            if isinstance(result, Failure):
                bar.write(f"{result.name}: [{result.code}] {result.message}", file=sys.stderr)
            else:
                calls += result.calls

        content = bench(plan, workers, show)
    seconds = time.perf_counter() - started
    if calls:
        print(f"{calls} clips in {seconds:.1f} s, {calls / seconds:.2f} clips/s", file=sys.stderr)
    return content


def print_results(plan: Plan, content: dict[str, Any]) -> None:
    """Print tables, what is not reached, what is left out, and what failed."""
    from anyview_ros.evaluation.results import lines

    print("\n".join(lines(content)))
    print(f"perceptual distance: {content['perceptual']}")
    for note in content["notes"]:
        print(f"not reached: {note}")
    for words in content["left_out"]:
        print(f"left out: {words}")
    for failure in content["failed"]:
        print(f"failed: {failure['name']}: [{failure['code']}] {failure['message']}")
    print(f"{plan.out}{os.sep}: {', '.join(sorted(f.name for f in plan.out.glob('*.*')))}")

"""`anyview tiers MODEL`: what each speed of a package costs against `exact`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyview_ros.cli.bench import names, say, seed_range
from anyview_ros.cli.engine_arguments import add_provider
from anyview_ros.cli.unused_options import refuse_unused
from anyview_ros.engine.onnx.providers import Provider
from anyview_ros.worlds.seeds import BENCH_SEED

if TYPE_CHECKING:
    from anyview_ros.contract import Contract
    from anyview_ros.evaluation.speeds import Trial

SEEDS = f"{BENCH_SEED}:{BENCH_SEED + 4}"
SPLITS = ("narrow", "extreme")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="name or folder of a model package")
    parser.add_argument(
        "--scene",
        type=Path,
        action="append",
        default=[],
        help="folder of a scene, in place of rendered worlds; may be repeated",
    )
    parser.add_argument(
        "--seeds", type=seed_range, default=SEEDS, help="seeds of worlds, A:B without B"
    )
    parser.add_argument(
        "--kinds", type=names, default=(), help="kinds of worlds, A,B; all if not given"
    )
    parser.add_argument(
        "--splits", type=names, default=SPLITS, help="splits of worlds: narrow, extreme"
    )
    parser.add_argument(
        "--speeds", type=names, default=(), help="speeds of the package, A,B; all if not given"
    )
    parser.add_argument(
        "--try",
        dest="tried",
        action="append",
        default=[],
        metavar="[NAME=]STEPS[,SOLVER[,REUSE]]",
        help="a speed that the package lacks; STEPS may be noise levels, as 80/20/0",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    add_provider(parser)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one for each core")
    parser.add_argument(
        "--no-perceptual", action="store_true", help="leave the perceptual distance out"
    )
    parser.add_argument(
        "--publish", action="store_true", help="write the table into the package's card"
    )
    parser.add_argument(
        "--take",
        action="store_true",
        help="make the tried speeds part of the package, and write its card",
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm  # type: ignore[import-untyped]

    from anyview_ros.engine.pipeline import Pipeline
    from anyview_ros.evaluation import perceptual
    from anyview_ros.evaluation import speeds as tiers
    from anyview_ros.evaluation.suite import select
    from anyview_ros.packages import find_package, load_package

    if args.scene:
        of_worlds = ("seeds", "kinds", "splits")
        refuse_unused(args, "tiers", of_worlds, "worlds, and --scene is given")
    package = load_package(find_package(args.model))
    tried = [tiers.candidate(text, package.contract) for text in args.tried]
    wider = replace(package, contract=tiers.with_candidates(package.contract, tried))
    speeds = (
        *select(args.speeds, package.contract.sigmas, "speed"),
        *(each.name for each in tried),
    )
    metric = perceptual.NONE if args.no_perceptual else perceptual.metric_name()
    pipeline = Pipeline(wider, args.provider, args.threads)
    measured = tiers.Measurement(pipeline, speeds, args.seed, perceptual.load(metric))
    trials = list(_trials(args, package.contract))
    for trial in tqdm(trials, unit="clip", file=sys.stderr, disable=None):
        measured.add(trial)
    table, note = measured.table(), _note(args, pipeline.provider, len(trials), metric)
    print("\n".join([*tiers.lines(table), note]))
    if args.publish or args.take:
        say(tiers.publish(wider if args.take else package, table, note))
    return 0


def _trials(args: argparse.Namespace, contract: Contract) -> Iterator[Trial]:
    from anyview_ros.evaluation.speeds import trial_of, trial_of_scene
    from anyview_ros.evaluation.suite import select
    from anyview_ros.evaluation.world_suite import WorldSuite
    from anyview_ros.worlds.world import KINDS

    if args.scene:
        yield from (trial_of_scene(folder, contract) for folder in args.scene)
        return
    kinds, splits = select(args.kinds, KINDS, "kind"), select(args.splits, SPLITS, "split")
    suite = WorldSuite.of(contract, kinds, splits, args.seeds)
    for episode in suite.episodes():
        yield trial_of(suite.task(episode), suite.frames)


def _note(args: argparse.Namespace, provider: Provider, clips: int, metric: str) -> str:
    """How it was measured, in a sentence."""
    on = " and ".join(folder.name for folder in args.scene) or (
        f"worlds of seeds {args.seeds[0]} to {args.seeds[1] - 1}"
    )
    threads = args.threads or os.cpu_count()
    machine = f"{threads} threads of {platform.machine()}" if provider == "cpu" else provider
    return (
        f"{clips} clips of {on}, {machine}, {time.strftime('%Y-%m-%d')}. Means; medians of seconds "
        f"and of the camera's error. Perceptual distance: {metric}."
    )

"""`anyview ablate CONFIG --steps N --out DIR`: what each part of a run is worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyview_ros.training.config import RunConfig
    from anyview_ros.training.preview import TrainedModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, help="TOML file of the run that the variants are compared with"
    )
    parser.add_argument("--steps", type=int, default=300, help="training steps of each variant")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop cleanly after this time")
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of the variants to train; all if not given"
    )
    parser.add_argument(
        "--scenes", type=int, default=8, help="held-out scenes to measure on, from each set"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the runs and the results"
    )
    parser.add_argument("--cache", type=Path, help="folder of rendered scenes")
    parser.add_argument("--renderers", type=int, default=1, help="processes that render scenes")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: a GPU if there is one",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one for each core")


def run(args: argparse.Namespace) -> int:
    from anyview_ros.cli.train import Report, Stop, use_device
    from anyview_ros.errors import AnyviewError
    from anyview_ros.evaluation.ablations import HeldOut, table, trained_and_scored
    from anyview_ros.evaluation.run import keep_settings
    from anyview_ros.training.ablations import variants
    from anyview_ros.training.config import read_config
    from anyview_ros.training.loop import Trainer, train
    from anyview_ros.training.preview import TrainedModel
    from anyview_ros.training.store import default_cache, open_stores, renderers

    reference = read_config(args.config)
    wanted = variants(reference, args.steps)
    if unknown := set(args.only) - wanted.keys():
        raise AnyviewError(
            "unknown_variant", f"variants are {', '.join(wanted)}; got {', '.join(unknown)}"
        )
    wanted = {name: wanted[name] for name in args.only or wanted}
    device = use_device(args)
    stores = open_stores(reference, args.cache or default_cache())
    stop = Stop(60 * args.minutes)

    def trained(variant: RunConfig, out: Path) -> TrainedModel | None:
        print(f"{variant.name}: {args.steps} steps in {out}", flush=True)
        trainer = Trainer(variant, stores, device)
        train(trainer, out, True, stop, Report(args.steps, stop).add)
        if trainer.step < args.steps:
            return None
        return TrainedModel(trainer.contract, trainer.ema, trainer.codec, trainer.composer)

    results: dict[str, dict[str, dict[str, float]]] = {}
    settings = {"config": reference.text, "steps": args.steps, "scenes": args.scenes}
    keep_settings(args.out, settings, "runs of another config, or other steps or scenes")
    with renderers(stores, args.renderers):
        held_out = HeldOut(reference, args.scenes)
        for _, results in trained_and_scored(wanted, args.out, held_out, trained):
            (args.out / "ablations.md").write_text(table(results))
    print(table(results), end="")
    if missing := wanted.keys() - results.keys():
        print(f"stopped before {', '.join(missing)}; the same command goes on")
    return 130 if stop.interrupted else 0

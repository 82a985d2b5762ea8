"""`anyview train CONFIG --minutes N --out DIR [--resume]`."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from anyview_ros.cli.waiting import waiting
from anyview_ros.errors import AnyviewError, cause

if TYPE_CHECKING:
    import torch

    from anyview_ros.training.config import Run
    from anyview_ros.training.loop import Learner, Progress, Trainer
    from anyview_ros.training.store import Store
    from anyview_ros.training.surfaces.trainer import SurfaceTrainer

    AnyRun = TypeVar("AnyRun", bound=Run)

REPORT_EVERY_S = 15.0
BEFORE_THE_FIRST = "preparing scenes and the first step"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="TOML file of the run, as config/training/*.toml")
    parser.add_argument(
        "--from",
        dest="package",
        metavar="PACKAGE",
        help="model package to fine-tune: the run begins with its weights",
    )
    add_running(parser)


def add_running(parser: argparse._ActionsContainer) -> None:
    """What every run needs, whatever it trains."""
    parser.add_argument(
        "--minutes", type=float, default=9.0, help="stop after this time; --resume goes on"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run's checkpoint")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--cache", type=Path, help="folder of rendered scenes")
    parser.add_argument("--renderers", type=int, default=1, help="processes that render scenes")
    parser.add_argument(
        "--pictures-every",
        type=float,
        default=20.0,
        help="minutes between pictures of held-out scenes; 0: none",
    )
    parser.add_argument(
        "--max-part-size",
        type=float,
        default=0,
        help="split the checkpoint into files of so many MiB; 0: one file",
    )
    parser.add_argument("--loaders", type=_count, default=1, help="threads that prepare batches")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: a GPU if there is one",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one for each core")


def run(args: argparse.Namespace) -> int:
    from anyview_ros.training.config import read_config
    from anyview_ros.training.loop import Trainer
    from anyview_ros.training.surfaces.config import is_surfaces, read_surfaces
    from anyview_ros.training.surfaces.trainer import SurfaceTrainer

    if args.package is not None and args.resume:
        raise AnyviewError(
            "wrong_option", "--from begins a new run, --resume goes on with one: give one of them"
        )
    if args.config.is_file() and is_surfaces(args.config.read_text()):
        config = read_surfaces(args.config)
        return trained(args, config, partial(_begun, SurfaceTrainer, args.package))
    return trained(args, read_config(args.config), partial(_begun, Trainer, args.package))


def _begun(
    make: Callable[[AnyRun, Mapping[str, Store], torch.device], Trainer | SurfaceTrainer],
    package: str | None,
    run: AnyRun,
    stores: Mapping[str, Store],
    device: torch.device,
) -> Trainer | SurfaceTrainer:
    """The learner of a run, with the weights of a package where one is given."""
    from anyview_ros.packages import find_package, load_package

    trainer = make(run, stores, device)
    if package is not None:
        trainer.start_from(load_package(find_package(package)).path)
    return trainer


def trained(
    args: argparse.Namespace,
    config: AnyRun,
    make: Callable[[AnyRun, Mapping[str, Store], torch.device], Learner],
    alone: bool = False,
) -> int:
    """Train until the steps or the minutes are over; the exit status.

    Args:
        alone: see `training.distributed.process_group`.
    """
    from anyview_ros.training.distributed import process_group
    from anyview_ros.training.loop import Trainer, train
    from anyview_ros.training.store import default_cache, open_stores, renderers

    stores = open_stores(config, args.cache or default_cache())
    stop = Stop(60 * args.minutes)
    with process_group(use_device(args), alone) as device:
        trainer = make(config, stores, device)
        first = trainer.rank == 0
        watchers: list[Report | Pictures] = []
        if first:
            watchers.append(Report(config.training.steps, stop))
        if first and isinstance(trainer, Trainer):
            watchers.append(Pictures(trainer, args))

        with ExitStack() as stack:
            stack.enter_context(renderers(stores, args.renderers if first else 0))
            begun = stack.enter_context(waiting(BEFORE_THE_FIRST)) if first else _nothing

            def on_step(progress: Progress) -> None:
                begun()
                for watcher in watchers:
                    watcher.add(progress)

            part = round(args.max_part_size * 2**20)
            step = train(trainer, args.out, args.resume, stop, on_step, args.loaders, part)
        if first:
            print(_saved(step, config.training.steps, args.out))
    return 130 if stop.interrupted else 0


def _nothing() -> None:
    pass


def use_device(args: argparse.Namespace) -> torch.device:
    """The device asked for, with as many threads of the CPU as asked for."""
    import torch

    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    cuda = args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if cuda else "cpu")


class Stop:
    """True from a deadline on, or from Ctrl-C on: a step is finished before the run stops."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.interrupted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)

    def __call__(self) -> bool:
        return self.interrupted or time.monotonic() > self.deadline

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True


class Pictures:
    """Pictures of held-out scenes, `preview-<step>.png` beside the checkpoint, every so often."""

    def __init__(self, trainer: Trainer, args: argparse.Namespace) -> None:
        from anyview_ros.training.preview import Preview, TrainedModel

        self._out, self._every_s = args.out, 60 * args.pictures_every
        self._model = TrainedModel(trainer.contract, trainer.ema, trainer.codec, trainer.composer)
        self._preview = Preview(trainer.run) if args.pictures_every > 0 else None
        self._last = time.monotonic()

    def add(self, progress: Progress) -> None:
        if self._preview is None or time.monotonic() - self._last < self._every_s:
            return
        path = self._out / f"preview-{progress.step:06d}.png"
        try:
            self._preview.write(path, self._model)
        except Exception as error:  # of any kind: a run of hours does not end for a picture
            print(f"no picture of step {progress.step}: {cause(error)}", file=sys.stderr)
        self._last = time.monotonic()


class Report:
    """A line every 15 seconds: losses since the last one, speed, time left."""

    def __init__(self, steps: int, stop: Stop) -> None:
        self._steps, self._stop = steps, stop
        self._last = time.monotonic()
        self._since: list[Progress] = []
        self._waited_s = 0.0

    def add(self, progress: Progress) -> None:
        self._since.append(progress)
        now = time.monotonic()
        if now - self._last < REPORT_EVERY_S and progress.step < self._steps:
            return
        print(self._line(now), flush=True)
        self._last, self._since, self._waited_s = now, [], progress.waited_s

    def _line(self, now: float) -> str:
        elapsed, count, step = now - self._last, len(self._since), self._since[-1].step
        pure = [p.pure_noise_loss for p in self._since if not math.isnan(p.pure_noise_loss)]
        left = min(self._stop.deadline - now, (self._steps - step) * elapsed / count)
        return (
            f"step {step}/{self._steps}  "
            f"loss {sum(p.loss for p in self._since) / count:.5f}  "
            + (f"at pure noise {sum(pure) / len(pure):.5f}  " if pure else "")
            + f"{sum(p.samples for p in self._since) / elapsed:.2f} samples/s, "
            f"{(self._since[-1].waited_s - self._waited_s) / elapsed:.0%} waiting  "
            f"{max(0.0, left) / 60:.0f} min left" + self._look()
        )

    def _look(self) -> str:
        looks = [p.look for p in self._since if not math.isnan(p.look)]
        return f"  look {sum(looks) / len(looks):.4f}" if looks else ""


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {count}")
    return count


def _saved(step: int, steps: int, out: Path) -> str:
    from anyview_ros.training.loop import LATEST

    if not (out / LATEST).exists():
        return "stopped before the first step: nothing is saved; the same command begins again"
    return f"step {step} of {steps} is saved in {out}"

"""Evaluate the episodes of a suite that are not done yet, in processes, and survive bad ones."""

from __future__ import annotations

import json
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyview_ros.engine.onnx.providers import Provider
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation import perceptual
from anyview_ros.evaluation.evaluation import Evaluator, Outcome, SamplingOptions
from anyview_ros.evaluation.seal import identity
from anyview_ros.evaluation.suite import Episode, Suite
from anyview_ros.packages import ModelPackage
from anyview_ros.parent_death import end_with_parent
from anyview_ros.whole_file import FULL, disk_full, whole_file

EPISODES, SETTINGS = "episodes", "run.json"


@dataclass(frozen=True)
class Failure:
    """An episode that could not be evaluated, and why."""

    split: str
    name: str
    code: str
    message: str


@dataclass(frozen=True)
class Plan:
    """A run of the bench.

    Args:
        suite: what is evaluated.
        package: by which model.
        sampling: its speeds and the seed.
        metric: perceptual distance, `perceptual.metric_name()` or `none`.
        provider: of the pipeline.
        out: folder of everything that is written.
        threads: of each worker process. More than one is for models that need all of the machine:
            threads that wait for each other lose most of their time to whatever else runs.
    """

    suite: Suite
    package: ModelPackage
    sampling: SamplingOptions
    metric: str
    provider: Provider
    out: Path
    threads: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the figures depend on."""
        contract = self.package.contract
        return {
            "model": {"name": contract.name, "sha256": identity(self.package)},
            "speeds": {s: len(contract.sigmas[s]) - 1 for s in self.sampling.speeds},
            "seed": self.sampling.seed,
            "perceptual": self.metric,
            "suite": self.suite.settings,
        }

    def folder(self, episode: Episode) -> Path:
        return self.out / EPISODES / episode.split

    def done(self) -> dict[Episode, Outcome]:
        """Return the episodes that an earlier call finished, and that did not change since."""
        files = {e: self.folder(e) / f"{e.name}.json" for e in self.suite.episodes()}
        return {
            e: Outcome.read(file)
            for e, file in files.items()
            if file.is_file() and file.stat().st_mtime >= self.suite.changed_s(e)
        }


@dataclass(frozen=True)
class Results:
    """Outcomes in the suite's order, and what failed."""

    outcomes: tuple[Outcome, ...]
    failures: tuple[Failure, ...]


def begin(plan: Plan) -> None:
    """Make the folder of a run, or see that it holds one of the same settings.

    Raises:
        AnyviewError: `other_run`.
    """
    keep_settings(plan.out, plan.settings, "episodes of another model or other settings")


def keep_settings(out: Path, settings: dict[str, Any], other: str) -> None:
    """Make a folder of results, or see that it holds those of the same settings.

    Args:
        other: what it holds if not, in words.

    Raises:
        AnyviewError: `other_run`.
    """
    file, text = out / SETTINGS, json.dumps(settings, indent=1) + "\n"
    if file.is_file() and file.read_text() != text:
        raise AnyviewError(
            "other_run", f"{out} holds {other} ({file}); give another --out, or remove it"
        )
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as whole:
        whole.write_text(text)


def evaluate_missing(
    plan: Plan, workers: int, on_episode: Callable[[Outcome | Failure], None]
) -> Results:
    """Evaluate what is missing.

    Args:
        workers: processes.
        on_episode: gets each new outcome or failure as it comes.

    Raises:
        AnyviewError: `worker_died` when a process was killed; what is done stays.
    """
    found: dict[Episode, Outcome | Failure] = dict(plan.done())
    missing = [e for e in plan.suite.episodes() if e not in found]
    for episode, result in _evaluate_in_processes(plan, missing, workers):
        found[episode] = result
        on_episode(result)
    ordered = [found[e] for e in plan.suite.episodes()]
    return Results(
        tuple(r for r in ordered if isinstance(r, Outcome)),
        tuple(r for r in ordered if isinstance(r, Failure)),
    )


def _evaluate_in_processes(
    plan: Plan, episodes: Sequence[Episode], workers: int
) -> Iterator[tuple[Episode, Outcome | Failure]]:
    count = max(1, min(workers, len(episodes)))
    if not episodes:
        return
    with _processes(plan, count) as pool:
        futures = {pool.submit(_evaluate, e, plan.folder(e)): e for e in episodes}
        yield from _collect(futures)


def _collect(
    futures: Mapping[Future[Outcome | Failure], Episode],
) -> Iterator[tuple[Episode, Outcome | Failure]]:
    for future in as_completed(futures):
        try:
            yield futures[future], future.result()
        except BrokenProcessPool:
            raise AnyviewError(
                "worker_died",
                "a worker process ended before its episode did (out of memory?); see above, then "
                "run the same command again, perhaps with fewer --workers: what is done is kept",
            ) from None


@contextmanager
def _processes(plan: Plan, count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield worker processes that end at once when the body does not."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _open, (plan,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown()


_evaluator: Evaluator | None = None  # of a worker process


def _open(plan: Plan) -> None:
    """Load the model once a process."""
    global _evaluator
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    _evaluator = open_evaluator(plan)


def open_evaluator(plan: Plan) -> Evaluator:
    """Load what a worker needs: the model and the perceptual metric."""
    import numba

    numba.config.NUMBA_NUM_THREADS = plan.threads  # type: ignore[attr-defined]
    if plan.metric != perceptual.NONE:
        import torch

        torch.set_num_threads(plan.threads)
    pipeline = Pipeline(plan.package, plan.provider, plan.threads)
    return Evaluator(plan.suite, pipeline, plan.sampling, perceptual.load(plan.metric))


def _evaluate(episode: Episode, folder: Path) -> Outcome | Failure:
    assert _evaluator is not None
    return evaluate_or_fail(_evaluator, episode, folder)


def evaluate_or_fail(evaluator: Evaluator, episode: Episode, folder: Path) -> Outcome | Failure:
    """Evaluate an episode; return why it failed if it did.

    Raises:
        AnyviewError: `disk_full`: the others would fail too.
    """
    try:
        return evaluator.evaluate(episode, folder)
    except AnyviewError as error:
        return Failure(episode.split, episode.name, error.code, error.message)
    except Exception as error:  # hours of other episodes must not die of one that is odd
        if isinstance(error, OSError) and error.errno in FULL:
            raise disk_full(folder, error) from None
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return Failure(episode.split, episode.name, "unexpected", message)

"""Many recordings, by this process or by workers: done, failed with a reason, quarantined, left."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from anyview_ros.augment.exports.exporting import Exports
from anyview_ros.augment.ledger import Entry, Ledger
from anyview_ros.augment.run import augment
from anyview_ros.augment.settings import Model, Settings
from anyview_ros.augment.stores import FAILED, Place
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.errors import AnyviewError

TRIES = 2  # of a recording with which a worker ends, or an error comes that nobody foresaw
UNEXPECTED = "unexpected_error"
AGAIN = (UNEXPECTED, FAILED)  # may go well the next time


@dataclass(frozen=True)
class Work:
    """Hold what is done with every recording.

    Args:
        cameras: file of virtual cameras.
        options: how source cameras are taken.
        exports: data sets of each, in folders of their own.
    """

    cameras: Path
    options: BagOptions
    settings: Settings
    exports: Exports | None = None


@dataclass(frozen=True)
class Task:
    """A recording to augment."""

    name: str
    source: Place
    output: Place


@dataclass(frozen=True)
class Outcome:
    """Hold what became of it; without a code it is done.

    Args:
        answered: frames of all virtual cameras.
        code, text: why it failed.
        seconds: that it took.
    """

    answered: int = 0
    code: str = ""
    text: str = ""
    seconds: float = 0.0


class Workers(Protocol):
    """Processes that augment, each one recording at a time."""

    @property
    def count(self) -> int: ...

    def start(self, task: Task) -> None:
        """Give a task to a worker that has none."""
        ...

    def finished(self) -> tuple[Task, Outcome | None]:
        """Wait for a task that is finished; None = its worker ended with it, and was replaced."""
        ...


class Worker:
    """Augments recordings with one engine.

    Args:
        model: makes frames; its engine is loaded with the first recording.
    """

    def __init__(self, work: Work, model: Model) -> None:
        self._work, self._model = work, replace(model, load=cache(model.load))

    def augment(self, task: Task) -> Outcome:
        """Augment a recording, or go on with it; every error is an outcome."""
        began = time.monotonic()
        try:
            if isinstance(task.output, Path):
                task.output.parent.mkdir(parents=True, exist_ok=True)
            work = self._work
            exports = work.exports and work.exports.of(task.name, task.source.stem)
            report = augment(
                task.source,
                task.output,
                work.cameras,
                work.options,
                work.settings,
                self._model,
                resume=True,
                exports=exports,
            )
        except AnyviewError as error:
            return Outcome(0, error.code, error.message, time.monotonic() - began)
        except Exception as error:  # one recording must not end the others
            text = f"{type(error).__name__}: {error}"
            return Outcome(0, UNEXPECTED, text, time.monotonic() - began)
        return Outcome(report.answered, seconds=time.monotonic() - began)


class InProcess:
    """Augments in this process, one after the other.

    Args:
        worker: that works.
        ledger: is told what is begun, so that a recording which ends the process is known.
    """

    count = 1

    def __init__(self, worker: Worker, ledger: Ledger) -> None:
        self._worker, self._ledger = worker, ledger
        self._tasks: deque[Task] = deque()

    def start(self, task: Task) -> None:
        self._tasks.append(task)

    def finished(self) -> tuple[Task, Outcome | None]:
        task = self._tasks.popleft()
        self._ledger.add(Entry(task.name, "started"))
        try:
            return task, self._worker.augment(task)
        except KeyboardInterrupt:  # not the recording's doing
            self._ledger.add(Entry(task.name, "interrupted"))
            raise


class Fleet:
    """Augments recordings, and keeps the ledger.

    Args:
        recordings: by name.
        ledger: of the output folder.
        workers: that work.
        say: called with a line for people.
    """

    def __init__(
        self,
        recordings: Mapping[str, Place],
        ledger: Ledger,
        workers: Workers,
        say: Callable[[str], object],
    ) -> None:
        self._recordings, self._ledger, self._workers, self._say = recordings, ledger, workers, say
        self._tries: Counter[str] = Counter()
        self._finished = 0
        self._waiting: deque[Task] = deque()

    def run(self) -> list[str]:
        """Augment all that are not done; return what became of each, a line a recording.

        One that is quarantined is not tried again, nor by a later run.
        """
        for name, source in self._recordings.items():
            state = self._ledger.state(name)
            if state in ("done", "quarantined"):
                self._finished += 1
                self._say(f"{name}: {state} before")
            elif self._ledger.crashes(name) >= TRIES:
                self._quarantine(name)
            else:
                self._waiting.append(Task(name, source, self._ledger.output(name)))
        began, before, running = time.monotonic(), self._finished, 0
        while self._waiting or running:
            while self._waiting and running < self._workers.count:
                self._workers.start(self._waiting.popleft())
                running += 1
            task, outcome = self._workers.finished()
            running -= 1
            if self._note(task, outcome):
                made, total = self._finished - before, len(self._recordings)
                left_s = (time.monotonic() - began) / made * (total - self._finished)
                line = self._line(task.name)
                self._say(f"[{self._finished}/{total}] {line}; about {left_s / 60:.0f} min left")
        return [self._line(name) for name in self._recordings]

    def states(self) -> Counter[str]:
        """Return how many recordings are in which state."""
        return Counter(self._ledger.state(name) for name in self._recordings)

    def _note(self, task: Task, outcome: Outcome | None) -> bool:
        """Write down an outcome; return whether the recording is finished."""
        self._tries[task.name] += 1
        if outcome is None:
            text = "the worker's process ended"
            self._ledger.add(Entry(task.name, "crashed", "worker_died", text))
            if self._ledger.crashes(task.name) >= TRIES:
                self._quarantine(task.name)
                return True
        elif outcome.code in AGAIN and self._tries[task.name] < TRIES:
            self._ledger.add(Entry(task.name, "failed", outcome.code, outcome.text))
            self._say(f"{task.name}: {outcome.text}; it is tried again")
        else:
            told = outcome.code, outcome.text, outcome.answered, round(outcome.seconds, 3)
            self._ledger.add(Entry(task.name, "failed" if outcome.code else "done", *told))
            self._finished += 1
            return True
        self._waiting.append(task)
        return False

    def _quarantine(self, name: str) -> None:
        text = f"the process ended {self._ledger.crashes(name)} times with it"
        self._ledger.add(Entry(name, "quarantined", "worker_died", text))
        self._finished += 1

    def _line(self, name: str) -> str:
        state = self._ledger.state(name)
        if state in ("done", "left"):
            return f"{name}: {state}"
        entry = self._ledger.last(name)
        return f"{name}: {state}: [{entry.code}] {entry.text}"

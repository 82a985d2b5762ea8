"""Batches that are made on a device: the same as those that are made on the processor."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.training import augmentation, resident_batches
from anyview_ros.training.augmentation import Light
from anyview_ros.training.batches import Batch, Question, draw_batch
from anyview_ros.training.composites import Composer
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.prepared import PreparedExample
from anyview_ros.training.resident_batches import ResidentBatches
from tests.training.test_composites import (  # noqa: F401 - fixtures
    eyes,
    in_a_folder_of_its_own,
    told_run,
)
from tests.training.tiny import CONFIG, painted

CPU = torch.device("cpu")


class Inline:
    """A pool of processes that works here, and counts."""

    def __init__(self, *_: Any, initializer: Any, initargs: tuple[Any, ...]) -> None:
        initializer(*initargs)
        self.prepared = 0

    def submit(self, work: Any, question: Question) -> Future[PreparedExample]:
        self.prepared += 1
        done: Future[PreparedExample] = Future()
        done.set_result(work(question))
        return done


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident_batches, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(resident_batches.signal, "signal", lambda *_: None)


def run_of(eyes: Path, **training: Any) -> RunConfig:  # noqa: F811
    run = told_run(eyes, **training)
    return replace(run, stages=run.stages[:1])


def assert_alike(made: Batch, wanted: Batch, composite: float = 8) -> None:
    """Compare batches.

    Args:
        composite: mean difference that is allowed there: light changes after its holes are filled.
    """
    for name in ("source", "target", "source_rays", "target_rays", "levels"):
        torch.testing.assert_close(getattr(made, name), getattr(wanted, name))
    assert torch.equal(made.known, wanted.known)
    assert made.noise_seeds == wanted.noise_seeds
    assert len(made.sweep) == len(wanted.sweep)
    for images, right in zip(made.sweep, wanted.sweep, strict=True):
        planes, true_planes = images[:-1].int(), right[:-1].int()
        assert (planes - true_planes).abs().max() <= 1  # rounded otherwise
        assert (images[-1].int() - right[-1].int()).abs().float().mean() < composite
    for marks, right in zip(made.marks, wanted.marks, strict=True):
        torch.testing.assert_close(marks, right, atol=0.02, rtol=0)


@pytest.mark.parametrize("sources", [1, 2])
def test_its_batches_are_those_of_the_processor(
    eyes: Path,  # noqa: F811
    tmp_path: Path,
    here: None,
    sources: int,
) -> None:
    run, composer = run_of(eyes, more_sources=(sources - 1.0,)), Composer(eyes, tmp_path)
    resident = ResidentBatches(run, painted(run), CPU, 1)
    for step in range(4):
        wanted = draw_batch(run, run.contract(), painted(run), step, composer=composer)
        assert len(wanted.source) == sources * run.training.scenes_per_step
        assert_alike(resident.draw(step), wanted)


def test_composites_are_the_same_in_their_own_light(
    eyes: Path,  # noqa: F811
    tmp_path: Path,
    here: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def own_light(rng: np.random.Generator) -> Light:
        rng.random(5)  # whatever comes after is drawn as before
        return Light(np.ones(3), 1.0)

    for module in (augmentation, resident_batches):
        monkeypatch.setattr(module, "draw_light", own_light)
    run, composer = run_of(eyes), Composer(eyes, tmp_path)
    resident = ResidentBatches(run, painted(run), CPU, 1)
    for step in range(4):
        wanted = draw_batch(run, run.contract(), painted(run), step, composer=composer)
        assert_alike(resident.draw(step), wanted, composite=0.3)


def test_processes_share_a_step(eyes: Path, tmp_path: Path, here: None) -> None:  # noqa: F811
    run, composer = run_of(eyes), Composer(eyes, tmp_path)
    resident = ResidentBatches(run, painted(run), CPU, 1)
    for share in ((0, 2), (1, 2)):
        wanted = draw_batch(run, run.contract(), painted(run), 3, share, composer)
        assert_alike(resident.draw(3, share), wanted)


def test_an_example_is_prepared_once_while_there_is_room(eyes: Path, here: None) -> None:  # noqa: F811
    run = run_of(eyes)
    resident = ResidentBatches(run, painted(run), CPU, 1)
    first = resident.draw(0)
    prepared = resident._pool.prepared  # type: ignore[attr-defined]
    again = resident.draw(0)
    assert resident._pool.prepared == prepared  # type: ignore[attr-defined]
    assert torch.equal(first.source, again.source)
    resident._room = 0
    for step in (0, 1, 0):
        resident.draw(step)
    assert resident._pool.prepared > prepared  # type: ignore[attr-defined]
    assert resident._taken == 0
    assert torch.equal(resident.draw(0).source, first.source)


def test_another_run_is_refused(eyes: Path) -> None:  # noqa: F811
    for run in (run_of(eyes, camera_effects=0.5), parse_config(CONFIG)):
        with pytest.raises(AnyviewError, match="composite and without camera_effects") as refused:
            ResidentBatches(run, painted(run), CPU, 1)
        assert refused.value.code == "invalid_config"


def test_processes_prepare(eyes: Path, tmp_path: Path) -> None:  # noqa: F811
    run, composer = run_of(eyes), Composer(eyes, tmp_path)
    resident = ResidentBatches(run, painted(run), CPU, 2)
    assert_alike(
        resident.draw(0), draw_batch(run, run.contract(), painted(run), 0, (0, 1), composer)
    )
    resident._pool.shutdown()

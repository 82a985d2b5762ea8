"""Batches of a run with composites on a GPU: examples are prepared once, by processes, and stay."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from threading import Lock

import cv2
import numpy as np
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.parent_death import end_with_parent
from anyview_ros.training.augmentation import Light, draw_light
from anyview_ros.training.batches import (
    Batch,
    Question,
    composed_example,
    draw_levels,
    draw_questions,
)
from anyview_ros.training.composites import Composer, composer_of
from anyview_ros.training.config import MONOCULAR, RunConfig
from anyview_ros.training.prepared import PreparedExample, prepare
from anyview_ros.training.resident import ResidentExample, resident_batch
from anyview_ros.training.store import Store

SHARE = 0.6  # of a GPU's memory for examples, the rest is for the step

Key = tuple[str, int, tuple[int, int]]


class ResidentBatches:
    """Draws the batches of a run on a device; those of `draw_batch`, but for rounding.

    What a step asks for follows from its number, so a resumed run goes on as it would have.

    Args:
        run: with composites and without camera effects.
        stores: its scenes by name.
        device: with a memory of its own.
        processes: that prepare examples.

    Raises:
        AnyviewError: `invalid_config` for another run.
    """

    def __init__(
        self, run: RunConfig, stores: Mapping[str, Store], device: torch.device, processes: int
    ) -> None:
        if not may_be_resident(run):
            raise AnyviewError(
                "invalid_config",
                "examples stay in the memory of a device for runs with a composite and without "
                "camera_effects; this one has "
                f"composite = {run.composite!r} and camera_effects = {run.training.camera_effects}",
            )
        self._pool = ProcessPoolExecutor(
            processes,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(run, dict(stores)),
        )
        self._run, self._stores, self._device = run, stores, device
        self._latent = run.contract().latent
        self._kept: dict[Key, ResidentExample] = {}
        self._coming: dict[Key, Future[PreparedExample]] = {}
        self._lock = Lock()
        self._taken = 0  # bytes
        self._room = int(SHARE * _memory(device))

    def draw(self, step: int, share: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step; arguments as `draw_batch`."""
        training = self._run.training
        rng = np.random.default_rng([training.seed, step])
        questions = draw_questions(rng, self._run, self._stores, step, share)
        size = self._stores[questions[0].name.removesuffix(MONOCULAR)].config.size
        latent_frames = self._latent.of(questions[0].counts[1], *size)[1]
        shape = training.scenes_per_step, training.targets_per_scene, latent_frames
        levels, known = draw_levels(rng, shape, training)
        mine = slice(share[0], None, share[1])
        changes = [_change(question) for question in questions]
        return resident_batch(
            self._examples(questions),
            [light for light, _ in changes],
            [mirrored for _, mirrored in changes],
            self._latent,
            levels=levels[mine].flatten(0, 1).to(self._device),
            known=known[mine].flatten(0, 1).to(self._device),
            noise_seeds=tuple(question.seed for question in questions),
        )

    def _examples(self, questions: Sequence[Question]) -> list[ResidentExample]:
        """Return examples, prepared where they are not kept; called from several threads."""
        keys = [(question.name, question.index, question.counts) for question in questions]
        with self._lock:
            for key, question in zip(keys, questions, strict=True):
                if key not in self._kept and key not in self._coming:
                    self._coming[key] = self._pool.submit(_prepared, question)
            found = {key: self._kept.get(key) or self._coming[key] for key in keys}
        ready = {
            key: ResidentExample.of(value.result(), self._device)
            if isinstance(value, Future)
            else value
            for key, value in found.items()
        }
        with self._lock:
            for key, example in ready.items():
                self._coming.pop(key, None)
                if self._kept.pop(key, None) is None:  # or another thread made room meanwhile
                    self._taken += example.size
                self._kept[key] = example  # the last one asked for is the last to go
            while self._taken > self._room:
                self._taken -= self._kept.pop(next(iter(self._kept))).size
        return [ready[key] for key in keys]


def may_be_resident(run: RunConfig) -> bool:
    """Return whether `ResidentBatches` can draw the batches of a run."""
    return bool(run.composite) and run.training.camera_effects == 0


def _change(question: Question) -> tuple[Light, bool]:
    """Return the light of an example and whether it is mirrored, drawn as by `draw_example`."""
    rng = np.random.default_rng(question.seed)
    light = draw_light(rng)
    return light, bool(rng.random() < 0.5)


def _memory(device: torch.device) -> int:
    """Return the bytes of a device's memory; without end where examples are in the processor's."""
    if device.type != "cuda":
        return 2**63
    return int(torch.cuda.get_device_properties(device).total_memory)


_own: tuple[RunConfig, Mapping[str, Store], Composer]  # of a process that prepares examples


def _begin(run: RunConfig, stores: Mapping[str, Store]) -> None:
    global _own
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    cv2.setNumThreads(1)
    composer = composer_of(run, stores)
    assert composer is not None
    _own = run, stores, composer


def _prepared(question: Question) -> PreparedExample:
    run, stores, composer = _own
    store = stores[question.name.removesuffix(MONOCULAR)]
    example = composed_example(question, store, run.training, composer)
    return prepare(run.contract(), example, store.config.scene_scale)

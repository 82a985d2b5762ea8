"""The loop learns, repeats itself exactly, and goes on where it stopped as if it had not."""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import read_checkpoint, write_checkpoint
from anyview_ros.training import batches, loop
from anyview_ros.training.config import parse_config
from anyview_ros.training.loop import LATEST, Progress, Trainer, train
from tests.training.tiny import CONFIG, painted, stepped, tiny_run, tiny_trainer

# fmt: off
RECORDED = [
    0.01846, 0.05704, 0.19344, 0.18437, 0.39047, 0.18926, 0.15991, 0.09919, 0.35223, 0.17051,
    0.66241, 0.39676, 0.37449, 0.12754, 0.32931, 0.37254, 0.29509, 0.49107, 0.34748, 0.16420,
]
# fmt: on


def fresh_trainer() -> Trainer:
    run = tiny_run()
    return Trainer(run, painted(run), torch.device("cpu"))


def losses_of(trainer: Trainer, out: Path, until: int, resume: bool = False) -> list[float]:
    """Losses of a run that is stopped after the step `until`."""
    seen: list[Progress] = []
    train(trainer, out, resume, lambda: trainer.step >= until, seen.append)
    return [progress.loss for progress in seen]


def test_twenty_steps_repeat_exactly(tmp_path: Path) -> None:
    first = losses_of(fresh_trainer(), tmp_path / "a", 20)
    assert len(first) == 20
    assert losses_of(fresh_trainer(), tmp_path / "b", 20) == first


def test_twenty_steps_give_the_recorded_losses() -> None:
    """Batches, noise, network, loss and optimizers as they were when this was recorded.

    Another instruction set changes the fourth digit, any other change must be meant.
    """
    trainer = tiny_trainer(tiny_run())
    losses = [stepped(trainer).loss for _ in range(20)]
    assert losses == pytest.approx(RECORDED, rel=0.01)


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    whole = losses_of(fresh_trainer(), tmp_path / "whole", 12)
    parts = losses_of(fresh_trainer(), tmp_path / "parts", 5)
    parts += losses_of(fresh_trainer(), tmp_path / "parts", 12, resume=True)
    assert parts == whole
    one, other = (read_checkpoint(tmp_path / n / LATEST) for n in ("whole", "parts"))
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_a_run_ends_after_its_steps(tmp_path: Path) -> None:
    trainer = fresh_trainer()
    assert train(trainer, tmp_path, False, lambda: False) == trainer.run.training.steps


def test_who_has_the_codec_has_the_one_that_is_fitted() -> None:
    """As what makes pictures of the run, from before its first step."""
    trainer = fresh_trainer()
    held, before = trainer.codec, copy.deepcopy(trainer.codec.state_dict())
    trainer.fit()
    assert trainer.codec is held
    assert any(not torch.equal(before[k], v) for k, v in held.state_dict().items())


def test_the_scenes_of_all_batches_that_are_drawn_ahead_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the stage before are among them where a run goes on just before the next one."""
    losses_of(fresh_trainer(), tmp_path, 3)
    asked: list[int] = []

    def wait_for(stores: object, run: object, step: int, stopped: object) -> bool:
        asked.append(step)
        return True

    monkeypatch.setattr(loop, "wait_for", wait_for)
    trainer = fresh_trainer()
    train(trainer, tmp_path, True, lambda: trainer.step >= 4, loaders=2)
    assert asked[:4] == [3, 4, 5, 6]


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    losses_of(fresh_trainer(), tmp_path, 1)
    with pytest.raises(AnyviewError, match="continue it with --resume or choose another folder"):
        losses_of(fresh_trainer(), tmp_path, 2)


def test_stopped_before_the_scenes_are_there_saves_nothing(tmp_path: Path) -> None:
    trainer = fresh_trainer()
    trainer.stores["street"]._painted.clear()  # type: ignore[attr-defined]
    assert train(trainer, tmp_path, False, lambda: True) == 0
    assert not (tmp_path / LATEST).exists()


def test_one_scene_can_be_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the highest noise the answer can come from source and rays alone."""
    monkeypatch.setattr(batches, "augment", lambda rng, scene: scene)
    run = tiny_run(
        pure_noise=1.0,
        known=0.0,
        more_sources=(),
        first_pool=1,
        pool_steps=10**9,
        scenes_per_step=1,
        steps=100,
        learning_rate=1e-2,
    )
    trainer = tiny_trainer(replace(run, stages=run.stages[1:]))
    losses = [stepped(trainer).loss for _ in range(100)]
    assert sum(losses[-10:]) / 10 < 0.2 * losses[0]


def test_every_parameter_gets_a_gradient_within_five_steps() -> None:
    trainer = tiny_trainer(tiny_run(warmup_steps=1))
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    for _ in range(5):  # what starts at zero opens the way one layer a step
        stepped(trainer)
    still = {
        name
        for name, p in trainer.network.named_parameters()
        if torch.equal(p.detach(), before[name])
    }
    assert still == set()


def test_the_average_follows_the_weights() -> None:
    trainer = tiny_trainer(tiny_run())
    for _ in range(3):
        stepped(trainer)
    fast, slow = trainer.network.head.later.weight, trainer.ema.head.later.weight
    assert 0 < (fast - slow).norm() < fast.norm()


def test_the_learning_rate_rises_stays_and_falls() -> None:
    training = tiny_run().training
    rates = [training.rate(step) for step in range(training.steps + 1)]
    assert rates[0] == training.learning_rate / training.warmup_steps
    assert rates[4:30] == [training.learning_rate] * 26
    assert all(a > b for a, b in itertools.pairwise(rates[30:]))
    assert rates[-1] == 0


def test_no_warmup_and_all_scenes_at_once() -> None:
    training = replace(tiny_run().training, warmup_steps=0, pool_steps=0, cooldown=0.0)
    assert training.rate(0) == training.learning_rate
    assert training.pool(0, 40) == 40
    with pytest.raises(AnyviewError, match=r"\[training\] first_pool must be >= 1, got 0"):
        replace(training, first_pool=0)


def test_progress_names_the_loss_at_pure_noise() -> None:
    trainer = tiny_trainer(tiny_run(pure_noise=1.0, known=0.0))
    progress = stepped(trainer)
    assert progress.pure_noise_loss == pytest.approx(progress.loss)
    assert math.isnan(stepped(tiny_trainer(tiny_run(pure_noise=0.0))).pure_noise_loss)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny_run())
    checkpoint = trainer.checkpoint()
    del checkpoint.tensors["network/head.later.weight"]  # type: ignore[attr-defined]
    with pytest.raises(AnyviewError, match=r"of another network"):
        trainer.restore(checkpoint)


def test_a_checkpoint_of_another_run_is_refused() -> None:
    checkpoint = tiny_trainer(tiny_run()).checkpoint()
    other = parse_config(CONFIG.replace("plane_sweep = [0.0, 1.0]", "plane_sweep = [0.5]"))
    other = replace(other, training=replace(other.training, seed=4))
    trainer = Trainer(other, painted(other), torch.device("cpu"))
    with pytest.raises(AnyviewError, match=r"another network, plane_sweep, training; train with"):
        trainer.restore(checkpoint)


def test_a_run_may_become_longer() -> None:
    checkpoint = tiny_trainer(tiny_run()).checkpoint()
    longer = tiny_run(steps=80, cooldown=0.5)
    Trainer(longer, painted(longer), torch.device("cpu")).restore(checkpoint)


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    with pytest.raises(AnyviewError, match="cannot read"):
        read_checkpoint(file)
    write_checkpoint(file, tiny_trainer(tiny_run()).checkpoint())
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(AnyviewError, match="cannot read"):
        read_checkpoint(file)

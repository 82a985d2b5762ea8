"""A student takes the teacher's steps at once, and may be asked to look like true clips."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.engine import sampler
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from anyview_ros.training import distillation
from anyview_ros.training.config import parse_config
from anyview_ros.training.distillation import Distiller, denoiser, student_run
from anyview_ros.training.flow import pixel_losses
from anyview_ros.training.loop import LATEST, Progress, train
from anyview_ros.training.perceptual_loss import load_distance
from anyview_ros.training.phased_distillation import student_rollout, teacher_target
from anyview_ros.training.student import StudentConfig
from tests.training.tiny import CONFIG, painted, stepped, tiny_run, tiny_trainer

WAY = (3.0, 1.0, 0.5, 0.2, 0.0)
ROOMY = (  # frames that features can be found in
    CONFIG.replace("size = [16, 32]", "size = [32, 64]")
    .replace("steps = 40", "steps = 60")
    .replace("pure_noise = 0.5", "pure_noise = 0.0")
)
STUDENT = StudentConfig(
    teacher_step=60,
    levels=(3.0, 0.5),
    teacher_levels=WAY,
    steps=40,
    scenes_per_step=2,
    learning_rate=4e-3,
    look=0.0,
)


@lru_cache(1)
def teacher() -> Checkpoint:
    """Of a run whose loss says something at every noise level."""
    trainer = tiny_trainer(parse_config(ROOMY))
    for _ in range(60):
        stepped(trainer)
    return trainer.checkpoint()


def distiller(**changes: object) -> Distiller:
    run = student_run(teacher(), replace(STUDENT, **changes))  # type: ignore[arg-type]
    return Distiller(run, painted(run), torch.device("cpu"), teacher())


@torch.no_grad()
def walked(trainer: Distiller, network: str, levels: tuple[float, ...], step: int) -> Tensor:
    """Clips that a network makes of the questions of a step, by the engine's sampler."""
    encoded = trainer._encode(trainer.draw(step))
    denoise = denoiser(getattr(trainer, network), encoded)

    def numpy_denoise(y: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        return denoise(torch.from_numpy(y), level).numpy()

    made = sampler.sample(numpy_denoise, encoded.noise.numpy(), levels)
    return torch.from_numpy(made)


def distance(trainer: Distiller, made: Tensor, wanted: Tensor) -> float:
    known = torch.zeros(len(made), made.shape[2], dtype=torch.bool)
    return float(pixel_losses(trainer.codec, made, wanted, known).mean())


def without_known_frames(trainer: Distiller) -> Distiller:
    trainer.run = replace(trainer.run, training=replace(trainer.run.training, known=0.0))
    return trainer


def test_one_step_of_a_student_comes_nearer_to_many_steps_of_its_teacher() -> None:
    trainer = without_known_frames(distiller(levels=(3.0,), steps=100))
    for _ in range(100):
        stepped(trainer)
    unseen = range(1000, 1004)
    wanted = [walked(trainer, "teacher", WAY, step) for step in unseen]

    def error(network: str) -> float:
        made = [walked(trainer, network, (3.0, 0.0), step) for step in unseen]
        return float(np.mean([distance(trainer, *pair) for pair in zip(made, wanted, strict=True)]))

    assert error("ema") < 0.5 * error("teacher")


def test_what_is_wanted_ends_where_the_teachers_steps_end() -> None:
    """Against the engine's sampler, over both phases; the student is its teacher at first."""
    trainer = without_known_frames(distiller())
    encoded = trainer._encode(trainer.draw(0))
    first, second = STUDENT.phases
    with torch.no_grad():
        teacher = denoiser(trainer.teacher, encoded)
        y = student_rollout(encoded, teacher, STUDENT.levels[:1])
        wanted = teacher_target(encoded, teacher, y, first, "euler")
        y = wanted + 0.5 / 3.0 * (y - wanted)
        ended = teacher_target(encoded, teacher, y, second, "euler")
    assert torch.allclose(ended, walked(trainer, "teacher", WAY, 0), atol=1e-4)


def test_a_student_that_goes_its_teachers_way_has_nothing_to_learn() -> None:
    trainer = distiller(levels=(3.0, 0.5), teacher_levels=(3.0, 0.5, 0.0))
    assert stepped(trainer).loss < 1e-12
    trainer.step = 1
    assert stepped(trainer).loss < 1e-6


def test_later_phases_start_where_the_student_leads() -> None:
    trainer = without_known_frames(distiller())
    for parameter in trainer.network.parameters():
        parameter.data.mul_(0.9)  # not its teacher any more
    encoded = trainer._encode(trainer.draw(0))
    with torch.no_grad():
        y = student_rollout(encoded, denoiser(trainer.network, encoded), STUDENT.levels)
    answer = walked(trainer, "network", (3.0, 0.0), 0)
    assert torch.allclose(y, answer + 0.5 / 3.0 * (3.0 * encoded.noise - answer), atol=1e-5)


def test_a_student_starts_at_the_temperature_of_its_package() -> None:
    trainer = without_known_frames(distiller())
    trainer.run = replace(trainer.run, temperature=0.25)
    encoded = trainer._encode(trainer.draw(0))
    method = sampler.SamplerSettings((3.0, 0.5, 0.0), temperature=0.25)
    wanted = sampler.initial_state(method, encoded.noise.numpy())
    np.testing.assert_allclose(encoded.start(3.0).numpy(), wanted, rtol=1e-6)


def test_known_frames_stay_as_they_are() -> None:
    trainer = distiller()
    batch = trainer.draw(0)
    batch = replace(batch, known=torch.tensor([True, False]).expand_as(batch.known))
    batch = replace(batch, levels=torch.where(batch.known, 0.0, batch.levels))
    encoded = trainer._encode(batch)
    with torch.no_grad():
        y = student_rollout(encoded, denoiser(trainer.network, encoded), STUDENT.levels)
    assert torch.equal(y[:, :, 0], encoded.truth[:, :, 0])
    assert not torch.allclose(y[:, :, 1], encoded.truth[:, :, 1], atol=0.1)


def test_given_frames_are_taken_for_true() -> None:
    trainer = distiller(look=1.0)
    batch = trainer.draw(0)
    batch = replace(batch, known=torch.tensor([True, False]).expand_as(batch.known))
    encoded = trainer._encode(batch)
    answer = encoded.truth.clone().requires_grad_()
    (trainer._perceptual_loss(encoded, 0.5 * answer).sum()).backward()
    assert answer.grad is not None
    assert answer.grad[:, :, 0].abs().max() == 0
    assert answer.grad[:, :, 1].abs().max() > 0


def test_a_student_that_looks_comes_nearer_to_how_true_clips_look() -> None:
    """One pass over the same questions; what the teacher blurs the sources tell."""

    def look(weight: float) -> float:
        student = without_known_frames(distiller(look=weight, levels=(3.0,), steps=60))
        for _ in range(60):
            stepped(student)
        student.distance = load_distance(student.run, torch.device("cpu"))
        found = []
        for step in range(1000, 1004):
            encoded = student._encode(student.draw(step))
            with torch.no_grad():
                found.append(
                    student._perceptual_loss(encoded, walked(student, "ema", (3.0, 0.0), step))
                )
        return float(torch.cat(found).mean())

    assert look(1.0) < 0.9 * look(0.0)


def losses_of(trainer: Distiller, out: Path, until: int, resume: bool = False) -> list[float]:
    seen: list[Progress] = []
    train(trainer, out, resume, lambda: trainer.step >= until, seen.append)
    return [progress.loss for progress in seen]


def test_a_resumed_distillation_equals_one_that_never_stopped(tmp_path: Path) -> None:
    whole = losses_of(distiller(), tmp_path / "whole", 9)
    halves = losses_of(distiller(), tmp_path / "halves", 4)
    halves += losses_of(distiller(), tmp_path / "halves", 9, resume=True)
    assert halves == whole
    one, other = (read_checkpoint(tmp_path / n / LATEST) for n in ("whole", "halves"))
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_a_student_of_another_length_is_another_one() -> None:
    learnt = tiny_trainer(tiny_run()).checkpoint()
    student = replace(STUDENT, levels=(80.0,), teacher_levels=(80.0, 1.0, 0.0))
    run, longer = (student_run(learnt, replace(student, steps=steps)) for steps in (40, 60))
    with pytest.raises(AnyviewError, match="another student") as refused:
        longer.require_same(run.text, parse_config)
    assert refused.value.code == "other_config"


def test_what_processes_exchange_lies_on_their_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL takes nothing else. The default device is another one here, as it is on a GPU."""
    learnt = tiny_trainer(tiny_run()).checkpoint()
    run = student_run(learnt, replace(STUDENT, levels=(80.0,), teacher_levels=(80.0, 1.0, 0.0)))
    trainer = Distiller(run, painted(run), torch.device("cpu"), learnt)
    places = []

    def losses(*given: Any) -> Tensor:
        made = pixel_losses(*given)
        torch.set_default_device("meta")
        return made

    def gathered(share: Tensor) -> Tensor:
        torch.set_default_device(None)
        places.append(share.device.type)
        return share

    monkeypatch.setattr(distillation, "pixel_losses", losses)
    monkeypatch.setattr(distillation, "gather", gathered)
    monkeypatch.setattr(trainer.optimizers, "step", lambda rate: None)
    try:
        trainer.train_step(trainer.draw(0))
    finally:
        torch.set_default_device(None)
    assert places == ["cpu", "cpu"]


def test_a_student_is_a_run_like_any_other(tmp_path: Path) -> None:
    """Its checkpoint says what it is, and is refused as a teacher and by another distillation."""
    trainer = distiller()
    write_checkpoint(tmp_path / "s.safetensors", trainer.checkpoint())
    checkpoint = read_checkpoint(tmp_path / "s.safetensors")
    run = parse_config(checkpoint.config)
    assert run == trainer.run
    assert run.name == "tiny-2step"
    assert run.contract().sigmas == {"exact": (3.0, 0.5, 0.0), "draft": (3.0, 0.0)}
    with pytest.raises(AnyviewError, match="is a student itself"):
        student_run(checkpoint, STUDENT)
    with pytest.raises(AnyviewError, match="another student; train with"):
        distiller(steps=50).restore(checkpoint)


def test_a_student_of_its_teachers_own_steps_keeps_the_name() -> None:
    own = replace(STUDENT, levels=(80.0, 1.0), teacher_levels=(80.0, 1.0, 0.0))
    assert student_run(teacher(), own).name == "tiny"
    assert student_run(teacher(), replace(own, levels=(80.0,))).name == "tiny-1step"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"levels": (0.5, 3.0)}, r"levels must be noise levels that fall, got \[0.5, 3.0\]"),
        ({"levels": (3.0, 0.0)}, "levels must be noise levels that fall"),
        ({"levels": ()}, r"levels must be noise levels that fall|takes 1\.\.4 steps"),
        ({"levels": (3.0, 2.0, 1.0, 0.5, 0.2)}, r"takes 1\.\.4 steps, got levels for 5"),
        ({"levels": (2.0,)}, "start at the same noise level and end at 0"),
        ({"teacher_levels": (3.0, 1.0)}, "start at the same noise level and end at 0"),
        ({"look": -1.0}, "a look of at least 0"),
        ({"steps": 0}, "needs steps"),
    ],
)
def test_impossible_students_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(AnyviewError, match=text):
        replace(STUDENT, **changes)  # type: ignore[arg-type]


def test_a_teacher_of_another_network_is_refused() -> None:
    run = student_run(teacher(), STUDENT)
    known = teacher()
    tensors = {k: v for k, v in known.tensors.items() if k != "ema/variance"}
    with pytest.raises(AnyviewError, match="the teacher is of another network"):
        Distiller(
            run, painted(run), torch.device("cpu"), Checkpoint(known.step, known.config, tensors)
        )


def test_phases_cut_the_teachers_way_at_the_students_levels() -> None:
    assert STUDENT.phases == [(3.0, 1.0, 0.5), (0.5, 0.2, 0.0)]
    between = replace(STUDENT, levels=(3.0, 0.7))
    assert between.phases == [(3.0, 1.0, 0.7), (0.7, 0.5, 0.2, 0.0)]

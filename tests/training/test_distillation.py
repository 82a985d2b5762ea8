"""A student takes the teacher's steps at once; a judge of true clips sharpens what it learns."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.engine import sampler
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from anyview_ros.training.config import parse_config
from anyview_ros.training.distillation import Distiller, denoiser, student_run
from anyview_ros.training.flow import pixel_losses
from anyview_ros.training.judge import Judge, Verdict
from anyview_ros.training.lessons import led, shown
from anyview_ros.training.loop import LATEST, Progress, Trainer, train
from anyview_ros.training.scenes import SceneViews
from anyview_ros.training.student import StudentConfig
from tests.training.tiny import CONFIG, PaintedStore, painted, stepped, tiny_run, tiny_trainer

WAY = (3.0, 1.0, 0.5, 0.2, 0.0)
STUDENT = StudentConfig(
    teacher_step=60,
    levels=(3.0, 0.5),
    teacher_levels=WAY,
    steps=40,
    scenes_per_step=2,
    learning_rate=4e-3,
    pull=0.1,
)


@lru_cache(1)
def teacher() -> Checkpoint:
    """Of a run whose loss says something at every noise level."""
    trainer = tiny_trainer(tiny_run(steps=60, pure_noise=0.0))
    for _ in range(60):
        stepped(trainer)
    return trainer.checkpoint()


def distiller(**changes: object) -> Distiller:
    run = student_run(teacher(), replace(STUDENT, **changes))  # type: ignore[arg-type]
    return Distiller(run, painted(run), torch.device("cpu"), teacher())


@torch.no_grad()
def walked(trainer: Distiller, network: str, levels: tuple[float, ...], step: int) -> Tensor:
    """Clips that a network makes of the questions of a step, by the engine's sampler."""
    asked = trainer._asked(trainer.draw(step))
    denoise = denoiser(getattr(trainer, network), asked)

    def numpy_denoise(y: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        return denoise(torch.from_numpy(y), level).numpy()

    made = sampler.sample(numpy_denoise, asked.noise.numpy(), levels)
    return torch.from_numpy(made)


def distance(trainer: Distiller, made: Tensor, wanted: Tensor) -> float:
    known = torch.zeros(len(made), made.shape[2], dtype=torch.bool)
    return float(pixel_losses(trainer.codec, made, wanted, known).mean())


def without_known_frames(trainer: Distiller) -> Distiller:
    trainer.run = replace(trainer.run, training=replace(trainer.run.training, known=0.0))
    return trainer


def test_one_step_of_a_student_comes_nearer_to_many_steps_of_its_teacher() -> None:
    trainer = without_known_frames(distiller(levels=(3.0,), pull=0.0, steps=100))
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
    asked = trainer._asked(trainer.draw(0))
    first, second = STUDENT.phases
    with torch.no_grad():
        teacher = denoiser(trainer.teacher, asked)
        y, _ = led(asked, teacher, STUDENT.levels[:1])
        wanted, _ = shown(asked, teacher, y, first, "euler")
        y = wanted + 0.5 / 3.0 * (y - wanted)
        ended, _ = shown(asked, teacher, y, second, "euler")
    assert torch.allclose(ended, walked(trainer, "teacher", WAY, 0), atol=1e-4)


def test_a_student_that_goes_its_teachers_way_has_nothing_to_learn() -> None:
    trainer = distiller(levels=(3.0, 0.5), teacher_levels=(3.0, 0.5, 0.0), pull=0.0)
    assert stepped(trainer).loss < 1e-12
    trainer.step = 1
    assert stepped(trainer).loss < 1e-6


def test_later_phases_start_where_the_student_leads() -> None:
    trainer = without_known_frames(distiller())
    for parameter in trainer.network.parameters():
        parameter.data.mul_(0.9)  # not its teacher any more
    asked = trainer._asked(trainer.draw(0))
    with torch.no_grad():
        y, layout = led(asked, denoiser(trainer.network, asked), STUDENT.levels)
    assert layout is not None
    answer = walked(trainer, "network", (3.0, 0.0), 0)
    assert torch.allclose(layout, answer, atol=1e-5)
    assert torch.allclose(y, answer + 0.5 / 3.0 * (3.0 * asked.noise - answer), atol=1e-5)


def test_a_student_starts_at_the_temperature_of_its_package() -> None:
    trainer = without_known_frames(distiller())
    trainer.run = replace(trainer.run, temperature=0.25)
    asked = trainer._asked(trainer.draw(0))
    method = sampler.Method((3.0, 0.5, 0.0), temperature=0.25)
    wanted = sampler.first_state(method, asked.noise.numpy())
    np.testing.assert_allclose(asked.start(3.0).numpy(), wanted, rtol=1e-6)


def test_known_frames_stay_as_they_are() -> None:
    trainer = distiller()
    batch = trainer.draw(0)
    batch = replace(batch, known=torch.tensor([True, False]).expand_as(batch.known))
    batch = replace(batch, levels=torch.where(batch.known, 0.0, batch.levels))
    asked = trainer._asked(batch)
    with torch.no_grad():
        y, _ = led(asked, denoiser(trainer.network, asked), STUDENT.levels)
    pull = trainer._pull(asked, y.clone(), y)
    assert torch.equal(y[:, :, 0], asked.truth[:, :, 0])
    assert not torch.allclose(y[:, :, 1], asked.truth[:, :, 1], atol=0.1)
    assert pull[:, :, 0].abs().max() == 0


def test_the_pull_is_as_long_as_asked_and_pleases_the_judge() -> None:
    trainer = distiller(pull=0.05)
    asked = trainer._asked(trainer.draw(0))
    answer, layout = torch.zeros_like(asked.truth), asked.truth
    trainer.step = trainer.student.steps  # where it has risen
    pull = trainer._pull(asked, answer, layout)
    moved = pixel_losses(trainer.codec, pull, torch.zeros_like(pull), asked.batch.known)
    assert float(moved.mean().sqrt()) == pytest.approx(0.05, rel=1e-4)
    with torch.no_grad():
        judged = [float(trainer.judge(answer + k * pull, layout).mean()) for k in (0, 1)]
    assert judged[1] > judged[0]
    trainer.step = 0
    assert trainer._pull(asked, answer, layout).abs().max() == 0


def test_a_judge_learns_what_is_missing_in_blurred_clips() -> None:
    generator = torch.Generator().manual_seed(5)
    torch.manual_seed(0)
    judge = Judge(torch.ones(2, 12))
    verdict, optimizer = Verdict(judge), torch.optim.AdamW(judge.parameters(), lr=1e-3)
    asked = torch.ones(8, 2, dtype=torch.bool)
    shares = []
    for _ in range(60):
        true, jitter = (torch.randn(8, 12, 2, 8, 8, generator=generator) for _ in range(2))
        blurred = true * torch.cat([torch.ones(6), torch.zeros(6)])[:, None, None, None]
        loss, right = verdict(true, blurred, jitter, blurred, asked)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shares.append(float(right))
    assert shares[0] < 0.7
    assert shares[-1] > 0.9


class GrainyStore(PaintedStore):
    """Painted scenes with a texture that no other view tells."""

    def __getitem__(self, index: int) -> SceneViews:
        scene = super().__getitem__(index)
        rng = np.random.default_rng(index)
        views, _, height, width, _ = scene.images.shape
        grain = rng.normal(0, 25, (views, 1, height, width, 1))
        return replace(scene, images=(scene.images + grain).clip(0, 255).astype(np.uint8))


def test_with_a_judge_answers_have_more_of_the_detail_of_true_clips() -> None:
    """The teacher cannot know the texture and leaves it out."""
    run = tiny_run(pure_noise=1.0, known=0.0)
    stores = {name: GrainyStore(scenes) for name, scenes in run.scenes.items()}  # type: ignore[arg-type]
    trainer = Trainer(run, stores, torch.device("cpu"))
    trainer.fit()
    for _ in range(20):
        stepped(trainer)
    checkpoint = replace(trainer.checkpoint(), config=CONFIG.replace("known = 0.25", "known = 0"))

    def detail(pull: float) -> float:
        """Energy of the finer channels relative to that of true clips."""
        config = replace(STUDENT, levels=(80.0,), teacher_levels=(80.0, 0.0), steps=80, pull=pull)
        student_config = student_run(checkpoint, config)
        student = Distiller(student_config, stores, torch.device("cpu"), checkpoint)
        for _ in range(80):
            stepped(student)
        made = torch.cat([walked(student, "ema", (80.0, 0.0), 1000 + k) for k in range(4)])
        true = torch.cat([student._asked(student.draw(1000 + k)).truth for k in range(4)])
        energies = [student.judge.evened(x)[:, 3:].square().mean() for x in (made, true)]
        return float(energies[0] / energies[1])

    assert detail(0.0) < 0.1
    assert 0.2 < detail(0.15) < 1.5


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
        distiller(pull=0.2).restore(checkpoint)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"levels": (0.5, 3.0)}, r"levels must be noise levels that fall, got \[0.5, 3.0\]"),
        ({"levels": (3.0, 0.0)}, "levels must be noise levels that fall"),
        ({"levels": ()}, r"levels must be noise levels that fall|takes 1\.\.4 steps"),
        ({"levels": (3.0, 2.0, 1.0, 0.5, 0.2)}, r"takes 1\.\.4 steps, got levels for 5"),
        ({"levels": (2.0,)}, "start at the same noise level and end at 0"),
        ({"teacher_levels": (3.0, 1.0)}, "start at the same noise level and end at 0"),
        ({"pull": -1.0}, "a pull of at least 0"),
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

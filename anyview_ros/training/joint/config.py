"""A distillation of the joint family, read from a TOML file and from what it is taught by.

The file names the scenes; `anyview distill` adds the teacher and the student to its text,
which then goes into checkpoints and packages.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from anyview_ros.contract import Solver
from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.config import AutoencoderConfig, JointConfig
from anyview_ros.model.joint.export import joint_contract, require_clip
from anyview_ros.model.joint.imported import Import, Origin
from anyview_ros.release import STRIDE
from anyview_ros.training.batches import SIGMA_MAX
from anyview_ros.training.config import (
    MONOCULAR,
    Run,
    Stage,
    TrainingConfig,
    read_scenes,
    read_section,
)
from anyview_ros.training.files import Resizing
from anyview_ros.training.student import DistillationConfig

FAMILY = "joint"


@dataclass(frozen=True)
class JointStudent(DistillationConfig):
    """A student of the joint family.

    Args:
        solver: of the teacher's steps.
    """

    solver: Solver


@dataclass(frozen=True)
class Teacher:
    """Imported weights that teach.

    Args:
        name: of their folder.
        network, autoencoder: their sizes.
        origins: the files that they came from, by part.
    """

    name: str
    network: JointConfig
    autoencoder: AutoencoderConfig
    origins: Mapping[str, Origin]


@dataclass(frozen=True)
class Pace:
    """The section `[training]` of the file, see `training.config.TrainingConfig`."""

    seed: int
    first_pool: int
    pool_steps: int
    warmup_steps: int
    cooldown: float
    ema: float


@dataclass(frozen=True)
class JointFile:
    """The keys of the text, see `training.config.RunFile`."""

    family: Literal["joint"]
    scenes: Mapping[str, Mapping[str, Any]]
    mixture: Mapping[str, float]
    training: Mapping[str, Any]
    teacher: Mapping[str, Any]
    student: Mapping[str, Any]


@dataclass(frozen=True)
class TeacherSection:
    """The keys of `[teacher]`."""

    name: str
    network: Mapping[str, Any]
    autoencoder: Mapping[str, Any]
    origins: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class JointRun(Run):
    """All of a distillation of the joint family."""

    RESIZING = Resizing("pillow_lanczos", "integer_grid")  # of the release

    teacher: Teacher
    student: JointStudent


def teacher_schedule(speed: str) -> tuple[tuple[float, ...], Solver]:
    """Return noise levels and solver of a speed of the teacher; its clean pass ends in 0."""
    usual = joint_contract("teacher", (1, STRIDE, STRIDE), 1.0, "")  # schedules fit all shapes
    # Of the highest level the formula gives all but the last digits.
    return (SIGMA_MAX, *usual.sigmas[speed][1:], 0.0), usual.solver_of(speed)


def student_text(path: Path, teacher: Import, student: JointStudent) -> str:
    """Return the text of a distillation: a TOML file, with its teacher and its student.

    Raises:
        AnyviewError: `invalid_config` when the file cannot be read, or has these sections already.
    """
    try:
        text = path.read_text()
        known = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise AnyviewError("invalid_config", f"cannot read {path}: {error}") from None
    if wrong := {"teacher", "student"} & known.keys():
        raise AnyviewError(
            "invalid_config", f"{path}: [{min(wrong)}] is written by 'anyview distill'"
        )
    lines = ["", "[teacher] # made by anyview distill", f"name = {json.dumps(teacher.folder.name)}"]
    parts = {"network": asdict(teacher.network), "autoencoder": asdict(teacher.autoencoder)}
    parts |= {f"origins.{part}": asdict(origin) for part, origin in teacher.origins.items()}
    for part, values in parts.items():
        lines += [f"[teacher.{part}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items())]
    return text + "\n".join([*lines, student.section])


def is_joint(text: str) -> bool:
    """Return whether the text of a checkpoint's config is of this family."""
    return bool(tomllib.loads(text).get("family") == FAMILY)


def parse_joint(text: str) -> JointRun:
    """Parse a distillation from `student_text`.

    Raises:
        AnyviewError: `invalid_config`; `invalid_num_frames`, `too_many_frames`, `invalid_size` for
            scenes that the network cannot take; `invalid_levels`.
    """
    file = read_section(JointFile, tomllib.loads(text), "")
    pace = read_section(Pace, file.training, "training")
    student = read_section(JointStudent, file.student, "student")
    teacher = _teacher(read_section(TeacherSection, file.teacher, "teacher"))
    run = JointRun(
        name=student.package_name(teacher.name, student.teacher_levels),
        scenes={name: read_scenes(values, name) for name, values in file.scenes.items()},
        stages=(Stage(0, file.mixture),),
        training=_training(pace, student),
        text=text,
        teacher=teacher,
        student=student,
    )
    _check(run)
    return run


def _training(pace: Pace, student: JointStudent) -> TrainingConfig:
    """Return the loop's config: one source and one target of a scene, nothing of the target
    given."""
    return TrainingConfig(
        **asdict(pace),
        steps=student.steps,
        scenes_per_step=student.scenes_per_step,
        learning_rate=student.learning_rate,
        targets_per_scene=1,
        more_sources=(),
        known=0.0,
        short=0.0,
        pure_noise=1.0,
        codec_scenes=0,
    )


def _teacher(section: TeacherSection) -> Teacher:
    origins = {
        part: read_section(Origin, origin, f"teacher.origins.{part}")
        for part, origin in section.origins.items()
    }
    return Teacher(
        section.name,
        read_section(JointConfig, section.network, "teacher.network"),
        read_section(AutoencoderConfig, section.autoencoder, "teacher.autoencoder"),
        origins,
    )


def _check(run: JointRun) -> None:
    named = {name.removesuffix(MONOCULAR) for name in run.stages[0].mixture}
    if unknown := named - run.scenes.keys() or not named:
        raise AnyviewError(
            "invalid_config",
            f"[mixture]: shares of {', '.join(run.scenes) or 'scenes'}, got {unknown or 'none'}",
        )
    for scenes in run.scenes.values():
        require_clip((scenes.frames, *scenes.size))

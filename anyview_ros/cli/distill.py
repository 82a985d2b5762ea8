"""`anyview distill TEACHER --out DIR`: a student of few steps, of either family."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyview_ros.cli.export import refuse
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MANIFEST, search_path

if TYPE_CHECKING:
    from anyview_ros.model.joint.imported import Import

OF_TRAINED: dict[str, object] = {"teacher_levels": None, "look": 0.0, "pictures_every": 20.0}
OF_IMPORTED: dict[str, object] = {"config": None, "teacher_speed": "exact"}
LEVELS = {"one_way": (80.0,), "joint": (80.0, 2.0)}
RATES = {"one_way": 5e-4, "joint": 1e-5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from anyview_ros.cli.train import add_running

    parser.add_argument(
        "teacher", help="latest.safetensors of a training run, or a name given to 'anyview import'"
    )
    group = parser.add_argument_group("the student")
    group.add_argument(
        "--levels",
        type=float,
        nargs="+",
        help="noise levels of its steps; if not given 80, for imported weights 80 2",
    )
    group.add_argument("--steps", type=int, default=500, help="training steps")
    group.add_argument("--scenes", type=int, default=2, help="scenes in each training step")
    group.add_argument(
        "--rate", type=float, help="learning rate; if not given 5e-4, for imported weights 1e-5"
    )
    _add_trained(parser.add_argument_group("of a training run"))
    _add_imported(parser.add_argument_group("of imported weights"))
    add_running(parser.add_argument_group("the run"))
    parser.set_defaults(**OF_TRAINED, **OF_IMPORTED)


def _add_trained(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--teacher-levels",
        type=float,
        nargs="+",
        help="noise levels that the teacher takes, down to 0; its speed exact if not given",
    )
    group.add_argument(
        "--look",
        type=float,
        help="weight of the perceptual loss beside the squared error; 0: none",
    )


def _add_imported(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--config", type=Path, help="TOML file of the scenes, as config/distillation/*.toml"
    )
    group.add_argument(
        "--teacher-speed",
        choices=("exact", "fast"),
        help="steps that the teacher takes: exact 35 and the clean pass, fast 12",
    )


def run(args: argparse.Namespace) -> int:
    if Path(args.teacher).is_file():
        refuse(args, args.teacher, OF_IMPORTED, "imported weights")
        return _of_trained(args)
    refuse(args, args.teacher, OF_TRAINED, "a training run")
    return _of_imported(args)


def _of_trained(args: argparse.Namespace) -> int:
    from functools import partial

    from anyview_ros.cli.train import trained
    from anyview_ros.model.checkpoint import read_checkpoint
    from anyview_ros.training.distillation import Distiller, student_run, teacher_run
    from anyview_ros.training.student import StudentConfig

    teacher = read_checkpoint(Path(args.teacher))
    student = StudentConfig(
        **_few_steps(args, "one_way"),
        teacher_levels=tuple(args.teacher_levels or teacher_run(teacher).speeds["exact"]),
        teacher_step=teacher.step,
        look=args.look,
    )
    return trained(args, student_run(teacher, student), partial(Distiller, teacher=teacher))


def _of_imported(args: argparse.Namespace) -> int:
    from functools import partial

    from anyview_ros.cli.train import trained
    from anyview_ros.training.joint.config import (
        JointStudent,
        parse_joint,
        student_text,
        teacher_schedule,
    )
    from anyview_ros.training.joint.distillation import JointDistiller

    teacher = _imported(args.teacher)
    if args.config is None:
        raise AnyviewError(
            "missing_option",
            "imported weights do not say which scenes to learn from; give --config, "
            "e.g. config/distillation/joint.toml",
        )
    levels, solver = teacher_schedule(args.teacher_speed)
    student = JointStudent(**_few_steps(args, "joint"), teacher_levels=levels, solver=solver)
    config = parse_joint(student_text(args.config, teacher, student))
    args.out.mkdir(parents=True, exist_ok=True)
    for name, text in teacher.licence_texts.items():
        (args.out / name).write_text(text)  # what is made of the weights has their licence
    return trained(args, config, partial(JointDistiller, teacher=teacher), alone=True)


def _few_steps(args: argparse.Namespace, family: str) -> dict[str, Any]:
    """What students of both families are told."""
    return {
        "levels": tuple(args.levels or LEVELS[family]),
        "steps": args.steps,
        "scenes_per_step": args.scenes,
        "learning_rate": RATES[family] if args.rate is None else args.rate,
    }


def _imported(name: str) -> Import:
    from anyview_ros.model.joint.package import find_import

    if any((folder / name / MANIFEST).is_file() for folder in (Path(), *search_path())):
        raise AnyviewError(
            "invalid_teacher",
            f"'{name}' is a package, whose graphs cannot teach; give the training run's "
            "checkpoint, or the imported weights, that it was exported from",
        )
    return find_import(name)

"""`anyview distill CHECKPOINT --out DIR`: a student of few steps."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from anyview_ros.cli.train import add_running

    parser.add_argument("teacher", type=Path, help="latest.safetensors of a training run")
    group = parser.add_argument_group("the student")
    group.add_argument(
        "--levels", type=float, nargs="+", default=[80.0, 2.0], help="noise levels of its steps"
    )
    group.add_argument(
        "--teacher-levels",
        type=float,
        nargs="+",
        help="those of the way that it learns, to 0; its own levels, and 0, when left out",
    )
    group.add_argument("--steps", type=int, default=200, help="updates")
    group.add_argument("--scenes", type=int, default=4, help="of an update")
    group.add_argument("--rate", type=float, default=7e-4, help="learning rate")
    group.add_argument(
        "--pull",
        type=float,
        default=0.1,
        help="pixels in [-1, 1] that the judge of true clips may move an answer; 0 = no judge",
    )
    add_running(parser.add_argument_group("the run"))


def run(args: argparse.Namespace) -> int:
    from functools import partial

    from anyview_ros.cli.train import trained
    from anyview_ros.model.checkpoint import read_checkpoint
    from anyview_ros.training.distillation import Distiller, student_run
    from anyview_ros.training.student import StudentConfig

    teacher = read_checkpoint(args.teacher)
    student = StudentConfig(
        teacher_step=teacher.step,
        levels=tuple(args.levels),
        teacher_levels=tuple(args.teacher_levels or (*args.levels, 0.0)),
        steps=args.steps,
        scenes_per_step=args.scenes,
        learning_rate=args.rate,
        pull=args.pull,
    )
    return trained(args, student_run(teacher, student), partial(Distiller, teacher=teacher))

"""A distillation of fake weights, small enough for seconds: 5 frames of 32 x 48 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from anyview_ros.model.joint.config import AutoencoderConfig, JointConfig
from anyview_ros.model.joint.imported import Import, import_release
from anyview_ros.model.joint.release import RELEASE
from anyview_ros.training.joint.config import JointRun, JointStudent, parse_joint, student_text
from anyview_ros.training.joint.distillation import JointDistiller
from anyview_ros.training.store import Store
from tests.joint.fake_release import write_fake_release
from tests.training.tiny import PaintedStore

NETWORK = JointConfig(width=48, blocks=2, heads=2, lora=8, text_width=12, text_tokens=5)
CODER = AutoencoderConfig(width=4)
CONFIG = """
family = "joint"

[scenes.street]
world = "street"
still = false
scene_scale = 0.0625
first_seed = 0
count = 16
frames = 5
frame_period = 0.1
size = [32, 48]
sources = 2
targets = 2

[mixture]
street = 0.8
"street/2d" = 0.2

[training]
seed = 0
first_pool = 4
pool_steps = 4
warmup_steps = 4
cooldown = 0.3
ema = 0.9
"""
STUDENT = JointStudent(
    levels=(80.0, 2.0),
    teacher_levels=(80.0, 20.0, 5.0, 2.0, 0.5, 0.1, 0.002, 0.0),
    steps=40,
    scenes_per_step=2,
    learning_rate=1e-3,
    solver="ab2",
)


def fake_import(folder: Path) -> Import:
    """Weights like those of the release, imported as `models`/fake."""
    write_fake_release(folder, NETWORK, CODER)
    files = {file: folder / file.name for file in RELEASE}
    return import_release(files, folder / "models", "fake", any_size=True)


def tiny_run(folder: Path, teacher: Import, **changes: object) -> JointRun:
    config = folder / "student.toml"
    config.write_text(CONFIG)
    student = replace(STUDENT, **changes)  # type: ignore[arg-type]
    return parse_joint(student_text(config, teacher, student))


def painted(run: JointRun) -> Mapping[str, Store]:
    return {name: PaintedStore(scenes) for name, scenes in run.scenes.items()}  # type: ignore[arg-type]


def distiller(folder: Path, teacher: Import, **changes: object) -> JointDistiller:
    """Needs a group of processes, see `distributed.process_group`."""
    run = tiny_run(folder, teacher, **changes)
    return JointDistiller(run, painted(run), torch.device("cpu"), teacher)

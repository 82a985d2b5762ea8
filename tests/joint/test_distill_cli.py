"""`anyview distill` of imported weights: in one process and in two, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anyview_ros.cli import distill
from anyview_ros.cli.__main__ import main
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.training.distributed import process_group
from anyview_ros.training.joint.config import parse_joint
from anyview_ros.training.joint.distillation import JointDistiller
from anyview_ros.training.loop import LATEST, train
from anyview_ros.training.store import open_stores
from tests.joint.tiny_student import CONFIG, fake_import
from tests.training.test_cli import run

STUDENT = ["--levels", 80, 2, "--scenes", 2, "--steps", 4, "--rate", 1e-3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With fake weights in `models/fake` and a config in `scenes.toml`."""
    folder = tmp_path_factory.mktemp("distillation")
    fake_import(folder)
    (folder / "scenes.toml").write_text(CONFIG)
    return folder


def command(folder: Path, out: str, *more: object) -> list[object]:
    where = ["--out", folder / out, "--cache", folder / "cache", "--threads", 1]
    config = ["--config", folder / "scenes.toml", "--teacher-speed", "fast"]
    return ["distill", folder / "models" / "fake", *config, *where, *STUDENT, *more]


def test_stop_resume_and_what_a_student_is_not_for(folder: Path) -> None:
    assert "nothing is saved" in run(*command(folder, "one", "--minutes", 0)).stdout
    made = run(*command(folder, "one", "--resume"))
    assert made.returncode == 0, made.stderr
    assert "step 4 of 4 is saved" in made.stdout
    assert "Licensed by NVIDIA" in (folder / "one" / "LICENCES.md").read_text()

    other = run(*command(folder, "one", "--resume", "--levels", 80))
    assert other.stderr.startswith("error [other_config]")
    latest = folder / "one" / LATEST
    again = run("distill", latest, "--out", folder / "x")
    assert again.stderr.startswith("error [invalid_teacher]")
    steps = run("export", latest, "--steps", 4, "--out", folder / "models")
    assert "error [wrong_option]: --steps is for imported weights" in steps.stderr


def test_two_processes_go_on_where_one_stopped_as_one_would(folder: Path) -> None:
    """Shares of a checkpoint that one process wrote; the sums of two are those of one."""
    assert run(*command(folder, "alone")).returncode == 0
    whole = read_checkpoint(folder / "alone" / LATEST)
    config = parse_joint(whole.config)
    with process_group(torch.device("cpu"), alone=True) as device:
        stores = open_stores(config, folder / "cache")
        teacher = distill._imported(str(folder / "models" / "fake"))
        trainer = JointDistiller(config, stores, device, teacher)
        train(trainer, folder / "two", False, lambda: trainer.step >= 2)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    arguments = [*launch, "-m", "anyview_ros.cli", *command(folder, "two", "--resume")]
    both = subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, timeout=600, check=False
    )
    assert both.returncode == 0, both.stderr
    two = read_checkpoint(folder / "two" / LATEST)
    assert two.step == whole.step == 4
    assert two.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.allclose(two.tensors[name], tensor, rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--look", "0.2"], "[wrong_option]: --look is for a training run"),
        (["--teacher-levels", "80", "0"], "[wrong_option]: --teacher-levels is for a training run"),
        (["--pictures-every", "1"], "[wrong_option]: --pictures-every is for a training run"),
        (["--levels", "40"], "[invalid_levels]: student and teacher start at the same noise level"),
        (["--config", "none.toml"], "[invalid_config]: cannot read none.toml"),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main([*map(str, command(folder, "x")), *more]) == 1
    assert message in capsys.readouterr().err


def test_teachers_that_cannot_teach_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(folder / "x")]
    assert main(["distill", str(folder / "models" / "fake"), *out]) == 1
    assert "[missing_option]: imported weights do not say" in capsys.readouterr().err
    assert main(["distill", "worlds-composite-10m", *out]) == 1
    assert "[invalid_teacher]: 'worlds-composite-10m' is a package" in capsys.readouterr().err
    assert main(["distill", "nowhere", *out]) == 1
    assert "[unknown_weights]" in capsys.readouterr().err

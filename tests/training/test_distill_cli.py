"""`anyview distill`: from a training run to a package of few steps, in one and in two processes."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anyview_ros.cli import distill, export
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.packages import load_package
from tests.training.test_cli import ONE_SHARD, run

STUDENT = [
    *["--levels", 80, 0.5, "--teacher-levels", 80, 2, 0.5, 0.2, 0],
    *["--scenes", 2, "--steps", 5, "--look", 0.5],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a trained teacher in `teacher`."""
    folder = tmp_path_factory.mktemp("distillation")
    config = folder / "tiny.toml"
    config.write_text(ONE_SHARD.replace("steps = 40", "steps = 10").replace("[16, 32]", "[32, 64]"))
    made = run("train", config, "--out", folder / "teacher", *options(folder))
    assert made.returncode == 0, made.stderr
    return folder


def options(folder: Path) -> list[object]:
    return ["--cache", folder / "cache", "--threads", 1, "--pictures-every", 0]


def test_distill_stop_resume_export(folder: Path) -> None:
    teacher, out = folder / "teacher" / "latest.safetensors", folder / "student"
    command = ["distill", teacher, "--out", out, *STUDENT, *options(folder)]
    assert "step 0 of 5 is saved" in run(*command, "--minutes", 0).stdout
    made = run(*command, "--resume")
    assert made.returncode == 0, made.stderr
    assert "step 5 of 5 is saved" in made.stdout
    assert "look 0." in made.stdout

    other = run(*command, "--resume", "--look", 0.3)
    assert other.returncode == 1
    assert other.stderr.startswith("error [other_config]")
    again = run("distill", out / "latest.safetensors", "--out", folder / "x", *options(folder))
    assert again.stderr.startswith("error [invalid_teacher]")

    exported = run("export", out / "latest.safetensors", "--out", folder / "models")
    assert exported.returncode == 0, exported.stderr
    package = folder / "models" / "tiny-2step"
    assert load_package(package).contract.sigmas == {
        "exact": (80.0, 0.5, 0.0),
        "draft": (80.0, 0.0),
    }
    assert "[student]" in (package / "training.toml").read_text()


def test_two_processes_distill_like_one(folder: Path) -> None:
    """The same weights after a few steps, but for the order of sums, bfloat16, and Adam, which
    follows the sign of a gradient that is nearly nothing."""
    teacher = folder / "teacher" / "latest.safetensors"
    arguments = [*STUDENT, *options(folder)]
    assert run("distill", teacher, "--out", folder / "one", *arguments).returncode == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = ["-m", "anyview_ros.cli", "distill", teacher, "--out", folder / "two", *arguments]
    both = subprocess.run(
        list(map(str, [*launch, *command])),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert both.returncode == 0, both.stderr
    one, two = (read_checkpoint(folder / name / "latest.safetensors") for name in ("one", "two"))
    assert one.step == two.step == 5
    expected = one.part("network")
    for name, weights in two.part("network").items():
        assert float((weights - expected[name]).abs().mean()) < 6e-4, name


def test_every_command_of_the_docs_is_one_that_exists() -> None:
    text = (Path(__file__).parents[2] / "docs" / "few-steps.md").read_text()
    commands = re.findall(r"^\./anyview (.*)$", text, re.MULTILINE)
    torchrun = r"^\.venv/bin/torchrun --nproc-per-node \d -m anyview_ros\.cli (.*)$"
    commands += re.findall(torchrun, text, re.MULTILINE)
    assert [line.split()[0] for line in commands] == [
        *["distill", "export"] * 2,
        "distill",
        "distill",
    ]
    for line in commands:
        name, *arguments = shlex.split(line)
        parser = argparse.ArgumentParser(exit_on_error=False)
        {"distill": distill, "export": export}[name].add_arguments(parser)
        parser.parse_args(arguments)

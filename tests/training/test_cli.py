"""The commands of docs/training.md, in small: train, interrupt, resume, export, bench."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import torch

from anyview_ros.cli import ablate, bench, distill, export, train
from anyview_ros.cli.__main__ import main
from anyview_ros.cli.commands import COMMANDS
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.packages import load_package
from tests.training.tiny import CONFIG

DOCS = Path(__file__).parents[2] / "docs" / "training.md"
ONE_SHARD = CONFIG.replace("count = 6", "count = 16")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anyview_ros.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def refusal(*arguments: object) -> str:
    """Say what a command answers that begins nothing: in this process, which has torch already."""
    with redirect_stderr(io.StringIO()) as said:
        assert main([*map(str, arguments)]) == 1
    return said.getvalue()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("run") / "tiny.toml"
    file.write_text(ONE_SHARD)
    return file


def test_train_interrupt_resume_export_bench(config: Path) -> None:
    folder = config.parent
    cache, out = folder / "cache", folder / "out"
    long = folder / "long.toml"
    long.write_text(ONE_SHARD.replace("steps = 40", "steps = 1000000"))
    options = ["--out", out, "--cache", cache, "--threads", 1]
    command = [sys.executable, "-m", "anyview_ros.cli", "train", long, *options]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        assert re.match(r"step \d+/1000000  loss 0\.\d+ .* samples/s", training.stdout.readline())
        training.send_signal(signal.SIGINT)
        assert "is saved in" in training.stdout.read()
    assert training.returncode == 130
    stopped = read_checkpoint(out / "latest.safetensors").step
    assert stopped > 0

    again = run("train", config, "--minutes", 5, *options)
    assert again.returncode == 1
    assert "continue it with --resume" in again.stderr
    resumed = run("train", config, "--minutes", 5, "--resume", *options)
    assert resumed.returncode == 0, resumed.stderr
    last = max(stopped, 40)
    assert f"step {last} of 40 is saved" in resumed.stdout

    exported = run("export", out / "latest.safetensors", "--out", folder / "models")
    assert exported.returncode == 0, exported.stderr
    assert f"step {last}" in exported.stdout
    package = folder / "models" / "tiny"
    assert (package / "training.toml").read_text() == ONE_SHARD

    asked = ["--worlds", "--kinds", "street", "--seeds", "900000:900002", "--splits", "narrow"]
    asked += ["--speeds", "exact,draft", "--no-perceptual", "--publish"]
    benched = run("bench", "--model", package, *asked, "--out", folder / "bench")
    assert benched.returncode == 0, benched.stderr
    scores = load_package(package).contract.scores
    assert scores["world_seeds"] == "900000:900002"
    for name in ("exact", "draft", "copy of the source", "wrong target pose"):
        figure = scores["kinds"]["street"][name]["psnr"]
        assert re.search(rf"^{name} +{figure:.2f} ", benched.stdout, re.M)
    assert "sheet.png" in json.loads((package / "manifest.json").read_text())["files"]


def test_two_processes_train_like_one(config: Path) -> None:
    """The same weights after a few steps, but for the order of sums and bfloat16."""
    folder = config.parent
    short = folder / "short.toml"
    short.write_text(ONE_SHARD.replace("steps = 40", "steps = 6"))
    options = ["--cache", folder / "cache", "--threads", 1, "--pictures-every", 0]
    assert run("train", short, "--out", folder / "one", *options).returncode == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = ["-m", "anyview_ros.cli", "train", short, "--out", folder / "two"]
    both = subprocess.run(
        list(map(str, [*launch, *command, *options])),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("is saved in") == 1  # the first process speaks for both
    one, two = (read_checkpoint(folder / name / "latest.safetensors") for name in ("one", "two"))
    assert one.step == two.step == 6
    moved = one.part("network")
    for name, weights in two.part("network").items():
        assert torch.allclose(weights, moved[name], atol=5e-3), name


def test_a_wrong_config_is_one_line(tmp_path: Path) -> None:
    said = refusal("train", tmp_path / "none.toml", "--out", tmp_path / "out")
    assert said.startswith("error [invalid_config]: cannot read")
    assert len(said.splitlines()) == 1


def test_what_was_stopped_before_its_first_step_is_not_called_saved(tmp_path: Path) -> None:
    assert train._saved(0, 9, tmp_path).startswith("stopped before the first step: nothing is")
    (tmp_path / "latest.safetensors").touch()
    assert train._saved(0, 9, tmp_path) == f"step 0 of 9 is saved in {tmp_path}"


def test_figures_of_other_variants_are_not_told(config: Path, tmp_path: Path) -> None:
    from anyview_ros.evaluation.run import keep_settings

    keep_settings(tmp_path, {"config": config.read_text(), "steps": 7, "scenes": 8}, "")
    assert "other_run" in refusal("ablate", config, "--steps", 8, "--out", tmp_path)


def test_every_command_of_the_docs_is_one_that_exists() -> None:
    import argparse

    modules = {
        module.__name__.rpartition(".")[2]: module
        for module in (ablate, bench, distill, export, train)
    }
    commands = re.findall(r"^\./anyview (.*)$", DOCS.read_text(), re.MULTILINE)
    torchrun = r"^\.venv/bin/torchrun --nproc-per-node 2 -m anyview_ros\.cli (.*)$"
    commands += re.findall(torchrun, DOCS.read_text(), re.MULTILINE)
    assert len(commands) == 10
    assert {shlex.split(line)[0] for line in commands} == set(modules)
    for line in commands:
        name, *arguments = shlex.split(line)
        assert name in COMMANDS
        parser = argparse.ArgumentParser(exit_on_error=False)
        modules[name].add_arguments(parser)
        parsed = parser.parse_args(arguments)
        if name in ("train", "ablate"):
            assert (DOCS.parents[1] / parsed.config).is_file()

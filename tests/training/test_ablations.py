"""Each variant differs from the reference in the one thing that its name says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.ablations import table
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.training.ablations import REFERENCE, shortened, variants, without
from anyview_ros.training.config import RunConfig, Stage, read_config
from tests.training.tiny import CONFIG, tiny_run

CONFIGS = Path(__file__).parents[2] / "config" / "training"
SMALL, TOLD = CONFIGS / "worlds-sweep-2m.toml", CONFIGS / "worlds-composite-10m.toml"


@pytest.fixture(scope="module")
def made() -> dict[str, RunConfig]:
    return variants(read_config(SMALL), 200)


def names(run: RunConfig) -> set[str]:
    return {name for stage in run.stages for name in stage.mixture}


def test_all_have_the_same_budget(made: dict[str, RunConfig]) -> None:
    assert {run.training.steps for run in made.values()} == {200}
    assert [stage.until for stage in made[REFERENCE].stages] == [8, 23, 200]
    assert made[REFERENCE].training.pool_steps == 108
    assert {run.name for run in made.values()} == made.keys()


def test_kinds_of_supervision_are_left_out(made: dict[str, RunConfig]) -> None:
    full = names(made[REFERENCE])
    monocular = {name for name in full if name.endswith("/2d")}
    still = {name for name in full if name.endswith("_still")}
    assert names(made["without 2D"]) == full - monocular
    assert names(made["without 3D"]) == full - still
    assert names(made["without 4D"]) == monocular | still


def test_conditioning_and_objective_are_left_out(made: dict[str, RunConfig]) -> None:
    assert made[REFERENCE].network.planes == 11
    assert made["rays only"].network.planes == 0
    assert made["rays only"].network.rays
    assert not made["without view conditioning"].network.rays
    assert made["without view conditioning"].plane_sweep == ()
    assert made["one-step regressor"].training.pure_noise == 1.0
    assert made["one-step regressor"].speeds == {"exact": (80.0, 0.0)}


def test_a_network_without_rays_does_not_see_them() -> None:
    config = replace(tiny_run().network, planes=0, rays=False)
    network = OneWayDenoiser(config).requires_grad_(False)
    for parameter in network.parameters():
        parameter.normal_(std=0.1)
    latent = torch.randn(1, 12, 2, 4, 8)
    answers = []
    for seed in (0, 1):
        rays = torch.randn(1, 24, 2, 4, 8, generator=torch.Generator().manual_seed(seed))
        source = network.condition(latent, rays)
        answers.append(network(latent, torch.full((1, 2), 0.7), rays, source))
    assert torch.equal(*answers)


def test_an_empty_stage_takes_the_next_mixture() -> None:
    run = tiny_run()
    stages = (Stage(2, {"street/2d": 1.0}), Stage(4, {"street": 1.0}), Stage(9, {"street/2d": 1.0}))
    run = replace(run, stages=stages)
    left = without(run, lambda name: name == "street/2d")
    assert [stage.mixture for stage in left.stages] == [{"street": 1.0}] * 3
    with pytest.raises(AnyviewError, match="hold only what is to be left out"):
        without(run, lambda name: True)


def test_a_longer_budget_stretches_stages_too() -> None:
    assert [stage.until for stage in shortened(tiny_run(), 400).stages] == [40, 400]


def test_the_table_has_a_dash_where_a_variant_has_no_such_speed() -> None:
    results = {
        "a": {"street": {"exact psnr": 17.123, "draft psnr": 16.0}},
        "b": {"street": {"exact psnr": 15.0}},
    }
    assert table(results).splitlines() == [
        "| variant | street, draft psnr | street, exact psnr |",
        "| --- | --- | --- |",
        "| a | 16.00 | 17.12 |",
        "| b | - | 15.00 |",
    ]


def test_the_command_trains_scores_and_goes_on(tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.replace("count = 6", "count = 16"))

    def ablate(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "anyview_ros.cli", "ablate", config, "--steps", 2]
        command += ["--scenes", 1, "--out", tmp_path / "out", "--cache", tmp_path / "cache"]
        command += ["--threads", 1, *more]
        words = list(map(str, command))
        return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)

    first = ablate("--only", "reference")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\n| reference |") == 1
    again = ablate("--only", "reference", "rays only")
    assert again.returncode == 0, again.stderr
    assert "reference: 2 steps" not in again.stdout  # its results are kept
    assert "\n| rays only |" in again.stdout
    assert (tmp_path / "out" / "ablations.md").read_text() in again.stdout
    wrong = ablate("--only", "without 5D")
    assert wrong.returncode == 1
    assert "error [unknown_variant]: variants are reference, without 2D" in wrong.stderr


def test_a_variant_without_a_sweep_has_no_composites() -> None:
    for run in variants(read_config(TOLD), 200).values():
        assert bool(run.composite) == bool(run.plane_sweep) == bool(run.network.planes)
        assert run.contract().composite == bool(run.plane_sweep)

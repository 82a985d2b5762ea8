"""What a speed costs: measured, printed, written into the card, and taken into the contract."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.contract import Sampling
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation import speeds as tiers
from anyview_ros.evaluation.model_card import with_section
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.packages import load_package
from tests.packages import make_package

SCENE = Path(__file__).parents[1] / "golden" / "scene_tiny"
CAMERA = Camera.from_fov(32, 24, 1.2)
TIMEOUT_S = 240


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = make_package(tmp_path / "tiny")
    (folder / "README.md").write_text("# tiny\n\nWhat it is.\n")
    return folder


def trial(seed: int = 0) -> tiers.Trial:
    images = np.random.default_rng(seed).integers(0, 256, (5, 24, 32, 3)).astype(np.uint8)
    frames = (Frame(k + 1, image, CAMERA, np.eye(4)) for k, image in enumerate(images))
    return tiers.Trial(Clip(tuple(frames)), View(CAMERA, np.tile(np.eye(4), (5, 1, 1))), 0.1)


def measured(package: Path, *tried: str) -> dict[str, tiers.Row]:
    loaded = load_package(package)
    wider = tiers.with_candidates(
        loaded.contract, [tiers.candidate(text, loaded.contract) for text in tried]
    )
    pipeline = Pipeline(replace(loaded, contract=wider), "cpu", 1)
    measurement = tiers.Measurement(pipeline, list(wider.sigmas), 0, None)
    for seed in range(2):
        measurement.add(trial(seed))
    return measurement.table()


def test_exact_is_what_others_are_compared_with(package: Path) -> None:
    table = measured(package, "same=4", "other=2,dpmpp2m", "kept=4,euler,0.9")
    assert list(table) == ["exact", "draft", "same", "other", "kept"]
    assert "psnr" not in table["exact"]
    assert table["exact"]["faster"] == 1
    assert table["same"]["psnr"] == 99  # equal frames
    assert 10 < table["draft"]["psnr"] < table["other"]["psnr"] < 99
    assert [table[s]["calls"] for s in ("exact", "draft", "other")] == [4, 1, 2]
    assert table["kept"]["calls"] < 4


def test_what_speeds_share_is_counted_for_each(package: Path) -> None:
    loaded = load_package(package)
    pipeline = Pipeline(loaded, "cpu", 1)
    made = pipeline.synthesize

    def slow_to_condition(*args: object) -> object:
        first = not asked
        asked.append(args)
        return replace(made(*args), condition_s=7.0 if first else 0.0, denoise_s=1.0, decode_s=0.0)

    measurement = tiers.Measurement(pipeline, ["draft"], 0, None)
    measurement.add(trial())
    asked: list[object] = []
    pipeline.synthesize = slow_to_condition  # type: ignore[method-assign, assignment]
    measurement._rows = {"exact": [], "draft": []}
    measurement.add(trial(1))
    assert {row["seconds"] for row in measurement.table().values()} == {8.0}


@pytest.mark.parametrize(
    ("text", "name", "sigmas", "sampling"),
    [
        ("2", "2", 3, Sampling()),
        ("fast=2,dpmpp2m", "fast", 3, Sampling("dpmpp2m")),
        ("fast=80/20/0,ab2,0.05", "fast", (80.0, 20.0, 0.0), Sampling("ab2", 0.05)),
    ],
)
def test_candidates(
    package: Path, text: str, name: str, sigmas: object, sampling: Sampling
) -> None:
    found = tiers.candidate(text, load_package(package).contract)
    assert (found.name, found.sampling) == (name, sampling)
    assert sigmas in (found.sigmas, len(found.sigmas))


@pytest.mark.parametrize("text", ["", "x", "0", "fast=3,rk4", "20/80", "3,euler,2", "3,euler,x"])
def test_candidates_that_cannot_be(package: Path, text: str) -> None:
    with pytest.raises(AnyviewError, match="must be") as caught:
        tiers.candidate(text, load_package(package).contract)
    assert caught.value.code == "invalid_candidate"


def tiers_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anyview_ros.cli", "tiers", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_card_gets_the_table_and_is_sealed(package: Path) -> None:
    asked = (package, "--scene", SCENE, "--try", "fast=3,dpmpp2m", "--no-perceptual")
    done = tiers_command(*asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3].startswith("fast ")
    assert "1 clips of scene_tiny" in done.stdout
    assert "tiers" not in (package / "README.md").read_text()  # not asked to

    assert tiers_command(*asked, "--publish").returncode == 0
    card = (package / "README.md").read_text()
    assert card.startswith("# tiny\n\nWhat it is.\n\n## What each speed costs\n\n<!-- tiers -->\n")
    assert "| draft | 1 |" in card
    assert "| fast" not in card  # which the package does not have
    assert load_package(package).contract.sigmas.keys() == {"exact", "draft"}

    assert tiers_command(*asked, "--take").returncode == 0
    card = (package / "README.md").read_text()
    assert card.count("<!-- tiers -->") == 1
    assert "| fast | 3 |" in card
    contract = load_package(package).contract
    assert contract.sampled_by("fast") == Sampling("dpmpp2m")
    assert len(contract.sigmas["fast"]) == 4


def test_worlds_tell_where_the_camera_is(package: Path) -> None:
    done = tiers_command(
        *(package, "--kinds", "street", "--splits", "narrow", "--seeds", "900000:900002"),
        "--no-perceptual",
    )
    assert done.returncode == 0, done.stderr
    header, exact, draft = (line.split("  ") for line in done.stdout.splitlines()[:3])
    assert [part.strip() for part in header if part][-3:] == [
        "turned deg",
        "moved m",
        "PSNR to truth dB",
    ]
    assert float(exact[-1]) > 5
    assert draft[0] == "draft"


def test_a_scene_that_is_too_short_is_named(package: Path, tmp_path: Path) -> None:
    long = make_package(tmp_path / "long", frames=(13,))
    done = tiers_command(long, "--scene", SCENE)
    assert done.returncode == 1
    assert "error [invalid_num_frames]: 'long' takes clips of 13 frames or more" in done.stderr


def test_a_section_keeps_everything_else() -> None:
    card = "# a\n\n<!-- tiers -->\nold\n<!-- /tiers -->\n\nend \\1\n"
    assert with_section(card, "tiers", "T", ["new \\g<1>"]) == card.replace("old", "new \\g<1>")

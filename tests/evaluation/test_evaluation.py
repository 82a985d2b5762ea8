"""An episode's figures: an oracle gets what is best, and negative controls cost it everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from anyview_ros.evaluation import baselines as b
from anyview_ros.evaluation.contact_sheet import (
    TILE,
    WITHOUT_MEMORY,
    row_names,
    write_sheet,
    write_strip,
)
from anyview_ros.evaluation.evaluation import (
    OTHER_SEED,
    WRONG_POSE,
    WRONG_SOURCE,
    Evaluator,
    Outcome,
    SamplingOptions,
    clip_figures,
    mean_image,
)
from anyview_ros.media.montage import BACKGROUND
from anyview_ros.packages import load_package
from tests.evaluation.scenes import Oracle, memory_suite, world_suite
from tests.packages import make_package

SUITE = world_suite()
SHEET = (b.COPY, "generated", "truth", b.DEPTH_WARP)


def evaluated(folder: Path, split: str) -> tuple[Outcome, Path]:
    """The first episode of a split, answered by one who knows."""
    episode = next(e for e in SUITE.episodes() if e.split == split)
    oracle: Any = Oracle(folder, SUITE.task(episode))
    Image.fromarray(np.full((9, 16, 3), 99, np.uint8)).save(oracle.package.path / "mean.png")
    outcome = Evaluator(SUITE, oracle, SamplingOptions(("exact", "draft")), None).evaluate(
        episode, folder
    )
    assert outcome == Outcome.read(folder / f"{episode.name}.json")
    return outcome, folder / episode.name


def test_an_oracle_has_the_best_of_every_figure(tmp_path: Path) -> None:
    outcome, file = evaluated(tmp_path, "street_narrow")
    row = outcome.rows["exact"]
    for figure in ("psnr", "covisible_psnr", "hidden_psnr"):
        assert row[figure] == 99
    assert (row["ssim"], row["sharpness"], row["unsteadiness"]) == (1, 1, 0)
    assert row["rotation_deg"] is not None
    assert row["rotation_deg"] < 0.5
    assert list(outcome.rows)[2:] == [*b.BASELINES, WRONG_POSE, WRONG_SOURCE, OTHER_SEED]
    for name in (*b.BASELINES, WRONG_POSE, WRONG_SOURCE):
        assert outcome.rows[name]["psnr"] < 30  # type: ignore[operator]
    for name in (WRONG_POSE, WRONG_SOURCE):
        cost, left = outcome.rows[name]["cost_db"], outcome.rows[name]["psnr"]
        assert cost == pytest.approx(99 - left, abs=1e-3)  # type: ignore[operator]
    assert outcome.rows[OTHER_SEED]["layout_correlation"] == 1  # it has no noise
    assert outcome.facts["overlap"] > 0.4  # type: ignore[operator]
    assert outcome.calls == 5

    with av.open(file.with_suffix(".mp4")) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == 5
    drawn, truth = frames[0][60:, 370:720], frames[0][60:, 734:1084]
    assert np.abs(drawn.astype(int) - truth).mean() < 3  # two of the three tiles are the same
    strip = np.asarray(Image.open(file.with_suffix(".png")))
    assert strip.shape == (TILE[1] * len(row_names(list(outcome.rows))), TILE[0], 3)


def test_memory_is_given_to_the_model_and_taken_away(tmp_path: Path) -> None:
    suite = memory_suite((7, 9))
    episode = suite.episodes()[0]
    task = suite.task(episode)
    oracle: Any = Oracle(tmp_path, task)
    outcome = Evaluator(suite, oracle, SamplingOptions(("exact", "draft")), None).evaluate(
        episode, tmp_path
    )
    with_memory = 1 + len(task.memory)
    assert with_memory > 1
    assert oracle.sources == [with_memory, with_memory, 1]
    assert list(outcome.rows)[:3] == ["exact", "draft", WITHOUT_MEMORY]
    assert outcome.rows[WITHOUT_MEMORY]["remembered_psnr"] == 99
    assert outcome.rows[b.DEPTH_WARP]["remembered_psnr"] < 30  # type: ignore[operator]
    assert outcome.facts["keyframes"] == with_memory - 1
    assert outcome.calls == 3
    strip = np.asarray(Image.open(tmp_path / f"{episode.name}.png"))
    rows = row_names(list(outcome.rows))
    assert rows[:4] == ["source", "generated", WITHOUT_MEMORY, "truth"]
    assert len(strip) == TILE[1] * len(rows)


def test_a_sheet_of_unlike_episodes_leaves_their_rows_empty(tmp_path: Path) -> None:
    clips = {name: np.full((1, 9, 16, 3), 30 * k, np.uint8) for k, name in enumerate(SHEET, 1)}
    few = {name: clip for name, clip in clips.items() if name != b.DEPTH_WARP}
    write_strip(tmp_path / "a.png", clips)
    write_strip(tmp_path / "b.png", few)
    strips = {"a": (tmp_path / "a.png", list(clips)), "b": (tmp_path / "b.png", list(few))}
    write_sheet(tmp_path / "sheet.png", strips)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    last_row = sheet[-TILE[1] // 2]
    assert last_row[-TILE[0] // 2].tolist() == list(BACKGROUND)
    assert last_row[-TILE[0] - 4 - TILE[0] // 2].tolist() == [120] * 3


def test_long_clips_have_seams_and_no_negative_controls(tmp_path: Path) -> None:
    outcome, _ = evaluated(tmp_path, "street_long")
    assert outcome.rows["exact"]["seam_unsteadiness"] == 0
    assert outcome.rows[b.MEAN_COLOUR]["seam_unsteadiness"] > 1  # type: ignore[operator]
    assert list(outcome.rows)[2:] == list(b.BASELINES)


@pytest.mark.parametrize(
    ("files", "kind", "red"),
    [
        (("mean.png",), "street", 10),
        (("mean.png", "mean-street.png"), "street", 40),
        (("mean.png", "mean-street.png"), "table", 10),
        (("mean.png", "mean-street.png"), "", 10),
        ((), "street", None),
    ],
)
def test_the_mean_image_of_the_kind_or_of_all(
    tmp_path: Path, files: tuple[str, ...], kind: str, red: int | None
) -> None:
    package = load_package(make_package(tmp_path / "tiny"))
    for k, name in enumerate(files):
        blue_green_red = np.full((4, 4, 3), (1, 2, 10 + 30 * k), np.uint8)
        cv2.imwrite(str(package.path / name), blue_green_red)
    image = mean_image(package, kind)
    assert (None if image is None else int(image[0, 0, 0])) == red


def test_seams_are_where_one_call_takes_over_from_the_other() -> None:
    """15 frames by calls of 9: the second starts at 6, but its frames are taken from 9 on."""
    task = SUITE.task(SUITE.episodes()[-1])
    seamed = np.clip(task.truth.astype(int), 0, 200).astype(np.uint8)
    task = replace(task, truth=seamed.copy())
    seamed[9:] += 10
    assert clip_figures(seamed, task, (5, 9))["seam_unsteadiness"] == 10
    assert "seam_unsteadiness" not in clip_figures(seamed, task, (15,))

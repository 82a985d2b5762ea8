"""Scoring asks the right questions: right and wrong poses, right and wrong sources."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.contract import load_package
from anyview_ros.engine.pipeline import Synthesis, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View
from anyview_ros.geometry import inverse
from anyview_ros.tools import score
from anyview_ros.tools.score import ScoreTable
from tests.packages import make_package
from tests.training.tiny import painted_scene, tiny_run

TABLE = ScoreTable(
    (900000, 900002),
    4,
    {"exact": 19.0, "draft": 19.5},
    {
        "copy of the source": 14.0,
        "training mean image": 16.0,
        "mean colour of the source": 15.0,
        "wrong target pose": 17.9,
        "source of another scene": 16.9,
    },
)


class Oracle:
    """A pipeline that knows the truth of one pose and paints grey anywhere else."""

    def __init__(self, example: score.Example, package: object) -> None:
        self.example, self.package = example, package

    def synthesize(self, sources: list[Clip], target: View, options: SynthesisOptions) -> Synthesis:
        known = np.allclose(target.world_from_cam, self.example.target.world_from_cam)
        same = np.array_equal(sources[0].images, self.example.source.images)
        truth = self.example.truth
        frames = truth if known and same else np.full_like(truth, 128)
        return Synthesis(frames, "exact", 1, (16, 32), 0.0625, 0.0, 0.0, 0.0, 0.0)


def scene_example(seed: int) -> score.Example:
    config = tiny_run().scenes
    scene = painted_scene(config, seed)
    return score.Example(scene.clip(0), scene.view(1), scene.images[1])


def test_a_table_that_holds_is_accepted_and_each_shortcoming_is_named() -> None:
    assert TABLE.unmet() == []
    for name, value in [
        ("copy of the source", 19.0),
        ("training mean image", 19.1),
        ("mean colour of the source", 20.0),
        ("wrong target pose", 18.0),
        ("source of another scene", 17.1),
    ]:
        worse = ScoreTable(TABLE.seeds, 4, TABLE.model, {**TABLE.others, name: value})
        (line,) = worse.unmet()
        assert name in line


def test_an_oracle_scores_without_bound_and_wrong_questions_cost(tmp_path: Path) -> None:
    package = load_package(make_package(tmp_path / "tiny"))
    example, other = scene_example(0), scene_example(1)
    oracle = Oracle(example, package)
    mean = np.full((16, 32, 3), 128, np.uint8)
    scores = score.score_example(oracle, example, other, mean)  # type: ignore[arg-type]
    assert scores["exact"] == float("inf")
    assert scores["training mean image"] == scores["wrong target pose"]
    assert scores["source of another scene"] == scores["wrong target pose"] < 20
    assert scores["copy of the source"] < scores["mean colour of the source"] < 20


def test_a_moved_target_keeps_its_place_relative_to_the_source() -> None:
    example, other = scene_example(2), scene_example(3)
    moved = score.moved_target(example, other)
    here = inverse(example.source.frames[0].world_from_cam) @ moved.world_from_cam
    there = inverse(other.source.frames[0].world_from_cam) @ other.target.world_from_cam
    assert np.allclose(here, there)
    own = score.moved_target(example, example)
    assert np.allclose(own.world_from_cam, example.target.world_from_cam)


def test_clip_psnr_is_a_mean_over_frames() -> None:
    truth: NDArray[np.uint8] = np.full((2, 4, 4, 3), 100, np.uint8)
    frames = truth.copy()
    frames[0] += 10
    frames[1] += 20
    expected = np.mean([20 * np.log10(255 / 10), 20 * np.log10(255 / 20)])
    assert score.clip_psnr(frames, truth) == pytest.approx(expected)


def test_sealing_hashes_what_is_there(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "tiny")
    package = load_package(folder)
    blue_green_red = np.full((16, 32, 3), (10, 20, 30), np.uint8)
    cv2.imwrite(str(folder / "mean.png"), blue_green_red)
    score.seal(package, TABLE.as_scores())
    sealed = load_package(folder)
    assert "mean.png" in sealed.contract.files
    assert sealed.contract.scores["model"]["exact"] == 19.0
    assert score.mean_image(sealed)[0, 0].tolist() == [30, 20, 10]
    (folder / "mean.png").write_bytes(b"x")
    with pytest.raises(AnyviewError, match=r"'mean.png' in .* has sha256"):
        load_package(folder)


def test_a_package_without_a_mean_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match=r"has no mean\.png"):
        score.mean_image(load_package(make_package(tmp_path / "tiny")))


def test_held_out_scenes_follow_the_contract(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    config = score.held_out(contract, "street", 900000, 900004)
    assert (config.first_seed, config.count) == (900000, 4)
    assert (config.frames, config.size) == (contract.frames[0], contract.sizes[0])
    with pytest.raises(AnyviewError, match="seeds need at least two worlds, got 5:6"):
        score.held_out(contract, "street", 5, 6)

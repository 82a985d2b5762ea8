"""Real pictures as questions, on painted walls whose geometry is known by hand."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyview_ros.cli.bench import add_arguments, planned, print_results
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation import real_suite
from anyview_ros.evaluation.baselines import (
    COPY,
    DEPTH_WARP,
    GROUND_WARP,
    MEAN_COLOUR,
    baselines,
)
from anyview_ros.evaluation.clip_metrics import region_psnr
from anyview_ros.evaluation.evaluation import Evaluator, SamplingOptions
from anyview_ros.evaluation.real_suite import DISTANCES, PICTURES, Pictures, RealSuite
from anyview_ros.evaluation.results import write
from anyview_ros.evaluation.run import Results, begin
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import rays, rigid
from anyview_ros.media.real_view import RealView
from anyview_ros.packages import load_package
from tests.evaluation.scenes import Oracle, texture
from tests.packages import make_package

CAMERA = Camera.from_fov(64, 48, 1.0)
FAR_M, NEAR_M, ASIDE_M = 3.0, 1.5, 0.2
BOARD = (slice(16, 32), slice(24, 40))  # of the target's picture: nearer than the wall


def walls(frames: int = 1) -> RealView:
    """A wall with a board before it, seen by two cameras side by side; a corner's depth unknown."""
    depth = np.full((48, 64), FAR_M, np.float32)
    depth[BOARD] = NEAR_M
    slopes = rays(CAMERA) / rays(CAMERA)[..., 2:]

    def painted(x_m: float) -> np.ndarray:
        """The wall, with the board pasted where a camera at x sees it."""
        wall = slopes * FAR_M
        image = texture(9 * (wall[..., 0] + x_m), 9 * wall[..., 1])
        board = slopes * NEAR_M
        edges = slopes[BOARD] * NEAR_M
        low, high = edges[0, 0, :2] - 1e-3, edges[-1, -1, :2] + 1e-3
        x, y = board[..., 0] + x_m, board[..., 1]
        on_it = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
        return np.where(on_it[..., None], texture(20 * y, 20 * x), image)

    known = depth.copy()
    known[:8, :8] = np.nan
    poses = [rigid(np.eye(3), (ASIDE_M, 0, 0))] * frames
    source = tuple(Frame(k, painted(ASIDE_M), CAMERA, pose) for k, pose in enumerate(poses))
    return RealView(source, Frame(0, painted(0.0), CAMERA, np.eye(4)), known)


def found() -> Path:
    return Path()


def missing() -> Path:
    raise AnyviewError("missing_pictures", "install them")


def suite_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, find: Callable[[], Path], frames: int = 1
) -> RealSuite:
    painted = {"walls": Pictures(("a", "b"), found, lambda name: walls(frames))}
    others = {"others": Pictures(("c",), find, lambda name: walls())}
    monkeypatch.setattr(real_suite, "PICTURES", painted | others)
    contract = load_package(make_package(tmp_path / "tiny")).contract
    return RealSuite.of(contract, ())


def test_a_still_is_held_for_a_clip_and_its_depth_tells_what_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = suite_of(monkeypatch, tmp_path, found)
    assert [e.name for e in suite.episodes()] == ["walls_epa", "walls_epb", "others_epc"]
    task = suite.task(suite.episodes()[0])
    assert len(task.source) == len(task.truth) == suite.frames
    assert task.period_ns == suite.period_ns
    assert task.scene_scale == pytest.approx(1 / (DISTANCES * FAR_M))
    assert task.source_poses[0, :3, 3].tolist() == [0, 0, 1.6]
    seen = task.visibility
    assert seen is not None
    unknown = ~(seen.covisible | seen.hidden)
    assert unknown[0, :8, :8].all()
    assert unknown.mean() == pytest.approx(64 / 3072)
    # The board covers the wall to its left, by as much as it moves against it.
    moved = CAMERA.fx * ASIDE_M * (1 / NEAR_M - 1 / FAR_M)
    behind = slice(BOARD[1].start - round(moved) + 1, BOARD[1].start - 1)
    assert seen.hidden[0, 20:28, behind].all()
    assert seen.hidden[0, 20:28, :3].all()  # out of the source's picture
    assert seen.covisible[0, 20:28, 5:18].all()
    assert seen.covisible[0][BOARD].all()


def test_the_true_depth_warp_is_the_truth_and_there_is_no_ground(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = suite_of(monkeypatch, tmp_path, found, frames=5)
    task = suite.task(suite.episodes()[0])
    assert task.visibility is not None
    made = baselines(task, None)
    assert GROUND_WARP not in made
    seen = task.visibility.covisible
    exact = region_psnr(made[DEPTH_WARP], task.truth, seen)
    assert exact > region_psnr(made[COPY], task.truth, seen) + 8


def test_it_is_evaluated_like_a_world_without_a_camera_to_find(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = suite_of(monkeypatch, tmp_path, found)
    episode = suite.episodes()[0]
    oracle: Any = Oracle(tmp_path, suite.task(episode))
    outcome = Evaluator(suite, oracle, SamplingOptions(("exact",)), None).evaluate(
        episode, tmp_path
    )
    assert list(outcome.rows) == ["exact", COPY, MEAN_COLOUR, DEPTH_WARP]
    row = outcome.rows["exact"]
    assert [row[f] for f in ("psnr", "covisible_psnr", "hidden_psnr")] == [99, 99, 99]
    assert row["covisible_sharpness"] == 1
    assert "rotation_deg" not in row
    assert outcome.calls == 1


def test_the_command_tells_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite_of(monkeypatch, tmp_path, missing)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out = tmp_path / "out"
    given = ["--real", "--model", str(tmp_path / "tiny"), "--out", str(out), "--no-perceptual"]
    plan = planned(parser.parse_args(given), load_package(tmp_path / "tiny"))
    assert plan.suite.episodes()[0].name == "walls_epa"
    begin(plan)
    print_results(plan, write(plan, Results((), ()), []))
    assert "left out: others: install them" in capsys.readouterr().out
    assert json.loads((out / "results.json").read_text())["suite"]["pictures"] == ["walls"]


def test_what_is_not_installed_is_left_out_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = suite_of(monkeypatch, tmp_path, missing)
    assert suite.splits == ("walls",)
    assert suite.left_out == ("others: install them",)
    assert suite.groups == {"real": ("walls",)}
    contract = load_package(tmp_path / "tiny").contract
    with pytest.raises(AnyviewError, match="install them"):
        RealSuite.of(contract, ("others",))
    with pytest.raises(AnyviewError, match="there is no split 'moon'"):
        RealSuite.of(contract, ("moon",))


def test_the_motorcycle_is_seen_by_the_other_eye(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    suite = RealSuite.of(contract, ("motorcycle",))
    task = suite.task(suite.episodes()[0])
    seen = task.visibility
    assert seen is not None
    assert 0.8 < seen.covisible[0].mean() < 0.9
    assert 0.03 < seen.hidden[0].mean() < 0.1
    warped = baselines(task, None)[DEPTH_WARP]
    assert region_psnr(warped, task.truth, seen.covisible) > 25
    assert PICTURES["motorcycle"].names == ("left",)

"""Figures have the values that planted faults must give, and no fault gives none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anyview_ros.evaluation import clip_metrics as f

RNG = np.random.default_rng(0)
COARSE = RNG.integers(40, 200, (9, 6, 8, 3)).astype(np.uint8)
TRUTH = np.stack([cv2.resize(c, (64, 48), interpolation=cv2.INTER_CUBIC) for c in COARSE])


def test_equal_clips() -> None:
    assert f.whole_clip(TRUTH, TRUTH) == {"psnr": f.MOST_DB, "ssim": pytest.approx(1)}
    assert f.sharpness(TRUTH, TRUTH) == 1
    assert f.unsteadiness(TRUTH, TRUTH) == 0
    assert f.layout(TRUTH, TRUTH) == {"layout_psnr": 99, "layout_correlation": pytest.approx(1)}


def test_a_shift_of_a_pixel_costs_and_of_two_costs_more() -> None:
    scores = [f.whole_clip(np.roll(TRUTH, n, axis=2), TRUTH) for n in range(3)]
    for name in ("psnr", "ssim"):
        assert scores[0][name] > scores[1][name] > scores[2][name]
    assert scores[1]["psnr"] < 35


def test_a_steady_offset_is_steady_and_flicker_is_not() -> None:
    assert f.unsteadiness(TRUTH + np.uint8(20), TRUTH) == 0
    flickering = TRUTH.copy()
    flickering[1::2] += 10
    assert f.unsteadiness(flickering, TRUTH) == 10
    frozen = np.broadcast_to(TRUTH[0], TRUTH.shape)
    moved = np.abs(np.diff(TRUTH.astype(int), axis=0)).mean()
    assert f.unsteadiness(frozen, TRUTH) == pytest.approx(moved)


def test_a_seam_shows_at_its_step_alone() -> None:
    seamed = TRUTH.copy()
    seamed[5:] += 8
    assert f.unsteadiness(seamed, TRUTH, [5]) == 8
    assert f.unsteadiness(seamed, TRUTH, [4]) == 0
    assert f.unsteadiness(seamed, TRUTH) == 1
    assert np.isnan(f.unsteadiness(seamed, TRUTH, []))


def test_sharpness_tells_blur_from_grain() -> None:
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in TRUTH])
    grain = np.clip(TRUTH.astype(int) + RNG.normal(0, 30, TRUTH.shape), 0, 255).astype(np.uint8)
    assert f.sharpness(blurred, TRUTH) < 0.5
    assert f.sharpness(grain, TRUTH) > 2
    assert f.sharpness(np.full_like(TRUTH, 9), TRUTH) == 0
    # Half the contrast is a quarter of the energy.
    assert f.sharpness(TRUTH // 2, TRUTH) == pytest.approx(0.25, rel=0.02)


def test_sharpness_of_a_region_knows_nothing_of_the_rest() -> None:
    region = np.zeros(TRUTH.shape[:3], bool)
    region[:, :, :32] = True
    half = TRUTH.copy()
    half[:, :, 32:] = 9
    assert f.sharpness(half, TRUTH, region) == 1
    assert f.sharpness(half, TRUTH, ~region) == 0
    assert f.sharpness(half, TRUTH) > 1.5  # of the seam, which lies in neither
    assert np.isnan(f.sharpness(half, TRUTH, np.zeros_like(region)))


def test_regions_are_scored_apart() -> None:
    region = np.zeros(TRUTH.shape[:3], bool)
    region[:, :, :32] = True
    wrong = TRUTH.copy()
    wrong[:, :, :32] += 10
    assert f.region_psnr(wrong, TRUTH, region) == pytest.approx(20 * np.log10(255 / 10))
    assert f.region_psnr(wrong, TRUTH, ~region) == f.MOST_DB
    assert np.isnan(f.region_psnr(wrong, TRUTH, np.zeros_like(region)))


def test_frames_whose_truth_is_black_do_not_count() -> None:
    truth = TRUTH.copy()
    truth[3] = 0
    assert f.whole_clip(TRUTH, truth)["psnr"] == f.MOST_DB
    assert np.isnan(f.whole_clip(TRUTH, np.zeros_like(TRUTH))["psnr"])


def test_the_layout_is_what_is_left_without_detail() -> None:
    grain = np.clip(TRUTH.astype(int) + RNG.normal(0, 25, TRUTH.shape), 0, 255).astype(np.uint8)
    other = TRUTH[:, ::-1, ::-1]
    assert f.layout(grain, TRUTH)["layout_correlation"] > 0.95
    assert f.layout(other, TRUTH)["layout_correlation"] < 0.5
    assert f.layout(grain, TRUTH)["layout_psnr"] > f.layout(other, TRUTH)["layout_psnr"] + 10

"""PSNR and SSIM against slow references and against laws."""

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.metrics import psnr, score_clip, ssim


def _images(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.random((11, 13, 3))
    return a, np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1)


def _slow_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """One window at a time, by the definition."""
    values = []
    for channel in range(a.shape[2]):
        for row in range(a.shape[0] - 6):
            for column in range(a.shape[1] - 6):
                x = a[row : row + 7, column : column + 7, channel].ravel()
                y = b[row : row + 7, column : column + 7, channel].ravel()
                (xx, xy), (_, yy) = np.cov(x, y)
                top = (2 * x.mean() * y.mean() + 1e-4) * (2 * xy + 9e-4)
                bottom = (x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (xx + yy + 9e-4)
                values.append(top / bottom)
    return float(np.mean(values))


def test_psnr_of_a_constant_offset() -> None:
    a = np.full((8, 8, 3), 0.5)
    assert psnr(a, a + 0.1) == pytest.approx(20.0)
    assert psnr(a, a) == float("inf")


def test_ssim_is_its_definition() -> None:
    a, b = _images()
    assert ssim(a, b) == pytest.approx(_slow_ssim(a, b), abs=1e-12)
    assert ssim(a, a) == pytest.approx(1.0)


def test_a_shift_of_one_pixel_is_seen() -> None:
    a, _ = _images()
    assert ssim(a, np.roll(a, 1, axis=1)) < 0.5
    assert psnr(a, np.roll(a, 1, axis=1)) < 12


def test_black_truth_is_not_scored() -> None:
    a, b = _images()
    score = score_clip(np.stack([a, a]), np.stack([b, np.zeros_like(b)]))
    assert score.num_valid == 1
    assert score.psnr == psnr(a, b)
    assert score.ssim == ssim(a, b)
    assert (score.rows[1] == -999).all()


def test_a_clip_of_black_truth_has_no_score() -> None:
    a, _ = _images()
    assert np.isnan(score_clip(a[None], np.zeros_like(a)[None]).psnr)


def test_shapes_are_checked() -> None:
    a, b = _images()
    with pytest.raises(AnyviewError, match=r"one shape .*\(11, 13, 3\) and \(10, 13, 3\)"):
        psnr(a, b[1:])
    with pytest.raises(AnyviewError, match="at least 7 pixels"):
        ssim(a[:6], b[:6])

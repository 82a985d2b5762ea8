"""How near two images are: PSNR, SSIM, and the score of a clip by the AnyViewBench rules."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from anyview_ros.errors import AnyviewError

SSIM_WINDOW = 7  # pixels a side, uniform weights
SSIM_K1, SSIM_K2 = 0.01, 0.03
BLACK_SUM = 0.01  # a true frame whose values sum to less shows nothing and is not scored
EXCLUDED = -999.0


def psnr(a: ArrayLike, b: ArrayLike) -> float:
    """Return peak signal-to-noise ratio in dB over all pixels and channels; inf for equal images.

    Args:
        a, b: (H, W, 3) or any one shape, values in [0, 1].

    Raises:
        AnyviewError: `shapes_differ`.
    """
    x, y = _pair(a, b)
    error = float(np.mean((x - y) ** 2))
    return float("inf") if error == 0 else -10.0 * float(np.log10(error))


def ssim(a: ArrayLike, b: ArrayLike) -> float:
    """Return structural similarity (Wang et al. 2004) with the defaults of scikit-image 0.26, in
    float64.

    Uniform 7 x 7 window, sample covariance, each channel alone and then the mean; windows that
    would leave the image are not counted.

    Args:
        a, b: (H, W, C), values in [0, 1], at least 7 pixels a side.

    Raises:
        AnyviewError: `shapes_differ`, or `image_too_small`.
    """
    x, y = _pair(a, b)
    if x.ndim != 3 or min(x.shape[:2]) < SSIM_WINDOW:
        raise AnyviewError(
            "image_too_small",
            f"SSIM needs (H, W, C) of at least {SSIM_WINDOW} pixels a side, got {x.shape}",
        )
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    samples = SSIM_WINDOW**2
    unbiased = samples / (samples - 1)
    variance_x = unbiased * (_window_mean(x * x) - mean_x**2)
    variance_y = unbiased * (_window_mean(y * y) - mean_y**2)
    covariance = unbiased * (_window_mean(x * y) - mean_x * mean_y)
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return float(np.mean(luminance * structure))


@dataclass(frozen=True)
class ClipScore:
    """Scores of a clip.

    Args:
        rows: (T, 2) float64, PSNR and SSIM of each frame, -999 for a frame that is not scored.
        num_valid: frames scored.
        psnr, ssim: means over them; nan when there are none.
    """

    rows: NDArray[np.float64]
    num_valid: int
    psnr: float
    ssim: float


def score_clip(predicted: ArrayLike, truth: ArrayLike) -> ClipScore:
    """Return PSNR and SSIM of every frame and their means, without frames whose truth is black.

    Args:
        predicted, truth: (T, H, W, 3), values in [0, 1].

    Raises:
        AnyviewError: `shapes_differ`, or `image_too_small`.
    """
    x, y = _pair(predicted, truth)
    rows = np.full((len(y), 2), EXCLUDED)
    shown = y.reshape(len(y), -1).sum(axis=1) >= BLACK_SUM
    for index in np.flatnonzero(shown):
        rows[index] = psnr(x[index], y[index]), ssim(x[index], y[index])
    means = rows[shown].mean(axis=0) if shown.any() else np.full(2, np.nan)
    return ClipScore(rows, int(shown.sum()), float(means[0]), float(means[1]))


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape:
        raise AnyviewError(
            "shapes_differ", f"two images of one shape are compared, got {x.shape} and {y.shape}"
        )
    return x, y


def _window_mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means over all whole windows, (H - 6, W - 6, C) of (H, W, C)."""
    border = SSIM_WINDOW // 2
    means = cv2.boxFilter(x, cv2.CV_64F, (SSIM_WINDOW, SSIM_WINDOW))
    # OpenCV drops the channel axis of one-channel images.
    return np.asarray(means, np.float64).reshape(x.shape)[border:-border, border:-border]

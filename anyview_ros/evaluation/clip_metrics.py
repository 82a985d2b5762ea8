"""Figures of a generated clip against the truth. Higher is better unless it says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.evaluation.metrics import psnr, score_clip
from anyview_ros.evaluation.task import Images

MOST_DB = 99.0  # equal images would make every mean infinite
LEAST_SHARE = 0.005  # of a clip's pixels that a region must have to be scored
LAYOUT_SCALE = 8  # pixels a side that one pixel stands for when only the layout is compared
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def whole_clip(frames: Images, truth: Images) -> dict[str, float]:
    """Return `psnr` in dB and `ssim`, means over the frames whose truth is not black."""
    score = score_clip(frames / 255.0, truth / 255.0)
    rows = score.rows[score.rows[:, 0] > -MOST_DB]
    clipped = float(np.minimum(rows[:, 0], MOST_DB).mean()) if len(rows) else float("nan")
    return {"psnr": clipped, "ssim": score.ssim}


def region_psnr(frames: Images, truth: Images, region: NDArray[np.bool_]) -> float:
    """Return PSNR in dB over the pixels of a region (T, H, W) of the whole clip; nan if it is
    tiny."""
    if region.mean() < LEAST_SHARE:
        return float("nan")
    return min(psnr(frames[region] / 255.0, truth[region] / 255.0), MOST_DB)


def sharpness(frames: Images, truth: Images, region: NDArray[np.bool_] | None = None) -> float:
    """Return gradient energy relative to the truth's: 1 is as sharp, 0 is flat, more is grain.

    Args:
        region: (T, H, W), only between pixels of it; nan if it is tiny. None = all.
    """
    if region is not None and region.mean() < LEAST_SHARE:
        return float("nan")
    wanted = _gradient_energy(truth, region)
    return _gradient_energy(frames, region) / wanted if wanted else float("nan")


def unsteadiness(frames: Images, truth: Images, steps: Sequence[int] | None = None) -> float:
    """Return the mean change of the error from one frame to the next, in 8-bit levels; lower is
    better.

    A clip that is wrong but moves as the truth moves has 0; flicker, seams and pictures that
    stand still while the world moves have more.

    Args:
        steps: only these, step k lies between frames k - 1 and k; None = all; nan for none.
    """
    error = frames.astype(np.float32) - truth.astype(np.float32)
    change = np.abs(np.diff(error, axis=0)).reshape(len(error) - 1, -1).mean(axis=1)
    picked = change if steps is None else change[[step - 1 for step in steps]]
    return float(picked.mean()) if len(picked) else float("nan")


def layout(a: Images, b: Images) -> dict[str, float]:
    """Return how far two clips agree at an eighth of the resolution: PSNR in dB, and
    correlation."""
    small_a, small_b = _thumbnails(a), _thumbnails(b)
    deviations = [v - v.mean() for v in (small_a, small_b)]
    norm = float(np.sqrt(np.prod([np.sum(d**2) for d in deviations])))
    correlation = float(np.sum(deviations[0] * deviations[1])) / norm if norm else float("nan")
    agreement = min(psnr(small_a / 255.0, small_b / 255.0), MOST_DB)
    return {"layout_psnr": agreement, "layout_correlation": correlation}


def _gradient_energy(frames: Images, region: NDArray[np.bool_] | None) -> float:
    """Return the mean squared difference of neighbours' luma, in columns plus in rows."""
    luma = frames.astype(np.float32) @ LUMA
    down, across = np.diff(luma, axis=1), np.diff(luma, axis=2)
    if region is not None:
        down = down[region[:, 1:] & region[:, :-1]]
        across = across[region[:, :, 1:] & region[:, :, :-1]]
    return sum(float(np.mean(d**2, dtype=np.float64)) for d in (down, across) if d.size)


def _thumbnails(frames: Images) -> NDArray[np.float64]:
    height, width = (max(1, side // LAYOUT_SCALE) for side in frames.shape[1:3])
    shrunk = [cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in frames]
    return np.stack(shrunk).astype(np.float64)

"""How far a model's answers to one question differ from seed to seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError

GAIN = 4  # of the 8-bit image: a quarter of a grey level each; what is 63.75 or more is white


def check_samples(samples: int) -> None:
    """Refuse what has no spread; 0 is none asked for.

    Raises:
        AnyviewError: `invalid_uncertainty_samples`.
    """
    if samples < 0 or samples == 1:
        raise AnyviewError(
            "invalid_uncertainty_samples",
            f"uncertainty is the spread over 2 seeds or more, got uncertainty_samples {samples}; "
            "0 for none",
        )


def seeds(first: int, samples: int) -> list[int]:
    """The seeds of a request: its own, which makes the frames, and those that follow it."""
    return [first, *((first + k) % (MAX_SEED + 1) for k in range(1, samples))]


class Spread:
    """Standard deviation of each pixel, gathered video by video (Welford): K are never kept."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = np.zeros((), np.float32)

    def add(self, video: NDArray[np.float32]) -> None:
        """Count in (1, 3, T, H, W) in [-1, 1]; what is beyond cannot be seen, and is clipped."""
        levels = np.clip(video[0], -1, 1) * np.float32(127.5)
        self._count += 1
        off = levels - self._mean
        self._mean = self._mean + off / self._count
        self._squares = self._squares + off * (levels - self._mean)

    def image(self) -> NDArray[np.uint8]:
        """(T, H, W) in quarters of a grey level: the root mean square over the three colours."""
        variance = self._squares.mean(axis=0) / (self._count - 1)
        return np.asarray(np.rint(np.minimum(GAIN * np.sqrt(variance), 255)), np.uint8)

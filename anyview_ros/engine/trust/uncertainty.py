"""How far a model's answers to one question differ, from seed to seed and asked in other ways.

A model that knows what is there says the same whichever way it is asked. Where it guesses, its
answers hang on what should not matter, and they differ far more than from seed to seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError

GAIN = 4  # of the 8-bit image: a quarter of a grey level each; what is 63.75 or more is white
LESS, MORE = 0.5**0.5, 2**0.5
WAYS = ((LESS, LESS), (MORE, MORE), (LESS, MORE), (MORE, LESS))  # size and gamma of `Augmentation`


@dataclass(frozen=True)
class Augmentation:
    """A change of a request that should not change its answer, and the seeds it is made with.

    Args:
        size: of the world, as the model is told it: a factor on its scale, so that moments are
            larger and planes of a sweep nearer.
        gamma: exponent on the light of the images that the model is given, 0..1; that of the
            answer is taken back.
    """

    size: float
    gamma: float
    seeds: tuple[int, ...]

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed."""
        return self.size == self.gamma == 1

    def apply_gamma(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return images in the light of this augmentation."""
        if self.gamma == 1:
            return images
        curve = np.rint(255 * (np.arange(256) / 255) ** self.gamma).astype(np.uint8)
        return curve[images]

    def invert_gamma(self, video: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a video in [-1, 1] in the light of the sources; what is beyond is clipped."""
        if self.gamma == 1:
            return video
        light = (np.clip(video, -1, 1) + np.float32(1)) / 2
        return np.asarray(2 * light ** np.float32(1 / self.gamma) - 1, np.float32)


def augmentations(first: int, samples: int) -> list[Augmentation]:
    """Return those of a request: none for its own seed, others for the seeds that follow."""
    later = [(first + k) % (MAX_SEED + 1) for k in range(1, samples)]
    found = [Augmentation(1.0, 1.0, (first,))]
    for k, (size, gamma) in enumerate(WAYS[: len(later)]):
        found.append(Augmentation(size, gamma, tuple(later[k :: len(WAYS)])))
    return found


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


class RunningDeviation:
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

    def levels(self) -> NDArray[np.float32]:
        """(T, H, W) grey levels: the root mean square over the three colours."""
        variance = self._squares.mean(axis=0) / (self._count - 1)
        return np.asarray(np.sqrt(variance), np.float32)


def doubt(spread: NDArray[np.float32], off: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(T, H, W) in quarters of a grey level: how far answers lie apart, and from what was seen.

    Args:
        spread: of the answers, (T, H, W) grey levels.
        off: `sight.off_sight` of the first, the mistake that all of them may share.
    """
    return np.asarray(np.rint(np.minimum(GAIN * np.hypot(spread, off), 255)), np.uint8)

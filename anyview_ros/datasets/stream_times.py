"""How regular the images of a recording's cameras are, and how far apart those of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StreamTimes:
    """The stamps of one camera.

    Args:
        images: how many.
        span_s: from the first to the last.
        rate_hz: by the median of the periods; 0 with less than two images.
        longest_gap_s: between two neighbours.
        missing_share: of the images that this rate would have given, 0..1.
    """

    images: int = 0
    span_s: float = 0.0
    rate_hz: float = 0.0
    longest_gap_s: float = 0.0
    missing_share: float = 0.0


@dataclass(frozen=True)
class Apart:
    """Return how far the nearest image of a camera is from each of the reference's, in seconds."""

    camera: str
    mean_s: float
    worst_s: float


@dataclass(frozen=True)
class Sync:
    """How well cameras go together.

    Args:
        reference: the camera with the lowest rate, so that every other has an image near each.
        others: that have images in the same time.
    """

    reference: str
    others: tuple[Apart, ...]


def stream_times(stamps_ns: Sequence[int]) -> StreamTimes:
    """Return what increasing stamps say of their stream."""
    if len(stamps_ns) < 2:
        return StreamTimes(len(stamps_ns))
    periods = np.diff(np.asarray(stamps_ns, np.int64))
    median = float(np.median(periods))
    expected = round((stamps_ns[-1] - stamps_ns[0]) / median) + 1
    missing = max(0.0, 1 - len(stamps_ns) / expected)
    span_s = (stamps_ns[-1] - stamps_ns[0]) / 1e9
    return StreamTimes(len(stamps_ns), span_s, 1e9 / median, float(periods.max()) / 1e9, missing)


def sync(stamps_ns: Mapping[str, Sequence[int]]) -> Sync | None:
    """Return how far cameras are apart where their times overlap; None of less than two.

    Args:
        stamps_ns: increasing, by camera.
    """
    known = {name: np.asarray(s, np.int64) for name, s in stamps_ns.items() if len(s) > 1}
    if len(known) < 2:
        return None
    reference = min(known, key=lambda name: stream_times(stamps_ns[name]).rate_hz)
    apart = (_apart(n, known[reference], s) for n, s in known.items() if n != reference)
    return Sync(reference, tuple(found for found in apart if found is not None))


def _apart(name: str, reference: NDArray[np.int64], own: NDArray[np.int64]) -> Apart | None:
    shared = reference[(reference >= own[0]) & (reference <= own[-1])]
    if not len(shared):
        return None
    after = np.clip(np.searchsorted(own, shared), 1, len(own) - 1)
    nearest = np.minimum(np.abs(own[after] - shared), np.abs(shared - own[after - 1]))
    return Apart(name, float(nearest.mean()) / 1e9, float(nearest.max()) / 1e9)

"""Images from lens to model: rectified and resized in one go, with maps made once a calibration.

Rectifying 1080p costs three times as much as all the rest of a frame, and most of its pixels are
then averaged away. So the image is halved while the model does not miss what is lost (OpenCV has
a fast way for exactly that), looked up at a few points a pixel, and those are averaged; where
there is nothing to rectify, too, for averaging large images by fractions of pixels is slow.
Figures and what else was tried: benchmarks/RESULTS.md, Rectification.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Resampler
from anyview_ros.imaging.lenses import Lens
from anyview_ros.imaging.resize import resize_image

HALVING_SPAN = 2.5  # pixels of the halved image that a pixel of the result spans at least
SAMPLE_SPAN = 2.0  # bilinear lookups at most so far apart
MIN_SPAN = 1.25  # below, one lookup a pixel is as good as four
AVERAGING_SPAN = 3.0  # without a lens; below, OpenCV's exact averaging is cheap enough
CACHED = 16  # calibrations; a robot's cameras and those of its last reconfiguration
Image = NDArray[np.uint8]
Floats = NDArray[np.float64]


class Rectifier:
    """One calibration at one size. Thread-safe: nothing changes after it is made.

    Args:
        lens: of the images.
        size: (H, W) of the result.
        resampler: of the contract; its filter makes the last step.

    Attributes:
        coverage: share of the result's pixels that the image has; the others are black.
        source_size: (width, height) that an image may be reduced to before `apply`, as a jpeg is
            while it is decoded, with no more difference than `apply` makes itself.
    """

    def __init__(self, lens: Lens, size: tuple[int, int], resampler: Resampler = "area") -> None:
        self._size, self._resampler = size, resampler
        self._maps: tuple[NDArray[np.int16], NDArray[np.uint16]] | None = None
        self._unseen: NDArray[np.bool_] | None = None
        self._between: tuple[int, int] | None = None
        self.coverage = 1.0
        full = lens.raw.width, lens.raw.height
        if lens.is_pinhole:
            span = min(full[0] / size[1], full[1] / size[0])
        else:
            x, y, seen = lens.source_pixels(lens.camera.resized(size[1], size[0]))
            span = _span(x, y, seen)
            self.coverage = float(seen.mean())
            self._unseen = None if seen.all() else ~seen
        exact = lens.is_pinhole and resampler != "area"
        self.source_size = full if exact else _halved(full, span)
        span *= self.source_size[0] / full[0]
        samples = max(2, int(np.ceil(span / SAMPLE_SPAN)))
        if not lens.is_pinhole:
            samples = 1 if span <= MIN_SPAN else samples
            self._maps = _maps(lens, size, samples, self.source_size)
        elif span >= AVERAGING_SPAN and not exact:
            self._between = size[1] * samples, size[0] * samples

    def apply(self, image: Image, out: Image | None = None) -> Image:
        """The rectified image at the model's size.

        Args:
            image: (H, W, 3) uint8 of the camera's size, or that evenly reduced.
            out: (h, w, 3) uint8 to write to.

        Returns:
            (h, w, 3) uint8: `out`, or an array that may be `image` itself where nothing is to do.
        """
        image = _reduced(image, self.source_size)
        if self._maps is not None:
            # Pixels at the border have half of their area outside: its nearest neighbours count.
            image = np.asarray(
                cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
                np.uint8,
            )
        elif self._between is not None:
            image = np.asarray(cv2.resize(image, self._between, interpolation=cv2.INTER_LINEAR))
        image = resize_image(image, self._size, self._resampler)
        if out is None and self._unseen is None:
            return image
        result = np.empty_like(image) if out is None else out
        np.copyto(result, image)
        if self._unseen is not None:
            result[self._unseen] = 0
        return result


@lru_cache(maxsize=CACHED)
def rectifier(lens: Lens, size: tuple[int, int], resampler: Resampler = "area") -> Rectifier:
    """The rectifier of a lens, made once. Arguments as `Rectifier`."""
    return Rectifier(lens, size, resampler)


def _span(x: Floats, y: Floats, seen: NDArray[np.bool_]) -> float:
    """Pixels of the image from one pixel of the result to the next, as the median of them all.

    Args:
        x, y, seen: of `Lens.source_pixels` at the size of the result.
    """
    if min(x.shape) < 2 or not seen.any():
        return 1.0
    return float(min(np.median(np.hypot(*np.gradient(values))[seen]) for values in (x, y)))


def _halved(size: tuple[int, int], span: float) -> tuple[int, int]:
    """(width, height) after as many halvings as lose nothing that the result would show."""
    width, height = size
    while span >= 2 * HALVING_SPAN and min(width, height) >= 2:
        width, height, span = width // 2, height // 2, span / 2
    return width, height


def _reduced(image: Image, size: tuple[int, int]) -> Image:
    """Halved down to a (width, height) that halving leads to; one that is not larger stays."""
    height, width = image.shape[:2]
    while width > size[0]:
        width, height = max(width // 2, size[0]), max(height // 2, size[1])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return image


def _maps(
    lens: Lens, size: tuple[int, int], samples: int, between: tuple[int, int]
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """OpenCV's fixed-point maps from `samples` squared points a pixel to the halved image."""
    height, width = size
    x, y, _ = lens.source_pixels(lens.camera.resized(width * samples, height * samples))
    sx, sy = between[0] / lens.raw.width, between[1] / lens.raw.height
    x, y = (x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5
    maps = cv2.convertMaps(x.astype(np.float32), y.astype(np.float32), cv2.CV_16SC2)
    return maps[0].astype(np.int16, copy=False), maps[1].astype(np.uint16, copy=False)

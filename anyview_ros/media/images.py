"""Read image files, and jpegs no larger than they are needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.compression import MAX_PIXELS

REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
JPEG = ("JPEG", "MPO")  # as Pillow names them; MPO holds more than one
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")  # Pillow starts Ghostscript for an EPS


def by_number(file: Path) -> tuple[list[int | str], str]:
    """Return a key that sorts files by the numbers in their names: 2.png before 10.png."""
    text_and_digits = enumerate(re.split(r"([0-9]+)", file.stem))
    return [int(part) if k % 2 else part for k, part in text_and_digits], file.name


def image_size(file: Path) -> tuple[int, int]:
    """(H, W) of an image file.

    Raises:
        AnyviewError: `unreadable_image`.
    """
    with _opened(file) as image:
        return image.height, image.width


def read_image(file: Path, at_least: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of an image file; alpha is dropped.

    Args:
        at_least: (H, W) that are enough: a jpeg may then come at a half, a quarter or an eighth
            of its size. (0, 0) asks for all of it.

    Raises:
        AnyviewError: `unreadable_image`.
    """
    with _opened(file) as image:
        factor = _reduction(image, at_least)
        if factor == 1:
            return np.asarray(image.convert("RGB"))
    # libjpeg shrinks while it decodes, which costs a fraction of decoding all of it.
    bgr = cv2.imread(str(file), REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise _unreadable(file, "it is damaged")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_photograph(file: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of an image file, turned as its EXIF says; 16 bits become 8.

    Raises:
        AnyviewError: `unreadable_image`.
    """
    with _opened(file):
        bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise _unreadable(file, "it is damaged")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
            yield image
    except Exception as error:  # whatever Pillow or OpenCV throws at a damaged file
        raise _unreadable(file, error) from None


def _reduction(image: Image.Image, at_least: tuple[int, int]) -> int:
    """The largest reduction of a jpeg that divides its size and leaves enough.

    By its content, not by its name: OpenCV takes all the memory that a png asks for.
    """
    if image.format not in JPEG or min(at_least) < 1:
        return 1
    for factor in REDUCED:
        if all(
            side % factor == 0 and side // factor >= enough
            for side, enough in zip((image.height, image.width), at_least, strict=True)
        ):
            return factor
    return 1


def _unreadable(file: Path, reason: object) -> AnyviewError:
    return AnyviewError(
        "unreadable_image",
        f"'{file}' cannot be read as an image ({reason}); restore it, or remove its scene",
    )

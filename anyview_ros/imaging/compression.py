"""Compressed images to RGB: jpeg and png, their headers read before anything is allocated.

OpenCV would decode half a jpeg without a word, and allocate whatever a header asks for; so the
size is held against a limit and the end is looked for first. Damage inside of a jpeg that is
complete is not seen: it shows, as in any viewer.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import MAX_SIDE
from anyview_ros.imaging.encodings import ENCODINGS, Encoding, encoding_named, to_rgb

MAX_PIXELS = 36_000_000  # 8K UHD has 33 million; 108 MB of RGB
MAX_SCANS = 64  # of a progressive jpeg, each a pass over all of the image; encoders write about ten
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", 0xDA, b"\xff\xd9"
JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU-T T.81 table B.1, SOF markers
JPEG_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
PNG_START = b"\x89PNG\r\n\x1a\n"
NUMBERS = re.compile(r"(8S|16U|16S|32S|32F|64F)C\d+")  # OpenCV's types beyond 8 bits
PNG_GREY = {0, 4}  # colour types without and with alpha
REDUCED = {
    8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8),
    4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
    2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
    1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR),
}


@dataclass(frozen=True)
class _Header:
    """What the file says of itself; `is_grey`: one channel, apart from alpha."""

    kind: str
    width: int
    height: int
    is_grey: bool


def check_compressed(message: Any) -> tuple[int, int]:
    """(width, height) of a compressed image that can be decoded; nothing is decoded.

    Args:
        message: has the fields of sensor_msgs/CompressedImage.

    Raises:
        AnyviewError: `unsupported_encoding`, `invalid_image`.
    """
    header, _ = _inspect(message)
    return header.width, header.height


def decode_compressed(message: Any, at_least: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a compressed image.

    The format may be as image_transport writes it, `rgb8; jpeg compressed bgr8`: a grey file of a
    Bayer image is demosaiced, and `compressed rgb8` says that red and blue were exchanged before
    compressing. The orientation in a jpeg's EXIF is not followed, for camera infos do not know it.

    Args:
        message: has the fields of sensor_msgs/CompressedImage.
        at_least: (width, height) that are enough: a jpeg then comes at 1/2, 1/4 or 1/8 of its
            size if that divides it and is no smaller. (0, 0) asks for all of it.

    Raises:
        AnyviewError: as `check_compressed`; `invalid_image` for what turns out to be damaged.
    """
    header, source = _inspect(message)
    exchanged = "compressed rgb" in message.format
    is_mosaic = header.is_grey and source is not None and source.is_mosaic
    factor = 1 if is_mosaic else _reduction(header, at_least)
    decoded = _imdecode(message.data, header, factor)
    if header.is_grey:
        grey = ENCODINGS["mono8"] if source is None or not is_mosaic else source
        return to_rgb(decoded[..., None], grey)
    return to_rgb(decoded, ENCODINGS["rgb8" if exchanged else "bgr8"])


def _inspect(message: Any) -> tuple[_Header, Encoding | None]:
    """The file's header, and the encoding that the image had before where the format names one."""
    source, separator, _ = message.format.partition(";")
    encoding = _source_encoding(source.strip()) if separator else None
    content = bytes(message.data)
    if content.startswith(JPEG_START):
        header = _jpeg_header(content)
    elif content.startswith(PNG_START):
        header = _png_header(content)
    else:
        raise AnyviewError(
            "unsupported_encoding",
            f"a compressed image must be jpeg or png, got format '{message.format}' and "
            f"{len(content)} bytes that begin with '{content[:4].hex(' ')}'; decode others first",
        )
    sides_fit = max(header.width, header.height) <= MAX_SIDE
    if min(header.width, header.height) < 1 or not sides_fit:
        raise _invalid(header, f"a side must be 1..{MAX_SIDE} pixels")
    if header.width * header.height > MAX_PIXELS:
        raise _invalid(header, f"at most {MAX_PIXELS // 1_000_000} million pixels are decoded")
    return header, encoding


def _source_encoding(name: str) -> Encoding | None:
    """Many write what they like: `jpeg; jpeg uncompressed`, `8UC3; jpeg compressed bgr8`.

    Raises:
        AnyviewError: `unsupported_encoding` for depth, whose numbers are no colours.
    """
    if NUMBERS.fullmatch(name):
        return encoding_named(name)
    return ENCODINGS.get(name.lower())


def _jpeg_header(content: bytes) -> _Header:
    """Walks the segments up to the first scan (ITU-T T.81, B.1.1), then looks for the end."""
    header, progressive, at = None, False, 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in JPEG_WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in JPEG_FRAMES and at + 10 <= len(content):
            height, width, components = struct.unpack_from(">HHB", content, at + 5)
            header = _Header("jpeg", width, height, components == 1)
            progressive = marker in JPEG_PROGRESSIVE
        if marker == JPEG_SCAN:
            break
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    if header is None or content.rfind(JPEG_END, at) < 0:
        raise _truncated("jpeg", content, "its end marker is missing")
    scan = bytes((0xFF, JPEG_SCAN))  # never inside of coded pixels
    if progressive and content.count(scan, at) > MAX_SCANS:
        raise _invalid(header, f"it has more than {MAX_SCANS} scans")
    return header


def _png_header(content: bytes) -> _Header:
    """Walks the chunks up to the last (W3C PNG, 5.3)."""
    header, at = None, len(PNG_START)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IHDR" and length == 13 and at + 25 <= len(content):
            width, height, _, colour = struct.unpack_from(">IIBB", content, at + 8)
            header = _Header("png", width, height, colour in PNG_GREY)
        at += 12 + length
        if kind == b"IEND" and header is not None and at <= len(content):
            return header
    raise _truncated("png", content, "its last chunk is missing")


def _reduction(header: _Header, at_least: tuple[int, int]) -> int:
    """The largest reduction that libjpeg does while decoding and that leaves enough."""
    width, height = at_least
    if header.kind != "jpeg" or min(at_least) < 1:
        return 1
    return next(
        factor
        for factor in REDUCED
        if factor == 1
        or (
            header.width % factor == header.height % factor == 0
            and header.width // factor >= width
            and header.height // factor >= height
        )
    )


def _imdecode(content: Any, header: _Header, factor: int) -> NDArray[Any]:
    """(H, W) grey or (H, W, 3) BGR, uint8 or uint16, at 1/factor of the size."""
    flags = REDUCED[factor][0 if header.is_grey else 1] | cv2.IMREAD_IGNORE_ORIENTATION
    if header.kind == "png":
        flags |= cv2.IMREAD_ANYDEPTH  # 16 bits stay 16; OpenCV would cut off the lower 8
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape[:2] != (header.height // factor, header.width // factor):
        raise _invalid(header, "its content is damaged and cannot be decoded")
    return np.asarray(decoded)


def _truncated(kind: str, content: bytes, reason: str) -> AnyviewError:
    return AnyviewError(
        "invalid_image",
        f"a whole {kind} is needed, got {len(content)} bytes that are truncated: {reason}",
    )


def _invalid(header: _Header, reason: str) -> AnyviewError:
    size = f"{header.width}x{header.height}"
    return AnyviewError("invalid_image", f"{header.kind} of {size} pixels is refused: {reason}")

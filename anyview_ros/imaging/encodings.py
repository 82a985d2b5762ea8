"""Pixels of image messages to RGB: every encoding of sensor_msgs/image_encodings that has colours.

Messages are read by their fields only, so that a message taken apart by other means will do; its
pixels may be any buffer of bytes. What the colours mean:

- 16 bit to 8: 0..65535 becomes 0..255, rounded. A camera of 12 bits in 16 must fill them.
- YUV: BT.601 in the limited range (16..235), as cv_bridge; a chroma sample for all of its pixels.
- Bayer: bilinear demosaicing; the pattern names the first two rows' first two pixels.
- Alpha is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import MAX_SIDE

MIN_BAYER_SIDE = 3


@dataclass(frozen=True)
class Encoding:
    """How pixels lie in memory.

    Args:
        channels: samples a pixel in a row; of the luma plane for 4:2:0.
        conversion: OpenCV's code to RGB; None where they are RGB.
        sample_bytes: 1 or 2.
        block: (columns, rows) of pixels that share a chroma sample.
        is_mosaic: each pixel has one colour.
    """

    channels: int
    conversion: int | None
    sample_bytes: int = 1
    block: tuple[int, int] = (1, 1)
    is_mosaic: bool = False

    @property
    def pixel_bytes(self) -> int:
        return self.channels * self.sample_bytes

    def rows(self, height: int) -> int:
        """Rows in memory: chroma of 4:2:0 follows below the luma, half as many."""
        return height * 3 // 2 if self.block == (2, 2) else height


def _encodings() -> dict[str, Encoding]:
    packed = {
        "rgb": Encoding(3, None),
        "bgr": Encoding(3, cv2.COLOR_BGR2RGB),
        "rgba": Encoding(4, cv2.COLOR_RGBA2RGB),
        "bgra": Encoding(4, cv2.COLOR_BGRA2RGB),
        "mono": Encoding(1, cv2.COLOR_GRAY2RGB),
        # OpenCV names a pattern by the second row's second pixel: its BG is ROS's rggb.
        "bayer_rggb": Encoding(1, cv2.COLOR_BayerBG2RGB, is_mosaic=True),
        "bayer_bggr": Encoding(1, cv2.COLOR_BayerRG2RGB, is_mosaic=True),
        "bayer_gbrg": Encoding(1, cv2.COLOR_BayerGR2RGB, is_mosaic=True),
        "bayer_grbg": Encoding(1, cv2.COLOR_BayerGB2RGB, is_mosaic=True),
    }
    eight = {f"{name}8": encoding for name, encoding in packed.items()}
    sixteen = {
        f"{name}16": Encoding(e.channels, e.conversion, sample_bytes=2, is_mosaic=e.is_mosaic)
        for name, e in packed.items()
    }
    uyvy = Encoding(2, cv2.COLOR_YUV2RGB_UYVY, block=(2, 1))
    yuyv = Encoding(2, cv2.COLOR_YUV2RGB_YUY2, block=(2, 1))
    yuv = {
        "uyvy": uyvy,
        "yuv422": uyvy,  # the older name of the same order
        "yuyv": yuyv,
        "yuv422_yuy2": yuyv,
        "nv12": Encoding(1, cv2.COLOR_YUV2RGB_NV12, block=(2, 2)),
        "nv21": Encoding(1, cv2.COLOR_YUV2RGB_NV21, block=(2, 2)),
    }
    return eight | sixteen | yuv


ENCODINGS = _encodings()


def encoding_named(name: str) -> Encoding:
    """Raises AnyviewError: `unsupported_encoding`."""
    if name not in ENCODINGS:
        raise AnyviewError(
            "unsupported_encoding",
            f"encoding must be one of {', '.join(ENCODINGS)}, got '{name}'; "
            "convert it in the driver or with image_proc",
        )
    return ENCODINGS[name]


def check_encoding(message: Any) -> tuple[int, int]:
    """(width, height) of an image whose pixels can be read; no pixel is touched.

    Args:
        message: has the fields of sensor_msgs/Image.

    Raises:
        AnyviewError: `unsupported_encoding`, `invalid_image`.
    """
    name, width, height = message.encoding, message.width, message.height
    encoding = encoding_named(name)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise _invalid(f"image size must be 1..{MAX_SIDE} pixels a side, got {width}x{height}")
    _check_size(encoding, name, width, height)
    row = width * encoding.pixel_bytes
    if message.step < row:
        raise _invalid(
            f"step must be at least {row} bytes for {width} pixels of {name}, got {message.step}"
        )
    needed = message.step * encoding.rows(height)
    if len(message.data) != needed:
        halves = " x 3/2" if encoding.block == (2, 2) else ""
        raise _invalid(
            f"data must be step x height{halves} = {message.step} x {height}{halves} = {needed} "
            f"bytes, got {len(message.data)}"
        )
    return width, height


def decode(message: Any) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an image message; for rgb8 a view of the message: read only.

    Args:
        message: has the fields of sensor_msgs/Image.

    Raises:
        AnyviewError: as `check_encoding`.
    """
    check_encoding(message)
    encoding = ENCODINGS[message.encoding]
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)
    pixels = rows[:, : message.width * encoding.pixel_bytes]
    if encoding.sample_bytes == 1:
        return to_rgb(pixels.reshape(len(rows), message.width, encoding.channels), encoding)
    order = ">u2" if message.is_bigendian else "<u2"
    samples = np.ascontiguousarray(pixels).view(order).astype(np.uint16, copy=False)
    return to_rgb(samples.reshape(len(rows), message.width, encoding.channels), encoding)


def to_rgb(pixels: NDArray[Any], encoding: Encoding) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB.

    Args:
        pixels: (rows, W, channels) uint8, or uint16 in this machine's order of bytes.
    """
    if pixels.dtype == np.uint16:
        # Before demosaicing, for one channel costs less than three; differs by rounding only.
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257).reshape(pixels.shape)
    if encoding.conversion is None:
        return np.asarray(pixels, np.uint8)
    return np.asarray(cv2.cvtColor(pixels, encoding.conversion), np.uint8)


def _check_size(encoding: Encoding, name: str, width: int, height: int) -> None:
    columns, rows = encoding.block
    if width % columns or height % rows:
        multiple = "width must be even" if rows == 1 else "width and height must be even"
        raise _invalid(
            f"{multiple} for {name}, whose neighbouring pixels share their colour, "
            f"got {width}x{height}"
        )
    if encoding.is_mosaic and min(width, height) < MIN_BAYER_SIDE:
        raise _invalid(
            f"a Bayer image needs at least {MIN_BAYER_SIDE}x{MIN_BAYER_SIDE} pixels, "
            f"got {width}x{height}"
        )


def _invalid(text: str) -> AnyviewError:
    return AnyviewError("invalid_image", text)

"""Images in every encoding and back the slow, obvious way, by the definitions of the encodings.

Nothing here comes from OpenCV: it is the oracle of what decodes with OpenCV.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# The value of each byte of a pixel of RGB, and of a Bayer pattern's first 2x2 pixels.
ORDER = {"rgb": "RGB", "bgr": "BGR", "rgba": "RGBA", "bgra": "BGRA"}
PAIRS = {"uyvy": "UYVY", "yuv422": "UYVY", "yuyv": "YUYV", "yuv422_yuy2": "YUYV"}
PLANES = {"nv12": "UV", "nv21": "VU"}
ALL = [
    *(f"{name}{bits}" for bits in (8, 16) for name in (*ORDER, "mono")),
    *(f"bayer_{p}{bits}" for bits in (8, 16) for p in ("rggb", "bggr", "gbrg", "grbg")),
    *PAIRS,
    *PLANES,
]


def split(encoding: str) -> tuple[str, int]:
    """("bayer_rggb", 16) of bayer_rggb16; YUV has 8 bits."""
    for bits in (16, 8):
        name = encoding.removesuffix(str(bits))
        if name != encoding and encoding not in PAIRS:
            return name, bits
    return encoding, 8


def yuv_of(rgb: Floats) -> Floats:
    """(..., 3) Y, U, V of RGB in 0..255: ITU-R BT.601, limited range."""
    red, green, blue = np.moveaxis(np.asarray(rgb, float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = 16 + luma * 219 / 255
    u = 128 + (blue - luma) / 1.772 * 224 / 255
    v = 128 + (red - luma) / 1.402 * 224 / 255
    return np.stack([y, u, v], axis=-1)


def rgb_of(y: Floats, u: Floats, v: Floats) -> Floats:
    """(..., 3) RGB in 0..255; the inverse of `yuv_of`, clipped. Luma below 16 counts as 16."""
    luma = np.maximum(np.asarray(y, float) - 16, 0) * 255 / 219
    red = luma + (np.asarray(v, float) - 128) * 255 / 224 * 1.402
    blue = luma + (np.asarray(u, float) - 128) * 255 / 224 * 1.772
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255)


def mosaic_colours(pattern: str, height: int, width: int) -> NDArray[np.int64]:
    """(H, W) 0 red, 1 green, 2 blue; the pattern names the pixels (0,0) (0,1) (1,0) (1,1)."""
    tile = np.array(["rgb".index(c) for c in pattern]).reshape(2, 2)
    return np.tile(tile, (height // 2 + 1, width // 2 + 1))[:height, :width]


def written(rgb: Bytes, encoding: str) -> NDArray[Any]:
    """(rows, samples a row), uint8 or uint16, of (H, W, 3) RGB; 16 bit is 257 times 8 bit.

    Chroma that pixels share is their mean; alpha is 77.
    """
    name, bits = split(encoding)
    height, width, _ = rgb.shape
    if name in PAIRS:
        yuv = yuv_of(rgb)
        shared = {"U": yuv[:, 0::2, 1] + yuv[:, 1::2, 1], "V": yuv[:, 0::2, 2] + yuv[:, 1::2, 2]}
        rows = np.empty((height, 2 * width))
        for at, letter in enumerate(PAIRS[name]):
            first = PAIRS[name].index("Y") == at
            luma = yuv[:, 0 if first else 1 :: 2, 0]
            rows[:, at::4] = luma if letter == "Y" else shared[letter] / 2
        return np.rint(rows).astype(np.uint8)
    if name in PLANES:
        yuv = yuv_of(rgb)
        squares = yuv.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
        chroma = np.stack([squares[..., "YUV".index(c)] for c in PLANES[name]], axis=-1)
        rows = np.concatenate([yuv[..., 0], chroma.reshape(height // 2, width)])
        return np.rint(rows).astype(np.uint8)
    if name == "mono":
        samples = np.rint(rgb @ [0.299, 0.587, 0.114])
    elif name in ORDER:
        channels = {**dict(zip("RGB", np.moveaxis(rgb, -1, 0), strict=True)), "A": 77}
        samples = np.empty((height, width, len(ORDER[name])))
        for at, letter in enumerate(ORDER[name]):
            samples[..., at] = channels[letter]
    else:
        colours = mosaic_colours(name.removeprefix("bayer_"), height, width)
        samples = np.take_along_axis(rgb, colours[..., None], axis=2)[..., 0]
    samples = samples.reshape(height, -1).astype(float)
    return (samples * 257).astype(np.uint16) if bits == 16 else samples.astype(np.uint8)


def read(samples: NDArray[Any], encoding: str, width: int) -> Floats:
    """(H, W, 3) RGB in 0..255, not rounded, of the rows that `written` gives."""
    name, bits = split(encoding)
    values = samples.astype(float) * (255 / 65535 if bits == 16 else 1)
    if name in PAIRS:
        order = PAIRS[name]
        luma = np.empty((len(values), width))
        luma[:, 0::2], luma[:, 1::2] = (values[:, i::4] for i, c in enumerate(order) if c == "Y")
        u = np.repeat(values[:, order.index("U") :: 4], 2, axis=1)
        v = np.repeat(values[:, order.index("V") :: 4], 2, axis=1)
        return rgb_of(luma, u, v)
    if name in PLANES:
        height = len(values) * 2 // 3
        chroma = values[height:].reshape(height // 2, width // 2, 2)
        full = chroma.repeat(2, axis=0).repeat(2, axis=1)
        order = PLANES[name]
        return rgb_of(values[:height], full[..., order.index("U")], full[..., order.index("V")])
    if name == "mono":
        return np.repeat(values[..., None], 3, axis=2)
    if name in ORDER:
        pixels = values.reshape(len(values), width, -1)
        return pixels[..., [ORDER[name].index(c) for c in "RGB"]]
    return demosaiced(values, name.removeprefix("bayer_"))


def demosaiced(mosaic: Floats, pattern: str) -> Floats:
    """(H, W, 3): a missing colour is the mean of its sites in the 3x3 around a pixel.

    At sites of its own colour a pixel keeps its value. At the border only the sites that exist
    count.
    """
    height, width = mosaic.shape
    colours = mosaic_colours(pattern, height, width)
    rgb = np.empty((height, width, 3))
    for colour in range(3):
        sites = np.pad(colours == colour, 1)
        values = np.where(sites, np.pad(mosaic, 1), 0.0)
        windows = [np.s_[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        mean = sum(values[w] for w in windows) / sum(sites[w].astype(int) for w in windows)
        rgb[..., colour] = np.where(colours == colour, mosaic, mean)
    return rgb


def raw_message(
    samples: NDArray[Any], encoding: str, size: tuple[int, int], padding: int = 0, big: bool = False
) -> Image:
    """An image message filled the slow way; each row ends in `padding` bytes of 99.

    Args:
        samples: as `written` gives them.
        size: (width, height).
        big: samples of 16 bits begin with the high byte.
    """
    order = ">" if big else "<"
    rows = samples.astype(samples.dtype.newbyteorder(order)).view(np.uint8)
    padded = np.pad(rows.reshape(len(samples), -1), ((0, 0), (0, padding)), constant_values=99)
    message = Image(width=size[0], height=size[1], encoding=encoding, is_bigendian=int(big))
    message.header.stamp.sec = 1
    message.header.frame_id = "front_optical_frame"
    message.step = padded.shape[1]
    message.data = array("B", padded.tobytes())
    return message


def compressed_message(content: bytes, format_: str) -> CompressedImage:
    message = CompressedImage(format=format_)
    message.header.stamp.sec = 1
    message.header.frame_id = "front_optical_frame"
    message.data = array("B", content)
    return message


def png(pixels: NDArray[Any]) -> bytes:
    """A png of (H, W) grey or (H, W, 3) RGB, uint8 or uint16 (W3C PNG, filter 0)."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    lines = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    header = png_header(width, height, 8 * pixels.dtype.itemsize, 0 if pixels.ndim == 2 else 2)
    return header + png_chunk(b"IDAT", lines) + png_chunk(b"IEND", b"")


def png_header(width: int, height: int, bits: int, colour: int) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", fields)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

"""Compressed images against Pillow and a png written by hand, and every refusal by its text."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.compression import MAX_PIXELS, check_compressed, decode_compressed
from tests.node.pixels import (
    ALL,
    compressed_message,
    png,
    png_chunk,
    png_header,
    read,
    written,
)


def scene(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth colours, so that a lossy code changes little; no symmetry, so that flips show."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rgb = np.stack([255 * x, 255 * y, 127 + 120 * np.sin(5 * x + 3 * y)], axis=-1)
    return np.rint(rgb).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "jpeg", **{"quality": 95, **options})
    return file.getvalue()


def pillow_rgb(content: bytes) -> NDArray[np.int64]:
    return np.asarray(Pillow.open(io.BytesIO(content)).convert("RGB")).astype(int)


# As compressed_image_transport writes them, for colours, grey and mosaics; and as drivers do.
FORMATS = [
    "jpeg",
    "jpg",
    "",
    "rgb8; jpeg compressed bgr8",
    "bgr8; jpeg compressed bgr8",
    "bgr8; jpeg",
    "jpeg; jpeg uncompressed",
    "8UC3; jpeg compressed bgr8",
    "yuv420; jpeg compressed bgr8",
    "RGB8; jpeg compressed bgr8",
]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_jpegs_are_decoded_as_pillow_does(format_: str, options: dict[str, Any]) -> None:
    content = jpeg(scene(46, 70), **options)
    message = compressed_message(content, format_)
    assert check_compressed(message) == (70, 46)
    decoded = decode_compressed(message)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded - pillow_rgb(content)).max() <= 2  # two builds of libjpeg-turbo
    assert np.abs(decoded - scene(46, 70).astype(int)).max() <= 12  # what the jpeg loses


@pytest.mark.skipif(
    importlib.util.find_spec("cv_bridge") is None, reason="cv_bridge is not installed"
)
@pytest.mark.parametrize("content", [jpeg(scene(46, 70)), png(scene(46, 70))])
def test_decoding_equals_cv_bridge(content: bytes) -> None:
    from cv_bridge import CvBridge

    message = compressed_message(content, "rgb8; jpeg compressed bgr8")
    expected = CvBridge().compressed_imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_array_equal(decode_compressed(message), expected)


@pytest.mark.parametrize(
    "format_", ["jpeg", "mono8; jpeg compressed ", "mono8; jpeg compressed mono8"]
)
def test_grey_jpegs(format_: str) -> None:
    grey = scene(40, 48)[..., 0]
    decoded = decode_compressed(compressed_message(jpeg(grey), format_))
    assert np.abs(decoded - grey[..., None].astype(int)).max() <= 3


def test_red_and_blue_exchanged_before_compressing() -> None:
    content = jpeg(scene(40, 48)[..., ::-1])
    decoded = decode_compressed(compressed_message(content, "rgb8; jpeg compressed rgb8"))
    assert np.abs(decoded - scene(40, 48).astype(int)).max() <= 12


@pytest.mark.parametrize(
    "format_", ["png", "rgb8; png compressed bgr8", "rgba8; png compressed bgra8"]
)
@pytest.mark.parametrize("alpha", [False, True])
def test_pngs_keep_every_pixel(format_: str, alpha: bool) -> None:
    rgb = scene(9, 13)
    pixels = np.dstack([rgb, np.full((9, 13), 77, np.uint8)]) if alpha else rgb
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    decoded = decode_compressed(compressed_message(file.getvalue(), format_))
    np.testing.assert_array_equal(decoded, rgb)


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA"])
def test_pngs_of_every_kind(mode: str) -> None:
    file = io.BytesIO()
    Pillow.fromarray(scene(9, 13)).convert(mode).save(file, "png")
    message = compressed_message(file.getvalue(), "png")
    assert check_compressed(message) == (13, 9)
    np.testing.assert_array_equal(decode_compressed(message), pillow_rgb(file.getvalue()))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    colour=st.booleans(),
    bits=st.sampled_from([8, 16]),
    seed=st.integers(0, 99),
)
def test_pngs_written_by_hand_survive(
    size: tuple[int, int], colour: bool, bits: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (*size, 3) if colour else size
    pixels = rng.integers(0, 2**bits, shape).astype(np.uint16 if bits == 16 else np.uint8)
    message = compressed_message(png(pixels), "png")
    assert check_compressed(message) == size[::-1]
    expected = np.rint(pixels / 257) if bits == 16 else pixels
    expected = expected if colour else np.repeat(expected[..., None], 3, axis=2)
    np.testing.assert_array_equal(decode_compressed(message), expected)


@pytest.mark.parametrize("encoding", [e for e in ALL if "bayer" in e or "mono" in e])
def test_a_png_of_one_channel_is_read_as_its_source_encoding(encoding: str) -> None:
    samples = written(scene(8, 12), encoding)
    message = compressed_message(png(samples), f"{encoding}; png compressed ")
    difference = np.abs(decode_compressed(message) - read(samples, encoding, 12))
    assert difference[1:-1, 1:-1].max() <= 1.01


def test_a_colour_jpeg_of_a_mosaic_is_not_demosaiced_again() -> None:
    content = jpeg(scene(40, 48))
    decoded = decode_compressed(compressed_message(content, "bayer_rggb8; jpeg compressed bgr8"))
    assert np.abs(decoded - scene(40, 48).astype(int)).max() <= 12


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((320, 240), (0, 0), (320, 240)),
        ((320, 240), (320, 240), (320, 240)),
        ((320, 240), (161, 100), (320, 240)),
        ((320, 240), (160, 120), (160, 120)),
        ((320, 240), (60, 50), (80, 60)),
        ((320, 240), (1, 1), (40, 30)),
        ((322, 240), (1, 1), (161, 120)),  # the camera of 322/4 pixels has no whole number of them
        ((321, 240), (1, 1), (321, 240)),
    ],
)
@pytest.mark.parametrize("grey", [False, True])
def test_jpegs_may_come_reduced(
    size: tuple[int, int], at_least: tuple[int, int], expected: tuple[int, int], grey: bool
) -> None:
    rgb = scene(size[1], size[0])
    pixels = rgb[..., 0] if grey else rgb
    decoded = decode_compressed(compressed_message(jpeg(pixels), "jpeg"), at_least)
    assert decoded.shape == (expected[1], expected[0], 3)
    factor = size[0] // expected[0]
    blocks = (expected[1], factor, expected[0], factor, -1)
    mean = pixels.reshape(blocks).mean(axis=(1, 3))
    assert np.abs(decoded - mean).max() < 6  # a shift by half a reduced pixel shows in scene()
    if factor > 1:
        assert np.abs(decoded[:, 1:] - mean[:, :-1]).mean() > np.abs(decoded - mean).mean() + 0.3


def test_pngs_and_mosaics_come_whole() -> None:
    whole = decode_compressed(compressed_message(png(scene(16, 16)), "png"), (1, 1))
    assert whole.shape == (16, 16, 3)
    mosaic = jpeg(written(scene(16, 16), "bayer_rggb8"))
    message = compressed_message(mosaic, "bayer_rggb8; jpeg compressed ")
    assert decode_compressed(message, (1, 1)).shape == (16, 16, 3)


def test_the_orientation_in_exif_is_not_followed() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    content = jpeg(scene(40, 64), exif=exif)
    assert decode_compressed(compressed_message(content, "jpeg")).shape == (40, 64, 3)


def test_a_thumbnail_does_not_stand_for_the_image() -> None:
    """Its size and its end marker lie inside of the header of the image around it."""
    thumbnail = jpeg(scene(8, 8))
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    content = jpeg(scene(40, 64))
    around = content[:2] + segment + content[2:]
    assert check_compressed(compressed_message(around, "jpeg")) == (64, 40)
    with pytest.raises(AnyviewError, match="end marker is missing"):
        check_compressed(compressed_message(around[: len(around) // 2], "jpeg"))


def test_bytes_after_the_end_do_not_matter() -> None:
    content = jpeg(scene(40, 64))
    padded = decode_compressed(compressed_message(content + bytes(100), "jpeg"))
    np.testing.assert_array_equal(padded, decode_compressed(compressed_message(content, "jpeg")))


def bomb_png(width: int, height: int) -> bytes:
    return png_header(width, height, 8, 2) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


def bomb_jpeg(width: int, height: int) -> bytes:
    """A small jpeg that claims to be large."""
    content = bytearray(jpeg(scene(8, 8)))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


def many_scans(count: int) -> bytes:
    """A progressive jpeg whose last scan is repeated; each costs a pass over the whole image."""
    content = jpeg(scene(40, 48), progressive=True)
    at = content.rindex(b"\xff\xda")
    return content[:at] + content[at:-2] * count + content[-2:]


JPEG, PNG = jpeg(scene(40, 48)), png(scene(40, 48))
MILLIONS = MAX_PIXELS // 1_000_000


@pytest.mark.parametrize(
    ("content", "format_", "code", "text"),
    [
        (JPEG[:-2], "jpeg", "invalid_image", "whole jpeg is needed, .* end marker is missing"),
        (JPEG[: len(JPEG) // 2], "jpeg", "invalid_image", "that are truncated"),
        (JPEG[:10], "jpeg", "invalid_image", "got 10 bytes that are truncated"),
        (JPEG[:2] + JPEG[-2:], "jpeg", "invalid_image", "whole jpeg is needed, got 4 bytes"),
        (PNG[:-1], "png", "invalid_image", "whole png is needed, .* last chunk is missing"),
        (PNG[: len(PNG) // 2], "png", "invalid_image", "that are truncated"),
        (PNG[:20], "png", "invalid_image", "got 20 bytes that are truncated"),
        (PNG[:8] + png_chunk(b"IEND", b""), "png", "invalid_image", "truncated"),
        (bomb_png(60000, 60000), "png", "invalid_image", "png of 60000x60000 .* a side must be"),
        (bomb_png(8192, 8192), "png", "invalid_image", f"at most {MILLIONS} million pixels"),
        (bomb_png(0, 5), "png", "invalid_image", "png of 0x5 pixels is refused: a side must be"),
        (bomb_jpeg(65500, 65500), "jpeg", "invalid_image", "jpeg of 65500x65500 .* 1..8192"),
        (bomb_jpeg(8000, 8000), "jpeg", "invalid_image", f"at most {MILLIONS} million pixels"),
        (many_scans(100), "jpeg", "invalid_image", "jpeg of 48x40 .* more than 64 scans"),
        (bomb_jpeg(64, 0), "jpeg", "invalid_image", "jpeg of 64x0 pixels"),
        (b"", "jpeg", "unsupported_encoding", "jpeg or png, got format 'jpeg' and 0 bytes"),
        (b"\0\0\0\x01g", "h264", "unsupported_encoding", "'h264' and 5 bytes .* '00 00 00 01'"),
        (bytes(12) + PNG, "16UC1; compressedDepth png", "unsupported_encoding", "got '16UC1'"),
        (PNG, "32FC1; png compressed ", "unsupported_encoding", "got '32FC1'"),
    ],
)
def test_unusable_images_are_refused_without_decoding(
    content: bytes, format_: str, code: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("cv2.imdecode")
    message = compressed_message(content, format_)
    for refuse in (check_compressed, decode_compressed):
        with pytest.raises(AnyviewError, match=text) as error:
            refuse(message)
        assert error.value.code == code


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        (png_header(4, 4, 8, 2) + png_chunk(b"IDAT", b"no zlib") + png_chunk(b"IEND", b""), "png"),
        (bomb_png(64, 48), "png"),
        (JPEG.replace(b"\xff\xdb", b"\xff\xee"), "jpeg"),  # without its quantisation tables
    ],
)
def test_damage_that_only_decoding_shows_is_refused(content: bytes, format_: str) -> None:
    message = compressed_message(content, format_)
    check_compressed(message)
    with pytest.raises(AnyviewError, match="content is damaged and cannot be decoded") as error:
        decode_compressed(message)
    assert error.value.code == "invalid_image"


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from([JPEG, PNG]),
    cut=st.integers(0, 4000),
    at=st.integers(0, 4000),
    value=st.integers(0, 255),
)
def test_damaged_files_are_decoded_or_refused_by_name(
    content: bytes, cut: int, at: int, value: int
) -> None:
    damaged = bytearray(content[: len(content) - cut] or content)
    damaged[at % len(damaged)] = value
    assert outcome(bytes(damaged)) in ("decoded", "invalid_image", "unsupported_encoding")


def outcome(content: bytes) -> str:
    try:
        decoded = decode_compressed(compressed_message(content, "jpeg"))
    except AnyviewError as error:
        return error.code
    return "decoded" if 3 <= decoded.size <= 3 * MAX_PIXELS else "of no size"

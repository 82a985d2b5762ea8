"""Every encoding against the slow reference, and every refusal by its text."""

from __future__ import annotations

import importlib.util
from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.encodings import ENCODINGS, check_encoding, decode
from tests.node.pixels import ALL, mosaic_colours, raw_message, read, split, written

SIZE = (12, 8)


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng([seed, *shape]).integers(0, 256, shape, np.uint8)


def random_samples(encoding: str, size: tuple[int, int], seed: int = 0) -> NDArray[Any]:
    """Any bytes are an image: rows of samples such as `written` gives."""
    empty = written(np.zeros((size[1], size[0], 3), np.uint8), encoding)
    high = np.iinfo(empty.dtype).max
    rng = np.random.default_rng([seed, *size])
    return rng.integers(0, high, empty.shape, empty.dtype, endpoint=True)


def worst(decoded: NDArray[np.uint8], expected: NDArray[np.float64], encoding: str) -> float:
    """Levels of difference; a mosaic's border pixels lack neighbours and do not count."""
    difference = np.abs(decoded - expected)
    return float((difference[1:-1, 1:-1] if "bayer" in encoding else difference).max())


def test_the_reference_covers_every_encoding() -> None:
    assert set(ALL) == set(ENCODINGS)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ALL)
def test_any_bytes_are_decoded_as_the_slow_reference(encoding: str, padding: int) -> None:
    samples = random_samples(encoding, SIZE)
    decoded = decode(raw_message(samples, encoding, SIZE, padding))
    assert decoded.shape == (8, 12, 3)
    assert decoded.dtype == np.uint8
    # Rounding; OpenCV's YUV has 20 bits of fraction and 16-bit mosaics are rounded twice.
    assert worst(decoded, read(samples, encoding, SIZE[0]), encoding) <= 1.01


@pytest.mark.parametrize(("name", "meaning"), [("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv")])
def test_the_older_names_mean_the_same(name: str, meaning: str) -> None:
    samples = random_samples(name, SIZE)
    decoded = decode(raw_message(samples, name, SIZE))
    np.testing.assert_array_equal(decode(raw_message(samples, meaning, SIZE)), decoded)
    other = {"uyvy": "yuyv", "yuyv": "uyvy"}[meaning]
    assert not np.array_equal(decode(raw_message(samples, other, SIZE)), decoded)


@pytest.mark.parametrize("encoding", [e for e in ALL if "bayer" not in e])
def test_a_uniform_colour_survives_writing_and_reading(encoding: str) -> None:
    colour = (200, 90, 30) if "mono" not in encoding else (90, 90, 90)
    rgb = np.full((8, 12, 3), colour, np.uint8)
    decoded = decode(raw_message(written(rgb, encoding), encoding, SIZE))
    tolerance = 2 if ENCODINGS[encoding].block != (1, 1) else 0  # chroma has 224 levels
    assert np.abs(decoded.astype(int) - rgb).max() <= tolerance


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from([e for e in ALL if split(e)[0] in ("rgb", "bgr", "rgba", "bgra")]),
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    padding=st.integers(0, 9),
    big=st.booleans(),
    seed=st.integers(0, 99),
)
def test_colours_survive_the_round_trip(
    encoding: str, width: int, height: int, padding: int, big: bool, seed: int
) -> None:
    rgb = noise(height, width, 3, seed=seed)
    message = raw_message(written(rgb, encoding), encoding, (width, height), padding, big)
    assert check_encoding(message) == (width, height)
    np.testing.assert_array_equal(decode(message), rgb)


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(ALL),
    half=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    padding=st.integers(0, 9),
    big=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_size_padding_and_order_of_bytes(
    encoding: str, half: tuple[int, int], padding: int, big: bool, seed: int
) -> None:
    size = 2 * half[0], 2 * half[1]
    samples = random_samples(encoding, size, seed)
    decoded = decode(raw_message(samples, encoding, size, padding, big))
    assert worst(decoded, read(samples, encoding, size[0]), encoding) <= 1.01


@pytest.mark.parametrize("encoding", [e for e in ALL if split(e)[1] == 16])
def test_the_wrong_order_of_bytes_would_show(encoding: str) -> None:
    samples = random_samples(encoding, SIZE)
    message = raw_message(samples, encoding, SIZE, big=True)
    message.is_bigendian = 0
    assert worst(decode(message), read(samples, encoding, SIZE[0]), encoding) > 50


@pytest.mark.parametrize("name", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_mosaic_keeps_a_pure_colour(name: str, bits: int) -> None:
    for channel in range(3):
        rgb = np.zeros((6, 8, 3), np.uint8)
        rgb[..., channel] = 200
        encoding = f"bayer_{name}{bits}"
        decoded = decode(raw_message(written(rgb, encoding), encoding, (8, 6)))
        np.testing.assert_array_equal(decoded, rgb)


def test_odd_sizes_of_a_mosaic() -> None:
    samples = random_samples("bayer_grbg8", (7, 5))
    decoded = decode(raw_message(samples, "bayer_grbg8", (7, 5)))
    assert worst(decoded, read(samples, "bayer_grbg8", 7), "bayer") <= 1.01


def test_the_reference_tells_the_patterns_apart() -> None:
    assert mosaic_colours("grbg", 2, 3).tolist() == [[1, 0, 1], [2, 1, 2]]
    samples = random_samples("bayer_rggb8", SIZE)
    decoded = decode(raw_message(samples, "bayer_rggb8", SIZE))
    for other in ("bggr", "gbrg", "grbg"):
        assert worst(decoded, read(samples, f"bayer_{other}8", SIZE[0]), "bayer") > 50


def test_mono16_scales_the_full_range() -> None:
    samples = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    decoded = decode(raw_message(samples, "mono16", (6, 1)))
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


@pytest.mark.parametrize("padding", [0, 5])
def test_rgb8_is_a_read_only_view_of_the_message(padding: int) -> None:
    message = raw_message(written(noise(8, 12, 3), "rgb8"), "rgb8", SIZE, padding)
    view = memoryview(message.data).toreadonly()
    message_like = type("Like", (), {**fields(message), "data": view})
    decoded = decode(message_like)
    assert np.shares_memory(decoded, np.frombuffer(view, np.uint8))
    assert not decoded.flags.writeable


def fields(message: Image) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.get_fields_and_field_types()}


@pytest.mark.skipif(
    importlib.util.find_spec("cv_bridge") is None, reason="cv_bridge is not installed"
)
@pytest.mark.parametrize("encoding", [e for e in ALL if e not in ("nv12", "nv21")])
def test_decoding_equals_cv_bridge(encoding: str) -> None:
    from cv_bridge import CvBridge, CvBridgeError

    message = raw_message(random_samples(encoding, SIZE), encoding, SIZE)
    try:
        expected = CvBridge().imgmsg_to_cv2(message, "rgb8").astype(int)
    except CvBridgeError as error:
        pytest.skip(f"this cv_bridge knows no {encoding}: {error}")  # 3.4 knows no uyvy, yuyv
    # A 16-bit mosaic is brought to 8 bits before demosaicing, there after it; and rounding.
    tolerance = 1 if encoding.endswith("16") else 0
    assert np.abs(decode(message) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("encoding", "change", "code", "text"),
    [
        ("rgb8", {"encoding": "16UC1"}, "unsupported_encoding", "rgb8, bgr8, .* got '16UC1'"),
        ("rgb8", {"encoding": "8UC3"}, "unsupported_encoding", "got '8UC3'; convert it in"),
        ("rgb8", {"encoding": ""}, "unsupported_encoding", "got ''"),
        ("rgb8", {"width": 0}, "invalid_image", "1..8192 pixels a side, got 0x8"),
        ("rgb8", {"height": 0}, "invalid_image", "got 12x0"),
        ("rgb8", {"width": 100000}, "invalid_image", "got 100000x8"),
        ("rgb8", {"step": 35}, "invalid_image", "at least 36 bytes for 12 pixels of rgb8, got 35"),
        ("rgb8", {"step": 2**32 - 1}, "invalid_image", "4294967295 x 8 = 34359738360 bytes"),
        ("rgb8", {"step": 37}, "invalid_image", "37 x 8 = 296 bytes, got 288"),
        ("rgb8", {"data": array("B", bytes(287))}, "invalid_image", "288 bytes, got 287"),
        ("rgb8", {"data": array("B")}, "invalid_image", "288 bytes, got 0"),
        ("mono16", {"step": 12}, "invalid_image", "at least 24 bytes for 12 pixels of mono16"),
        ("bgra8", {"step": 36}, "invalid_image", "at least 48 bytes for 12 pixels of bgra8"),
        ("uyvy", {"width": 11}, "invalid_image", "width must be even for uyvy.* got 11x8"),
        ("yuyv", {"width": 11}, "invalid_image", "width must be even for yuyv"),
        ("nv12", {"width": 11}, "invalid_image", "width and height must be even for nv12"),
        ("nv21", {"height": 7}, "invalid_image", "even for nv21, .* share their colour, got 12x7"),
        ("nv12", {"data": array("B", bytes(96))}, "invalid_image", r"12 x 8 x 3/2 = 144 .* got 96"),
        ("bayer_rggb8", {"height": 2}, "invalid_image", "at least 3x3 pixels, got 12x2"),
    ],
)
def test_unusable_images_are_refused(
    encoding: str, change: dict[str, object], code: str, text: str
) -> None:
    message = raw_message(random_samples(encoding, SIZE), encoding, SIZE)
    for name, value in change.items():
        setattr(message, name, value)
    for refuse in (check_encoding, decode):
        with pytest.raises(AnyviewError, match=text) as error:
            refuse(message)
        assert error.value.code == code


@settings(max_examples=300, deadline=None)
@given(
    encoding=st.sampled_from([*ALL, "", "8UC3"]),
    width=st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1)),
    height=st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1)),
    step=st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)),
    rows=st.sampled_from([1.0, 1.5, 0.5]),
    big=st.integers(0, 255),
)
def test_any_image_is_decoded_or_refused_by_name(
    encoding: str, width: int, height: int, step: int, rows: float, big: int
) -> None:
    message = SimpleNamespace(
        encoding=encoding,
        width=width,
        height=height,
        step=step,
        is_bigendian=big,
        data=memoryview(bytes(min(int(step * height * rows), 10_000))),
    )
    try:
        decoded = decode(message)
    except AnyviewError as error:
        event(error.code)
        return
    event("decoded")
    assert decoded.shape == (height, width, 3)

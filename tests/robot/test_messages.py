"""Messages to values and back, against slow references and the definitions of the messages."""

from __future__ import annotations

import importlib.util
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from transforms3d.euler import euler2mat

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse
from anyview_ros.robot import messages

CAMERA = Camera(640, 480, 500.0, 510.0, 330.0, 250.0)


def raw_image(
    pixels: NDArray[np.uint8], encoding: str, padding: int = 0, stamp_ns: int = 1_500_000_000
) -> Image:
    """An image message filled the slow way; each row ends in `padding` bytes of 99."""
    rows = pixels.reshape(pixels.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.header.stamp = messages.time_message(stamp_ns)
    message.header.frame_id = "front_optical_frame"
    message.step = padded.shape[1]
    message.data = array("B", padded.ravel().tolist())
    return message


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def demosaic_rggb(mosaic: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(H - 2, W - 2, 3): a missing colour is the mean of its sites in the 3x3 around a pixel.

    At sites of its own colour a pixel keeps its value.
    """
    height, width = mosaic.shape
    colour = np.ones((height, width), int)
    colour[0::2, 0::2], colour[1::2, 1::2] = 0, 2
    rgb = np.zeros((height - 2, width - 2, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for c in range(3):
                window = np.s_[y - 1 : y + 2, x - 1 : x + 2]
                own = colour[y, x] == c
                sites = colour[window] == c
                rgb[y - 1, x - 1, c] = mosaic[y, x] if own else mosaic[window][sites].mean()
    return rgb


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_message(stamp_ns: int) -> None:
    assert messages.stamp_ns(messages.time_message(stamp_ns)) == stamp_ns


@pytest.mark.parametrize("padding", [0, 5])
def test_rgb8_is_a_view_of_the_message(padding: int) -> None:
    pixels = noise(4, 6, 3)
    message = raw_image(pixels, "rgb8", padding)
    decoded = messages.rgb_from_image(message)
    np.testing.assert_array_equal(decoded, pixels)
    assert np.shares_memory(decoded, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("padding", [0, 5])
def test_bgr8_and_mono8(padding: int) -> None:
    pixels = noise(4, 6, 3)
    bgr = raw_image(pixels[..., ::-1].copy(), "bgr8", padding)
    np.testing.assert_array_equal(messages.rgb_from_image(bgr), pixels)
    grey = messages.rgb_from_image(raw_image(pixels[..., 0].copy(), "mono8", padding))
    np.testing.assert_array_equal(grey, np.repeat(pixels[..., :1], 3, axis=2))


@pytest.mark.parametrize("padding", [0, 5])
def test_bayer_is_demosaiced_as_the_slow_reference(padding: int) -> None:
    mosaic = noise(9, 12)
    decoded = messages.rgb_from_image(raw_image(mosaic, "bayer_rggb8", padding)).astype(int)
    assert np.abs(decoded[1:-1, 1:-1] - demosaic_rggb(mosaic)).max() <= 1  # rounding
    shifted = messages.rgb_from_image(raw_image(np.roll(mosaic, 1, axis=1), "bayer_rggb8"))
    assert np.abs(shifted[1:-1, 1:-1].astype(int) - demosaic_rggb(mosaic)).max() > 50


@pytest.mark.parametrize("channel", range(3))
def test_bayer_keeps_a_pure_colour(channel: int) -> None:
    mosaic = np.zeros((6, 8), np.uint8)
    sites = [np.s_[0::2, 0::2], (np.s_[0::2, 1::2], np.s_[1::2, 0::2]), np.s_[1::2, 1::2]][channel]
    for site in sites if channel == 1 else (sites,):
        mosaic[site] = 200
    decoded = messages.rgb_from_image(raw_image(mosaic, "bayer_rggb8"))
    assert (decoded[..., channel] == 200).all()
    assert not np.delete(decoded, channel, axis=2).any()


@pytest.mark.skipif(
    importlib.util.find_spec("cv_bridge") is None, reason="cv_bridge is not installed"
)
@pytest.mark.parametrize("encoding", list(messages.BYTES_PER_PIXEL))
def test_decoding_equals_cv_bridge(encoding: str) -> None:
    from cv_bridge import CvBridge

    depth = messages.BYTES_PER_PIXEL[encoding]
    message = raw_image(noise(10, 14, depth), encoding)
    expected = CvBridge().imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_array_equal(messages.rgb_from_image(message), expected)


def test_image_message_is_what_the_slow_way_makes() -> None:
    pixels = noise(5, 7, 3)
    fast = messages.image_message(pixels, 1_500_000_000, "front_optical_frame")
    assert fast == raw_image(pixels, "rgb8")
    assert fast.data.typecode == "B"
    upside_down = messages.image_message(pixels[::-1], 1, "a")  # not contiguous
    np.testing.assert_array_equal(messages.rgb_from_image(upside_down), pixels[::-1])


def test_images_survive_serialization() -> None:
    pixels = noise(5, 7, 3)
    sent = messages.image_message(pixels, 7, "a")
    received = deserialize_message(serialize_message(sent), Image)
    np.testing.assert_array_equal(messages.rgb_from_image(received), pixels)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"encoding": "16UC1"}, "unsupported_encoding", "rgb8, bgr8, mono8, .* got '16UC1'"),
        ({"encoding": ""}, "unsupported_encoding", "got ''"),
        ({"width": 0}, "invalid_image", "1..8192 pixels a side, got 0x4"),
        ({"height": 0}, "invalid_image", "got 6x0"),
        ({"width": 100000}, "invalid_image", "got 100000x4"),
        ({"step": 17}, "invalid_image", "at least 18 bytes for 6 pixels of rgb8, got 17"),
        ({"step": 19}, "invalid_image", r"19 x 4 = 76 bytes, got 72"),
        ({"data": array("B", bytes(71))}, "invalid_image", "18 x 4 = 72 bytes, got 71"),
        ({"data": array("B")}, "invalid_image", "72 bytes, got 0"),
    ],
)
def test_unusable_images_are_refused(change: dict[str, object], code: str, text: str) -> None:
    message = raw_image(noise(4, 6, 3), "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(AnyviewError, match=text) as error:
        messages.rgb_from_image(message)
    assert error.value.code == code


def test_unusable_headers_are_refused() -> None:
    message = raw_image(noise(4, 6, 3), "rgb8", stamp_ns=0)
    with pytest.raises(AnyviewError, match=r"set header\.stamp in the camera driver") as error:
        messages.check_image(message)
    assert error.value.code == "zero_stamp"
    message = raw_image(noise(4, 6, 3), "rgb8")
    message.header.frame_id = ""
    with pytest.raises(AnyviewError, match=r"empty header\.frame_id") as error:
        messages.check_image(message)
    assert error.value.code == "empty_frame_id"


def test_a_bayer_image_too_small_to_demosaic_is_refused() -> None:
    with pytest.raises(AnyviewError, match="at least 3x3 pixels, got 5x2"):
        messages.rgb_from_image(raw_image(noise(2, 5), "bayer_rggb8"))


def test_camera_info_round_trip() -> None:
    info = messages.info_message(CAMERA, 1_500_000_000, "front_optical_frame")
    received = deserialize_message(serialize_message(info), CameraInfo)
    view = messages.camera_from_info(received)
    assert view.camera == CAMERA
    np.testing.assert_array_equal(view.frame_from_cam, np.eye(4))
    assert messages.stamp_ns(received.header.stamp) == 1_500_000_000


def test_k_is_used_where_p_is_unset() -> None:
    info = messages.info_message(CAMERA, 1, "a")
    info.p, info.r = [0.0] * 12, [0.0] * 9
    assert messages.camera_from_info(info).camera == CAMERA


@settings(max_examples=50)
@given(
    angles=st.tuples(*[st.floats(-0.2, 0.2)] * 3),
    shift=st.tuples(*[st.floats(-100, 100)] * 2),
    offset=st.tuples(st.integers(0, 200), st.integers(0, 100)),
    binning=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    point=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(2, 9)),
)
def test_a_point_is_seen_where_camera_info_says(
    angles: tuple[float, ...],
    shift: tuple[float, float],
    offset: tuple[int, int],
    binning: tuple[int, int],
    point: tuple[float, ...],
) -> None:
    rectifying = euler2mat(*angles)
    p = np.array([[400.0, 0, 300, shift[0]], [0, 420, 200, shift[1]], [0, 0, 1, 0]])
    info = messages.info_message(CAMERA, 1, "a")
    info.r, info.p, info.d = rectifying.ravel(), p.ravel(), [0.1, 0.0, 0.0, 0.0, 0.0]
    info.roi = RegionOfInterest(x_offset=offset[0], y_offset=offset[1], width=400, height=300)
    info.binning_x, info.binning_y = binning

    view = messages.camera_from_info(info, "off")
    in_cam = inverse(view.frame_from_cam) @ (*point, 1.0)
    seen = (view.camera.matrix @ in_cam[:3])[:2] / in_cam[2]

    u, v, w = p @ (*(rectifying @ point), 1.0)
    bins = np.maximum(binning, 1)
    in_window = np.array([u / w, v / w]) - offset
    # A merged pixel's centre is the mean of its pixels' centres.
    np.testing.assert_allclose(seen * bins + (bins - 1) / 2, in_window, atol=1e-6)
    assert (view.camera.width, view.camera.height) == (400 // bins[0], 300 // bins[1])
    assert messages.image_size(info) == (view.camera.width, view.camera.height)


def test_the_right_camera_of_a_stereo_pair_stands_to_the_right() -> None:
    info = messages.info_message(CAMERA, 1, "left_optical_frame")
    info.p[3] = -CAMERA.fx * 0.12
    view = messages.camera_from_info(info)
    np.testing.assert_allclose(view.frame_from_cam[:3, 3], (0.12, 0, 0), atol=1e-12)


def with_fields(**fields: object) -> CameraInfo:
    info = messages.info_message(CAMERA, 1, "a")
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def k_with(index: int, value: float) -> list[float]:
    k = CAMERA.matrix.ravel().tolist()
    k[index] = value
    return k


def p_with(index: int, value: float) -> list[float]:
    p = np.hstack([CAMERA.matrix, np.zeros((3, 1))]).ravel().tolist()
    p[index] = value
    return p


@pytest.mark.parametrize(
    ("info", "code", "text"),
    [
        (CameraInfo(), "uncalibrated_camera", r"K\[0\] = 0 \(uncalibrated\); calibrate"),
        (with_fields(k=k_with(1, 0.5)), "skewed_camera", r"K\[0\]\[1\] must be 0, got 0.5"),
        (with_fields(p=p_with(1, 0.5)), "skewed_camera", r"P\[0\]\[1\] must be 0, got 0.5"),
        (with_fields(k=k_with(0, np.nan)), "inconsistent_camera_info", "must be finite"),
        (with_fields(d=[np.inf]), "inconsistent_camera_info", "must be finite"),
        (with_fields(k=k_with(0, -500.0)), "inconsistent_camera_info", "must be positive"),
        (with_fields(k=k_with(4, 0.0)), "inconsistent_camera_info", "must be positive"),
        (with_fields(k=k_with(6, 1.0)), "inconsistent_camera_info", "fx 0 cx; 0 fy cy; 0 0 1"),
        (with_fields(p=p_with(11, 1.0)), "inconsistent_camera_info", "row 0 0 1 0"),
        (with_fields(p=p_with(0, 480.0)), "inconsistent_camera_info", "another camera than K"),
        (
            with_fields(r=[2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
            "inconsistent_camera_info",
            "a rotation",
        ),
        (
            with_fields(r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0]),
            "inconsistent_camera_info",
            "a rotation",
        ),
        (
            with_fields(r=euler2mat(0.1, 0, 0).ravel()),
            "inconsistent_camera_info",
            "set the camera's parameter rectify to 'off'",
        ),
        (
            with_fields(d=[-0.3, 0.1, 0.0, 0.0, 0.0]),
            "unrectified_camera",
            r"plumb_bob \[-0.3, 0.1, .*subscribe to image_proc's image_rect, or set",
        ),
        (
            with_fields(roi=RegionOfInterest(x_offset=600, width=100, height=10)),
            "inconsistent_camera_info",
            r"100x10 at \(600, 0\) must lie inside the full image 640x480",
        ),
        (with_fields(binning_x=1000), "invalid_camera", "got 0x480"),
        (with_fields(width=0), "invalid_camera", "got 0x480"),
        (with_fields(width=100000), "invalid_camera", "got 100000x480"),
    ],
)
def test_unusable_camera_infos_are_refused(info: CameraInfo, code: str, text: str) -> None:
    with pytest.raises(AnyviewError, match=text) as error:
        messages.camera_from_info(info)
    assert error.value.code == code


DISTORTED = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("rectify", "topic", "accepted"),
    [
        ("auto", "/front/image_raw", False),
        ("auto", "/front/image_rect", True),
        ("auto", "/front/image_rect_color", True),
        ("auto", "/camera/infra1/image_rect_raw", True),
        ("auto", "/zed/left/color/rect/image", True),
        ("auto", "/director/direct_image", False),
        ("auto", "/rect/image_raw", False),
        ("off", "/front/image_raw", True),
    ],
)
def test_distortion_is_accepted_on_streams_declared_rectified(
    rectify: str, topic: str, accepted: bool
) -> None:
    if accepted:
        view = messages.camera_from_info(with_fields(**DISTORTED), rectify, topic)
        assert view.camera == CAMERA
    else:
        with pytest.raises(AnyviewError, match="must be rectified"):
            messages.camera_from_info(with_fields(**DISTORTED), rectify, topic)


def test_a_rectified_stream_needs_p() -> None:
    with pytest.raises(AnyviewError, match="P must describe the rectified image"):
        messages.camera_from_info(with_fields(p=[0.0] * 12, **DISTORTED), "off")


def test_rectifying_here_is_refused_by_name() -> None:
    with pytest.raises(AnyviewError, match="'on' is not available in this version") as error:
        messages.camera_from_info(messages.info_message(CAMERA, 1, "a"), "on")
    assert error.value.code == "not_available"
    with pytest.raises(AnyviewError, match="one of auto, on, off, got 'yes'") as error:
        messages.camera_from_info(messages.info_message(CAMERA, 1, "a"), "yes")
    assert error.value.code == "invalid_parameter"

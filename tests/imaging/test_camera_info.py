"""Camera infos to lenses: the definitions of the message as laws, and every refusal by its text."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from transforms3d.euler import euler2mat

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse
from anyview_ros.imaging.camera_info import camera_from_info, image_size, lens_from_info
from anyview_ros.imaging.rectification import Rectifier
from anyview_ros.node.messages import info_message

CAMERA = Camera(640, 480, 500.0, 510.0, 330.0, 250.0)
PLUMB_BOB = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0]}
RATIONAL = "rational_polynomial"
FISHEYE = {"d": [0.02, 0.01, 0.0, 0.0], "distortion_model": "equidistant"}


def with_fields(**fields: object) -> CameraInfo:
    info = info_message(CAMERA, 1, "a")
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


def test_camera_info_round_trip() -> None:
    info = info_message(CAMERA, 1_500_000_000, "front_optical_frame")
    received = deserialize_message(serialize_message(info), CameraInfo)
    view = camera_from_info(received)
    assert view.camera == CAMERA
    np.testing.assert_array_equal(view.frame_from_cam, np.eye(4))
    assert lens_from_info(received).is_pinhole


@pytest.mark.parametrize("distortion", [{}, PLUMB_BOB, FISHEYE])
def test_k_is_used_where_p_is_unset(distortion: dict[str, object]) -> None:
    info = with_fields(p=[0.0] * 12, r=[0.0] * 9, **distortion)
    assert camera_from_info(info).camera == CAMERA


@settings(max_examples=50)
@given(
    angles=st.tuples(*[st.floats(-0.2, 0.2)] * 3),
    shift=st.tuples(*[st.floats(-100, 100)] * 2),
    offset=st.tuples(st.integers(0, 200), st.integers(0, 100)),
    binning=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    point=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(2, 9)),
    rectify=st.sampled_from(["auto", "on", "off"]),
)
def test_a_point_is_seen_where_camera_info_says(
    angles: tuple[float, ...],
    shift: tuple[float, float],
    offset: tuple[int, int],
    binning: tuple[int, int],
    point: tuple[float, ...],
    rectify: str,
) -> None:
    rectifying = euler2mat(*angles)
    p = np.array([[400.0, 0, 300, shift[0]], [0, 420, 200, shift[1]], [0, 0, 1, 0]])
    info = info_message(CAMERA, 1, "a")
    info.r, info.p, info.d = rectifying.ravel(), p.ravel(), [0.1, 0.0, 0.0, 0.0, 0.0]
    info.roi = RegionOfInterest(x_offset=offset[0], y_offset=offset[1], width=400, height=300)
    info.binning_x, info.binning_y = binning

    view = camera_from_info(info, rectify)
    in_cam = inverse(view.frame_from_cam) @ (*point, 1.0)
    seen = (view.camera.matrix @ in_cam[:3])[:2] / in_cam[2]

    u, v, w = p @ (*(rectifying @ point), 1.0)
    bins = np.maximum(binning, 1)
    in_window = np.array([u / w, v / w]) - offset
    # A merged pixel's centre is the mean of its pixels' centres.
    np.testing.assert_allclose(seen * bins + (bins - 1) / 2, in_window, atol=1e-6)
    assert (view.camera.width, view.camera.height) == (400 // bins[0], 300 // bins[1])
    assert image_size(info) == (view.camera.width, view.camera.height)


@pytest.mark.parametrize("distortion", [{}, PLUMB_BOB])
def test_the_right_camera_of_a_stereo_pair_stands_to_the_right(
    distortion: dict[str, object],
) -> None:
    info = with_fields(p=p_with(3, -CAMERA.fx * 0.12), **distortion)
    view = camera_from_info(info)
    np.testing.assert_allclose(view.frame_from_cam[:3, 3], (0.12, 0, 0), atol=1e-12)
    assert lens_from_info(info).is_pinhole == (not distortion)


@pytest.mark.parametrize(
    ("rectify", "topic", "declared"),
    [
        ("auto", "/front/image_raw", False),
        ("auto", "/front/image_raw/compressed", False),
        ("auto", "/front/image_rect", True),
        ("auto", "/front/image_rect_color", True),
        ("auto", "/front/image_rect/compressed", True),
        ("auto", "/camera/infra1/image_rect_raw", True),
        ("auto", "/zed/left/color/rect/image", True),
        ("auto", "/director/direct_image", False),
        ("auto", "/rect/image_raw", False),
        ("auto", "/rect/image_raw/compressed", False),
        ("off", "/front/image_raw", True),
        ("on", "/front/image_rect", False),
    ],
)
@pytest.mark.parametrize("distortion", [PLUMB_BOB, FISHEYE])
def test_who_is_rectified_here(
    rectify: str, topic: str, declared: bool, distortion: dict[str, object]
) -> None:
    lens = lens_from_info(with_fields(**distortion), rectify, topic)
    assert lens.is_pinhole == declared
    assert lens.model == ("" if declared else with_fields(**distortion).distortion_model)
    assert lens.camera == CAMERA


def test_a_stream_that_is_rectified_may_have_any_distortion() -> None:
    for d, model in (([0.1] * 3, "plumb_bob"), ([1e9] * 5, "plumb_bob"), ([0.1], "mine")):
        assert lens_from_info(with_fields(d=d, distortion_model=model), "off").is_pinhole


@pytest.mark.parametrize(
    "fields",
    [
        {"d": []},
        {"d": [0.0] * 8, "distortion_model": "rational_polynomial"},
        {"d": [], "distortion_model": "equidistant"},
        {"d": [0.0] * 3, "distortion_model": "none"},
        {"p": p_with(0, 500.01)},  # rounded elsewhere
    ],
)
def test_no_distortion_is_no_lens(fields: dict[str, object]) -> None:
    assert lens_from_info(with_fields(**fields)).is_pinhole


@pytest.mark.parametrize(
    "fields",
    [
        PLUMB_BOB,
        FISHEYE,
        {"d": [-0.3, 0.1, 0.0, 0.0]},
        {"d": [0.1] * 8, "distortion_model": "rational_polynomial"},
        {"d": [0.1] * 8 + [0.0] * 4, "distortion_model": "rational_polynomial"},
        {"d": [0.1] * 8 + [0.0] * 6, "distortion_model": "rational_polynomial"},
        {"p": p_with(0, 480.0)},
        {"r": euler2mat(0.1, 0, 0).ravel()},
        {"r": euler2mat(0.001, 0, 0).ravel()},
    ],
)
def test_lenses_that_need_rectifying(fields: dict[str, object]) -> None:
    assert not lens_from_info(with_fields(**fields)).is_pinhole


@pytest.mark.parametrize("model", ["plumb_bob", RATIONAL])
@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_opencv_goes_by_the_number_of_coefficients(model: str, count: int) -> None:
    """image_geometry gives D to OpenCV for both names, so image_proc takes any of these."""
    d = [-0.2, 0.05, 0.001, -0.002, 0.01, 0.1, 0.02, -0.01, 0.003, 0.001, 0.002, 0.001, 0.02, 0.01]
    lens = lens_from_info(with_fields(d=d[:count], distortion_model=model))
    x, y, seen = lens.source_pixels(CAMERA)
    expected = cv2.initUndistortRectifyMap(
        CAMERA.matrix, np.array(d[:count]), np.eye(3), CAMERA.matrix, (640, 480), cv2.CV_32FC1
    )
    np.testing.assert_allclose(x[seen], expected[0][seen], atol=1e-3)
    np.testing.assert_allclose(y[seen], expected[1][seen], atol=1e-3)
    assert seen.mean() > 0.9


def test_depth_cameras_pad_plumb_bob_with_zeros() -> None:
    short = lens_from_info(with_fields(**PLUMB_BOB))
    long = lens_from_info(with_fields(d=[*PLUMB_BOB["d"], 0.0, 0.0, 0.0]))
    for mine, theirs in zip(short.source_pixels(CAMERA), long.source_pixels(CAMERA), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("distortion", [PLUMB_BOB, FISHEYE])
@pytest.mark.parametrize("skew", [-0.13, 40.0])
def test_the_skew_of_k_does_not_matter_to_opencv(
    distortion: dict[str, object], skew: float
) -> None:
    """K[1] = P[1], as cameracalibrator writes it for fisheyes; OpenCV ignores it in K."""
    k = np.array(k_with(1, skew)).reshape(3, 3)
    lens = lens_from_info(with_fields(k=k.ravel(), p=p_with(1, skew), **distortion))
    assert lens.camera == lens.raw == CAMERA
    module = cv2.fisheye if distortion is FISHEYE else cv2
    expected = module.initUndistortRectifyMap(
        k, np.array(distortion["d"]), np.eye(3), CAMERA.matrix, (640, 480), cv2.CV_32FC1
    )
    x, y, seen = lens.source_pixels(CAMERA)
    np.testing.assert_allclose(x[seen], expected[0][seen], atol=1e-3)
    np.testing.assert_allclose(y[seen], expected[1][seen], atol=1e-3)


def test_skew_matters_where_an_image_is_used_as_it_comes() -> None:
    """A picture that image_proc rectified to a P of cameracalibrator's: a tenth of a pixel."""
    little = with_fields(p=p_with(1, -0.13), **FISHEYE)
    assert lens_from_info(little, "off").camera == CAMERA
    assert lens_from_info(with_fields(k=k_with(1, -0.13), p=p_with(1, -0.13))).is_pinhole
    with pytest.raises(AnyviewError, match=r"P\[0\]\[1\] must be within 0.01 of fx 500, got 40"):
        lens_from_info(with_fields(p=p_with(1, 40.0), **FISHEYE), "off")


def test_four_zeros_of_a_fisheye_are_asked_about() -> None:
    info = with_fields(d=[0.0] * 4, distortion_model="equidistant")
    with pytest.raises(AnyviewError, match=r"ideal fisheye .* rectify to 'on' for a fisheye"):
        lens_from_info(info)
    assert lens_from_info(info, "on").model == "equidistant"
    assert lens_from_info(info, "off").is_pinhole


def test_lenses_can_be_compared() -> None:
    lens = lens_from_info(with_fields(**PLUMB_BOB))
    again = info_message(CAMERA, 99, "b")
    again.d = PLUMB_BOB["d"]
    assert lens_from_info(again) == lens
    assert hash(lens_from_info(again)) == hash(lens)
    assert lens_from_info(with_fields(d=[-0.3, 0.1, 0.0, 0.0, 0.001])) != lens
    window = RegionOfInterest(x_offset=2, width=600)
    assert lens_from_info(with_fields(roi=window, **PLUMB_BOB)) != lens


def test_binning_and_window_reach_the_raw_camera_too() -> None:
    window = RegionOfInterest(x_offset=100, y_offset=60, width=400, height=300)
    info = with_fields(roi=window, binning_x=2, binning_y=2, **PLUMB_BOB)
    assert lens_from_info(info).raw == Camera(200, 150, 250.0, 255.0, 114.75, 94.75)


@pytest.mark.parametrize(
    ("info", "code", "text"),
    [
        (CameraInfo(width=4, height=4), "uncalibrated_camera", r"K\[0\] = 0 \(uncalibrated\)"),
        (with_fields(k=k_with(0, 0.0)), "uncalibrated_camera", "calibrate the camera or give"),
        (
            with_fields(k=k_with(1, 6.0)),
            "skewed_camera",
            r"K\[0\]\[1\] must be within 0.01 of fx 500, got 6; calibrate again",
        ),
        (with_fields(k=k_with(0, np.nan)), "inconsistent_camera_info", "must be finite"),
        (with_fields(d=[np.inf]), "inconsistent_camera_info", "must be finite"),
        (
            with_fields(k=k_with(0, -500.0)),
            "inconsistent_camera_info",
            r"in K must be 0.01 to 1000 times .* 640x480, got fx -500, fy 510",
        ),
        (with_fields(k=k_with(4, 0.0)), "inconsistent_camera_info", "got fx 500, fy 0"),
        (with_fields(k=k_with(0, 1e9)), "inconsistent_camera_info", r"got fx 1e\+09, fy 510"),
        (with_fields(p=p_with(5, 1e9)), "inconsistent_camera_info", r"in P .* fy 1e\+09"),
        (with_fields(p=p_with(0, 1e-9)), "inconsistent_camera_info", "fx 1e-09"),
        (
            with_fields(k=k_with(2, 1e9)),
            "inconsistent_camera_info",
            r"principal point in K must be within 10 image sides .* got cx 1e\+09, cy 250",
        ),
        (with_fields(k=k_with(6, 1.0)), "inconsistent_camera_info", "fx 0 cx; 0 fy cy; 0 0 1"),
        (with_fields(p=p_with(11, 1.0)), "inconsistent_camera_info", "row 0 0 1 0"),
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
            with_fields(d=[-0.3, 0.1, 0.0]),
            "invalid_distortion",
            "plumb_bob has 4, 5, 8, 12 or 14 coefficients, got 3",
        ),
        (with_fields(d=[0.1] * 6), "invalid_distortion", "12 or 14 coefficients, got 6"),
        (
            with_fields(d=[0.1] * 9, distortion_model=RATIONAL),
            "invalid_distortion",
            "rational_polynomial has 4, 5, 8, 12 or 14 coefficients, got 9",
        ),
        (
            with_fields(d=[0.1] * 5, distortion_model="equidistant"),
            "invalid_distortion",
            "equidistant has 4 coefficients, got 5",
        ),
        (
            with_fields(d=[0.1] * 5, distortion_model="kannala"),
            "invalid_distortion",
            "equidistant, got 'kannala'; write equidistant for the k1 k2 k3 k4 of a fisheye",
        ),
        (
            with_fields(d=[1e9, 0.0, 0.0, 0.0, 0.0]),
            "invalid_distortion",
            r"within 1e\+06, got \[1000000000.0",
        ),
        (
            with_fields(d=[1e5, 0.0, 0.0, 0.0, 0.0]),
            "invalid_distortion",
            r"only \d % of the rectified image would have pixels with plumb_bob \[100000.0",
        ),
        (
            with_fields(r=euler2mat(0, 2.0, 0).ravel()),
            "invalid_distortion",
            "only 0 % of the rectified image would have pixels with no distortion",
        ),
        (
            with_fields(roi=RegionOfInterest(x_offset=600, width=100, height=10)),
            "inconsistent_camera_info",
            r"100x10 at \(600, 0\) must lie inside the full image 640x480",
        ),
        (with_fields(binning_x=1000), "invalid_camera", "got 0x480"),
        (with_fields(width=0), "invalid_camera", "1..8192 pixels a side, got 0x480"),
        (with_fields(width=100000), "invalid_camera", "got 100000x480"),
    ],
)
def test_unusable_camera_infos_are_refused(info: CameraInfo, code: str, text: str) -> None:
    for _ in range(2):  # the answer to a calibration is remembered, a refusal too
        with pytest.raises(AnyviewError, match=text) as error:
            lens_from_info(info)
        assert error.value.code == code


numbers = st.one_of(
    st.floats(-10, 10), st.floats(), st.sampled_from([0.0, 1.0, 300.0, 500.0, 1e9, -1e9])
)


def nine() -> st.SearchStrategy[list[float]]:
    """A matrix that is nearly right, or any."""
    near = st.floats(0.5, 2).map(lambda f: [500 * f, 0, 320, 0, 500, 240, 0, 0, 1])
    return st.one_of(near, st.lists(numbers, min_size=9, max_size=9))


@pytest.mark.filterwarnings("error")
@settings(max_examples=300, deadline=None)
@given(
    k=nine(),
    r=st.one_of(
        st.just([0.0] * 9),
        st.tuples(*[st.floats(-3, 3)] * 3).map(lambda a: euler2mat(*a).ravel().tolist()),
        st.lists(numbers, min_size=9, max_size=9),
    ),
    p=st.one_of(
        st.just([0.0] * 12), st.just(p_with(3, -50.0)), st.lists(numbers, min_size=12, max_size=12)
    ),
    d_model=st.one_of(
        st.tuples(st.lists(st.floats(-1, 1), min_size=4, max_size=5), st.just("plumb_bob")),
        st.tuples(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.just("equidistant")),
        st.tuples(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.just(RATIONAL)),
        st.tuples(st.lists(numbers, max_size=15), st.sampled_from(["plumb_bob", "x", ""])),
    ),
    side=st.one_of(st.just((640, 480)), st.tuples(*[st.integers(0, 2**32 - 1)] * 2)),
    binning=st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)),
    rectify=st.sampled_from(["auto", "on", "off"]),
)
def test_any_camera_info_is_a_lens_or_refused_by_name(
    k: list[float],
    r: list[float],
    p: list[float],
    d_model: tuple[list[float], str],
    side: tuple[int, int],
    binning: int,
    rectify: str,
) -> None:
    info = SimpleNamespace(
        width=side[0],
        height=side[1],
        d=d_model[0],
        distortion_model=d_model[1],
        k=k,
        r=r,
        p=p,
        roi=RegionOfInterest(),
        binning_x=binning % 3,
        binning_y=binning,
    )
    try:
        lens = lens_from_info(info, rectify)
    except AnyviewError as error:
        event(error.code)
        return
    event(lens.model or ("pinhole" if lens.is_pinhole else "turned"))
    made = Rectifier(lens, (6, 8))
    image = np.full((lens.raw.height, lens.raw.width, 3), 9, np.uint8)
    assert (made.apply(image) > 0).mean() == pytest.approx(made.coverage)


def test_a_stream_that_is_rectified_needs_p() -> None:
    with pytest.raises(AnyviewError, match="P must describe the rectified image"):
        lens_from_info(with_fields(p=[0.0] * 12, **PLUMB_BOB), "off")


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(AnyviewError, match="one of auto, on, off, got 'yes'") as error:
        lens_from_info(info_message(CAMERA, 1, "a"), "yes")
    assert error.value.code == "invalid_parameter"

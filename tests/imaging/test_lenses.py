"""The formulas of lenses against OpenCV, and what no formula says: where a lens ends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.frames import Camera
from anyview_ros.imaging.lenses import OPENCV_COUNTS, Lens, bend

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
POSE = tuple(map(tuple, np.eye(4).tolist()))
CAMERA = Camera(64, 48, 50.0, 51.0, 33.0, 25.0)
SMALL = st.floats(-0.1, 0.1)

points = st.lists(st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)), min_size=1, max_size=8)


def lens_with(model: str = "", coefficients: tuple[float, ...] = (), **fields: object) -> Lens:
    values = {
        "raw": CAMERA,
        "camera": CAMERA,
        "rectified_from_raw": IDENTITY,
        "frame_from_cam": POSE,
        **fields,
    }
    return Lens(model, coefficients, **values)  # type: ignore[arg-type]


def as_rays(flat: list[tuple[float, float]], depth: float) -> NDArray[np.float64]:
    return np.array([(x, y, 1.0) for x, y in flat]) * depth


@settings(max_examples=100, deadline=None)
@given(
    model=st.sampled_from(["plumb_bob", "rational_polynomial"]),
    count=st.sampled_from(OPENCV_COUNTS),
    values=st.tuples(*[SMALL] * 14),
    flat=points,
    depth=st.floats(0.1, 50),
)
def test_distortion_as_opencv_projects(
    model: str,
    count: int,
    values: tuple[float, ...],
    flat: list[tuple[float, float]],
    depth: float,
) -> None:
    d = np.array(values[:count])
    rays = as_rays(flat, depth)
    expected, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), d)
    bent, _ = bend(model, tuple(d), rays)
    np.testing.assert_allclose(bent, expected[:, 0], atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(values=st.tuples(*[SMALL] * 4), flat=points, depth=st.floats(0.1, 50))
def test_fisheyes_as_opencv_distorts(
    values: tuple[float, ...], flat: list[tuple[float, float]], depth: float
) -> None:
    expected = cv2.fisheye.distortPoints(
        np.array(flat).reshape(-1, 1, 2), np.eye(3), np.array(values)
    )
    bent, _ = bend("equidistant", values, as_rays(flat, depth))
    np.testing.assert_allclose(bent, expected[:, 0], atol=1e-9)


def test_the_axis_of_a_fisheye_stays() -> None:
    bent, seen = bend("equidistant", (0.1, 0.0, 0.0, 0.0), np.array([[0.0, 0.0, 2.0]]))
    np.testing.assert_array_equal(bent, [[0, 0]])
    assert seen.all()


def test_an_ideal_fisheye_sees_the_angle() -> None:
    """Without coefficients the distance from the centre is the angle: up to 180 degrees."""
    angles = np.radians([10, 80, 90, 120, 179, 180])
    rays = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    rays[-1] = 0, 0, -1
    bent, seen = bend("equidistant", (0.0,) * 4, rays)
    np.testing.assert_allclose(bent[:5, 0], angles[:5])
    assert seen.tolist() == [True] * 5 + [False]  # straight behind is no direction


def test_a_polynomial_ends_where_it_folds() -> None:
    """r (1 - 0.3 r^2) grows up to r = 1 / sqrt(0.9) = 1.054."""
    rays = np.array([[r, 0.0, 1.0] for r in (0.5, 1.0, 1.05, 1.06, 1.5, 2.0)])
    _, seen = bend("plumb_bob", (-0.3, 0.0, 0.0, 0.0), rays)
    assert seen.tolist() == [True, True, True, False, False, False]
    # 1 - 0.2 a^2 times the angle a folds at a = 1 / sqrt(0.6) = 1.291: 74 degrees.
    angles = np.radians([70, 73, 75, 80])
    rays = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    _, seen = bend("equidistant", (-0.2, 0.0, 0.0, 0.0), rays)
    assert seen.tolist() == [True, True, False, False]


def test_a_ray_along_the_image_plane_does_not_hide_where_others_end() -> None:
    rays = np.array([[0.5, 0.0, 1.0], [1.05, 0.0, 1.0], [1.06, 0.0, 1.0], [1.0, 0.0, 1e-12]])
    _, seen = bend("plumb_bob", (-0.3, 0.0, 0.0, 0.0), rays)
    assert seen.tolist() == [True, True, False, False]


@pytest.mark.parametrize("model", ["", "plumb_bob"])
def test_what_lies_behind_is_not_seen(model: str) -> None:
    rays = np.array([[0.1, 0.1, 1.0], [0.1, 0.1, -1.0], [1.0, 0.0, 0.0]])
    _, seen = bend(model, (0.0,) * 5 if model else (), rays)
    assert seen.tolist() == [True, False, False]


def test_a_pinhole_maps_every_pixel_to_itself() -> None:
    lens = lens_with()
    assert lens.is_pinhole
    x, y, seen = lens.source_pixels(CAMERA)
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(64), (48, 64)), atol=1e-9)
    np.testing.assert_allclose(y, np.broadcast_to(np.arange(48)[:, None], (48, 64)), atol=1e-9)
    assert seen.all()


@settings(max_examples=50, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-0.2, 0.2)] * 3),
    pixel=st.tuples(st.integers(0, 63), st.integers(0, 47)),
)
def test_r_turns_the_raw_axes_into_the_rectified(
    angles: tuple[float, ...], pixel: tuple[int, int]
) -> None:
    """CameraInfo: a point X is seen raw at K D(X) and rectified at P R X."""
    r = euler2mat(*angles)
    camera = Camera(64, 48, 60.0, 62.0, 30.0, 20.0)
    d = (-0.2, 0.05, 0.001, 0.002)
    lens = lens_with("plumb_bob", d, camera=camera, rectified_from_raw=tuple(map(tuple, r)))
    x, y, _ = lens.source_pixels(camera)
    u, v = pixel
    point = r.T @ np.linalg.inv(camera.matrix) @ (u, v, 1.0)
    expected, _ = cv2.projectPoints(
        point.reshape(1, 1, 3), np.zeros(3), np.zeros(3), CAMERA.matrix, np.array(d)
    )
    inside = np.clip(expected[0, 0], -0.5, (63.5, 47.5))
    np.testing.assert_allclose((x[v, u], y[v, u]), inside, atol=1e-9)


def test_pixels_outside_of_the_image_are_not_seen() -> None:
    wide = Camera(64, 48, 25.0, 25.5, 33.0, 25.0)  # twice the field of view
    x, y, seen = lens_with(camera=wide).source_pixels(wide)
    # The middle half: raw pixel = 33 + 2 (u - 33) must be in -0.5..63.5, so u in 16.25..48.25.
    assert np.flatnonzero(seen.any(axis=0))[[0, -1]].tolist() == [17, 48]
    assert np.flatnonzero(seen.any(axis=1))[[0, -1]].tolist() == [13, 36]
    assert (x.min(), x.max(), y.min(), y.max()) == (-0.5, 63.5, -0.5, 47.5)

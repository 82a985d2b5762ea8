"""Depth from points and from disparities, against planes and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.frames import Camera
from anyview_ros.geometry import rays
from anyview_ros.media.real_view import depth_of_disparity, depth_of_points

CAMERA = Camera.from_fov(40, 30, 1.2)


def points_at(depth: float, camera: Camera = CAMERA) -> np.ndarray:
    """One for each pixel, on a plane across the optical axis."""
    direction = rays(camera).reshape(-1, 3)
    return direction / direction[:, 2:] * depth


def test_the_nearest_point_counts_and_none_behind_the_camera() -> None:
    near, far = points_at(2.0).reshape(30, 40, 3)[:, :10].reshape(-1, 3), points_at(5.0)
    depth = depth_of_points(np.concatenate([near, far, -far]), CAMERA)
    assert (depth[:, :10] == 2).all()
    assert (depth[:, 10:] == 5).all()
    assert np.isinf(depth_of_points(-far, CAMERA)).all()


def test_pixels_between_points_are_filled_and_others_stay_empty() -> None:
    """Points of a camera with three quarters of the pixels, and of one with a quarter."""
    assert np.isfinite(depth_of_points(points_at(3.0, CAMERA.resized(30, 23)), CAMERA)).all()
    sparse = depth_of_points(points_at(3.0, CAMERA.resized(10, 8)), CAMERA)
    assert 0.3 < np.isinf(sparse).mean() < 0.6


def test_a_disparity_is_a_depth_where_it_is_known() -> None:
    right = Camera(40, 30, CAMERA.fx, CAMERA.fy, CAMERA.cx + 4.0, CAMERA.cy)
    disparity = np.array([[6.0, np.inf], [0.0, np.nan]], np.float32)
    depth = depth_of_disparity(disparity, CAMERA, right, 0.5)
    assert depth[0, 0] == pytest.approx(0.05 * CAMERA.fx)
    assert np.isnan(depth.ravel()[1:]).all()

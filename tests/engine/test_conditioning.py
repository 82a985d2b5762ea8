"""Frames and rays become tensors; the oracles are written the slow way."""

import cv2
import numpy as np
import pytest

from anyview_ros.engine import conditioning
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, look_at, plucker
from anyview_ros.imaging import resize
from anyview_ros.packages import load_package
from tests.packages import make_package


@pytest.fixture
def contract(tmp_path):
    return load_package(make_package(tmp_path / "tiny")).contract


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1920, 1440), (24, 32)), ((100, 100), (32, 32)), ((1280, 720), (24, 32))],
)
def test_the_nearest_size_goes_by_shape(contract, size, expected):
    assert resize.model_size(contract, Camera.from_fov(*size, 1.0)) == expected


def test_video_round_trip():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    video = conditioning.video_tensor(images)
    assert video.shape == (1, 3, 5, 4, 6)
    assert video.dtype == np.float32
    np.testing.assert_array_equal(conditioning.images_of(video), images)


def test_values_out_of_range_are_clipped_not_wrapped():
    video = np.float32([-3, 3, 0]).reshape(1, 3, 1, 1, 1)
    np.testing.assert_array_equal(conditioning.images_of(video)[0, 0, 0], [0, 255, 128])


@pytest.mark.parametrize("resampler", ["area", "pillow_lanczos"])
def test_shrinking_averages_fine_stripes(resampler):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize.resize_image(stripes, (16, 16), resampler)
    assert small.shape == (16, 16, 3)
    assert abs(small[4:-4, 4:-4].astype(int) - 128).max() <= 3


@pytest.mark.parametrize("resampler", ["area", "pillow_lanczos"])
def test_resized_pixels_and_resized_intrinsics_agree(resampler):
    """A dot drawn where a point projects is found where the point projects after resizing."""
    camera = Camera(96, 72, 80.0, 80.0, 40.0, 30.0)
    point = np.array([0.21, 0.17, 1.0])
    u, v, _ = camera.matrix @ point
    yy, xx = np.mgrid[:72, :96]
    blob = 255 * np.exp(-((xx - u) ** 2 + (yy - v) ** 2) / 18)
    image = np.repeat(blob[..., None], 3, axis=-1).astype(np.uint8)
    small = resize.resize_image(image, (24, 48), resampler)[..., 0].astype(float)
    rows, columns = np.mgrid[:24, :48]
    found = [(small * grid).sum() / small.sum() for grid in (columns, rows)]
    resized = resize.resize_camera(camera, (24, 48), "pixel_centre")
    np.testing.assert_allclose(found, (resized.matrix @ point)[:2], atol=0.05)


def test_integer_grid_scales_without_half_a_pixel():
    camera = resize.resize_camera(Camera(100, 50, 10, 10, 50, 25), (25, 20), "integer_grid")
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (2.0, 5.0, 10.0, 12.5)


def poses(count):
    return np.stack([look_at((0.1 * k, -0.2 * k, 1.0), (5, 0, 0.5)) for k in range(count)])


def test_unshuffled_rays_are_the_plucker_of_each_cell_written_the_slow_way(contract):
    camera = Camera.from_fov(32, 24, 1.1)
    anchor_from_cam = inverse(poses(5)[0]) @ poses(5)
    coded, clamped = conditioning.unshuffle_rays(contract, camera, anchor_from_cam, 0.25)
    assert coded.shape == (1, 96, 2, 3, 4)
    assert clamped == 0.0
    fine = plucker(camera.resized(8, 6), anchor_from_cam)
    fine[..., 3:] *= 0.25
    frame_of = {0: (0, 0, 0, 0), 1: (1, 2, 3, 4)}  # group -> its frames
    for c, k, dy, dx, group in np.ndindex(6, 4, 2, 2, 2):
        channel = ((c * 4 + k) * 2 + dy) * 2 + dx
        expected = fine[frame_of[group][k], dy::2, dx::2, c]
        np.testing.assert_allclose(coded[0, channel, group], expected, atol=1e-6)


def test_moments_out_of_range_are_clamped_and_counted(contract):
    camera = Camera.from_fov(32, 24, 1.1)
    far = np.stack([look_at((100, 0, 0), (101, 0, 0))] * 5)
    coded, clamped = conditioning.unshuffle_rays(contract, camera, far, 1.0)
    assert 0.5 < clamped < 1.0
    assert abs(coded).max() == 1.0


def test_the_anchor_is_frame_zero_of_the_source_or_of_the_target(contract, tmp_path):
    source, target = poses(5), poses(6)[1:]
    np.testing.assert_allclose(
        conditioning.anchor(contract, source, target) @ source[0], np.eye(4), atol=1e-12
    )
    other = load_package(make_package(tmp_path / "other", anchor="target")).contract
    np.testing.assert_allclose(
        conditioning.anchor(other, source, target) @ target[0], np.eye(4), atol=1e-12
    )


def test_growing_is_smooth():
    ramp = np.repeat(np.linspace(0, 255, 8).astype(np.uint8)[None, :, None], 3, axis=-1)
    ramp = np.repeat(ramp, 8, axis=0)
    large = resize.resize_image(ramp, (32, 32), "area")[..., 0].astype(int)
    assert abs(np.diff(large, axis=1)).max() < 20
    nearest = cv2.resize(ramp, (32, 32), interpolation=cv2.INTER_NEAREST)[..., 0].astype(int)
    assert abs(np.diff(nearest, axis=1)).max() > 30

"""Laws of transforms and rays; the oracle for rays is a point projected by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import (
    BODY_FROM_OPTICAL,
    STANDING_CAMERA,
    frustum_sides,
    inside,
    inverse,
    look_at,
    optical_doubt,
    plucker,
    project,
    quaternion_xyzw,
    rays,
    rigid,
    slerp,
    transform_from_pose,
)

unit = st.floats(-1, 1, allow_nan=False)
coordinates = st.tuples(*[st.floats(-100, 100)] * 3)
quaternions = (
    st.tuples(unit, unit, unit, unit)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: tuple(np.array(q) / np.linalg.norm(q)))
)
transforms = st.builds(transform_from_pose, coordinates, quaternions)


@given(transforms)
def test_inverse_undoes(b_from_a):
    np.testing.assert_allclose(b_from_a @ inverse(b_from_a), np.eye(4), atol=1e-9)


@given(transforms, transforms)
def test_inverse_of_a_stack_is_the_stack_of_inverses(first, second):
    stacked = inverse(np.stack([first, second]))
    np.testing.assert_allclose(stacked[1], np.linalg.inv(second), atol=1e-6)


@given(transforms)
def test_quaternion_round_trip(b_from_a):
    again = transform_from_pose(b_from_a[:3, 3], quaternion_xyzw(b_from_a))
    np.testing.assert_allclose(again, b_from_a, atol=1e-9)


def test_quaternion_order_is_xyzw():
    quarter_turn_about_z = transform_from_pose((0, 0, 0), (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    np.testing.assert_allclose(quarter_turn_about_z @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("orientation", [(0, 0, 0, 0), (0, 0, 0, 1.01), (0, 0, 0, float("nan"))])
def test_orientation_that_is_no_rotation_is_refused(orientation):
    with pytest.raises(AnyviewError, match=r"unit quaternion|finite") as caught:
        transform_from_pose((0, 0, 0), orientation)
    assert caught.value.code == "invalid_pose"


@pytest.mark.parametrize(("norm", "taken"), [(0.9991, True), (1.0009, True), (1.0011, False)])
def test_a_quaternion_is_a_unit_to_a_thousandth(norm, taken):
    def turned():
        return transform_from_pose((1, 2, 3), (0, 0, norm * np.sqrt(0.5), norm * np.sqrt(0.5)))

    if not taken:
        with pytest.raises(AnyviewError, match=r"with norm 1\.0011; set w = 1"):
            turned()
        return
    np.testing.assert_allclose(turned() @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)


@given(transforms, transforms, st.floats(0, 1))
def test_slerp_is_rigid_and_meets_its_ends(before, after, fraction):
    between = slerp(before, after, fraction)
    np.testing.assert_allclose(between[:3, :3] @ between[:3, :3].T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(slerp(before, after, 0.0), before, atol=1e-6)
    np.testing.assert_allclose(slerp(before, after, 1.0), after, atol=1e-6)


@given(transforms, transforms, st.floats(0, 1))
def test_slerp_turns_evenly_on_the_shorter_way(before, after, fraction):
    def turn(one, other):
        return np.arccos(np.clip((np.trace(one[:3, :3].T @ other[:3, :3]) - 1) / 2, -1, 1))

    between, whole = slerp(before, after, fraction), turn(before, after)
    assert turn(before, between) == pytest.approx(fraction * whole, abs=1e-5)
    assert turn(between, after) == pytest.approx((1 - fraction) * whole, abs=1e-5)


def test_slerp_of_one_rotation_only_moves():
    turned = transform_from_pose((1, 2, 3), (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    moved = rigid(turned[:3, :3], (3, 2, 1))
    half = rigid(turned[:3, :3], (2, 2, 2))
    np.testing.assert_allclose(slerp(turned, moved, 0.5), half, atol=1e-12)


def test_slerp_turns_half_way_in_half_the_time():
    quarter = transform_from_pose((2, 0, 0), (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    half = slerp(np.eye(4), quarter, 0.5)
    np.testing.assert_allclose(half[:2, 0], [np.sqrt(0.5)] * 2, atol=1e-12)
    np.testing.assert_allclose(half[:3, 3], [1, 0, 0], atol=1e-12)


def test_look_at_puts_the_point_on_the_optical_axis_and_up_upwards():
    world_from_cam = look_at((1, 2, 3), (5, 2, 1))
    in_cam = inverse(world_from_cam) @ [5, 2, 1, 1]
    np.testing.assert_allclose(in_cam[:2], 0, atol=1e-12)
    assert in_cam[2] > 0
    assert world_from_cam[2, 1] < 0, "image y points down"
    for point in ((5, 2, 1), (1, 6, 9)):
        assert look_at((1, 2, 3), point)[2, 0] == 0, "image x is level"


def test_optical_axes_in_a_body_frame():
    forward_right_down = BODY_FROM_OPTICAL[:3, :3] @ np.eye(3)
    np.testing.assert_array_equal(forward_right_down[:, 2], [1, 0, 0])
    np.testing.assert_array_equal(forward_right_down[:, 0], [0, -1, 0])
    np.testing.assert_array_equal(forward_right_down[:, 1], [0, 0, -1])
    np.testing.assert_array_equal(BODY_FROM_OPTICAL @ [1, 2, 3, 1], [3, -1, -2, 1])


def test_the_ray_of_a_pixel_meets_the_point_that_projects_there():
    camera = Camera(40, 30, 25.0, 30.0, 18.0, 13.0)
    point = np.array([0.4, -0.2, 2.0])
    u, v, w = camera.matrix @ point
    grid = rays(camera)
    assert grid.shape == (30, 40, 3)
    column, row = u / w, v / w
    assert column == pytest.approx(23.0)
    assert row == pytest.approx(10.0)
    np.testing.assert_allclose(grid[10, 23], point / np.linalg.norm(point), atol=1e-12)


@given(transforms)
def test_plucker_moment_is_that_of_any_point_of_the_ray(anchor_from_cam):
    camera = Camera.from_fov(6, 4, 1.0)
    values = plucker(camera, anchor_from_cam[None])[0]
    direction, moment = values[..., :3], values[..., 3:]
    np.testing.assert_allclose(np.sum(direction * moment, axis=-1), 0, atol=1e-6)
    further = anchor_from_cam[:3, 3] + 7.0 * direction
    np.testing.assert_allclose(np.cross(further, direction), moment, atol=1e-6)


def test_plucker_of_the_anchor_itself_has_no_moment():
    values = plucker(Camera.from_fov(6, 4, 1.0), rigid(np.eye(3), (0, 0, 0))[None])
    assert not values[..., 3:].any()


def test_a_ray_is_projected_to_its_own_pixel():
    camera = Camera(40, 30, 31, 33, 18.5, 16)
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(30)), axis=-1)
    np.testing.assert_allclose(project(7 * rays(camera), camera), grid, atol=1e-12)
    assert np.isnan(project(-rays(camera), camera)).all()
    assert np.isnan(project(np.array([1.0, 2.0, 0.0]), camera)).all(), "beside the camera"


def test_the_image_holds_what_lies_ahead_between_the_sides_of_the_frustum():
    camera = Camera(40, 30, 31, 33, 18.5, 16)
    points = np.random.default_rng(0).uniform(-3, 3, (9000, 3))
    between = (points @ frustum_sides(camera).T >= 0).all(axis=-1) & (points[:, 2] > 0)
    held = inside(project(points, camera), camera)
    assert 100 < held.sum() < 8900
    np.testing.assert_array_equal(held, between)


def test_the_image_ends_half_a_pixel_beyond_the_centres_of_its_border():
    camera = Camera(40, 30, 31, 33, 18.5, 16)
    pixels = np.array([[-0.5, -0.5], [39.5, 29.5], [-0.6, 0], [39.6, 0], [0, -0.6], [0, 29.6]])
    assert inside(pixels, camera).tolist() == [True, True, False, False, False, False]


def test_a_camera_in_a_body_frame_seems_to_look_at_the_sky() -> None:
    up, ahead = np.eye(4), look_at((0, 0, 1), (5, 0, 1.5))
    question = "it looks up, 90 degrees above the horizon; is 'camera_link' its optical frame"
    assert question in optical_doubt("camera_link", up)
    assert not optical_doubt("camera_optical_frame", up), "one that is optical may look there"
    assert not optical_doubt("camera_link", ahead)


@pytest.mark.parametrize(("degrees", "doubted"), [(59.5, False), (60.5, True)])
def test_a_camera_may_look_up_to_sixty_degrees(degrees, doubted):
    up = np.radians(degrees)
    world_from_cam = look_at((0, 0, 1), (np.cos(up), 0, 1 + np.sin(up)))
    assert bool(optical_doubt("camera", world_from_cam)) == doubted
    assert not optical_doubt("camera_optical", world_from_cam)


@pytest.mark.parametrize(("z", "doubted"), [(1 + 1e-9, True), (-1 - 1e-9, False)])
def test_a_rotation_that_is_rounded_has_an_elevation_too(z, doubted):
    assert bool(optical_doubt("camera", np.diag([1.0, 1.0, z, 1.0]))) == doubted


def test_the_camera_of_footage_without_poses_looks_ahead_at_eye_height():
    np.testing.assert_allclose(STANDING_CAMERA @ [0, 0, 5, 1], [5, 0, 1.6, 1])
    np.testing.assert_allclose(STANDING_CAMERA @ [0, 1, 0, 1], [0, 0, 0.6, 1])

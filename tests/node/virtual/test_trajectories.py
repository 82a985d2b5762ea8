"""Makers of trajectories: what an orbit and a dolly are, and that messages follow the path."""

from __future__ import annotations

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.clips.virtual.placement_messages import requested_placement
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, look_at
from anyview_ros.node.virtual.trajectories import between, dolly, orbit, pose_messages

SECOND = 1_000_000_000
shares = st.floats(0, 1)


@given(shares, st.floats(0.5, 20), st.floats(-5, 5))
def test_an_orbit_keeps_its_distance_and_looks_at_the_point(
    share: float, radius: float, height: float
) -> None:
    pose = orbit((1, 2, 3), radius, height, turns=2)(share)
    in_cam = inverse(pose) @ [1, 2, 3, 1]
    np.testing.assert_allclose(in_cam[:3], [0, 0, np.hypot(radius, height)], atol=1e-9)
    assert pose[2, 3] == pytest.approx(3 + height)
    assert pose[2, 1] < 0, "image y points down"


def test_an_orbit_goes_counter_clockwise_from_the_x_axis() -> None:
    path = orbit((0, 0, 0), 2.0, 1.0)
    np.testing.assert_allclose(path(0)[:3, 3], [2, 0, 1], atol=1e-12)
    np.testing.assert_allclose(path(0.25)[:3, 3], [0, 2, 1], atol=1e-12)
    np.testing.assert_allclose(path(1), path(0), atol=1e-9)
    np.testing.assert_allclose(orbit((0, 0, 0), 2.0, 1.0, -1)(0.25)[:3, 3], [0, -2, 1], atol=1e-12)


@given(shares)
def test_a_dolly_moves_along_its_own_axes(share: float) -> None:
    start = look_at((0, 0, 1), (5, 0, 1))
    ahead = dolly(start, (0, 0, 4))(share)
    np.testing.assert_allclose(ahead[:3, 3], [4 * share, 0, 1], atol=1e-12)
    np.testing.assert_array_equal(ahead[:3, :3], start[:3, :3])
    watching = dolly(start, (3, 0, 0), point=(5, 0, 1))(share)
    in_cam = inverse(watching) @ [5, 0, 1, 1]
    np.testing.assert_allclose(in_cam[:2], 0, atol=1e-9)
    np.testing.assert_allclose(watching[:3, 3], [0, -3 * share, 1], atol=1e-12)


def test_between_poses_the_way_meets_each() -> None:
    poses = [look_at((k, 0, 1), (5, k, 0)) for k in range(4)]
    path = between(*poses)
    for k, pose in enumerate(poses):
        np.testing.assert_allclose(path(k / 3), pose, atol=1e-7)
    np.testing.assert_allclose(path(0.5)[:3, 3], [1.5, 0, 1], atol=1e-7)


@given(st.floats(0, 20))
def test_the_messages_follow_the_path(second: float) -> None:
    path = orbit((0, 0, 0), 5.0, 1.0)
    message = VirtualCamera(name="orbit", trajectory=pose_messages(path, 100 * SECOND, 20.0))
    placement = requested_placement(message)
    pose = placement.world_from_cam(lambda *_: np.eye(4), 100 * SECOND + round(second * SECOND))
    # A tenth of a second is 1.8 degrees: the chord lies 5 m x (1 - cos 0.9 degrees) inside.
    np.testing.assert_allclose(pose[:3, 3], path(second / 20)[:3, 3], atol=1e-3)


def test_the_first_and_last_message_are_the_ends() -> None:
    messages = pose_messages(dolly(np.eye(4), (1, 0, 0)), SECOND, 0.25, "base_link")
    assert [m.header.stamp.nanosec for m in messages] == [0, 83333333, 166666667, 250000000]
    assert [m.pose.position.x for m in messages] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert {m.header.frame_id for m in messages} == {"base_link"}


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 1e6, float("inf"), float("nan")])
def test_lengths_that_no_trajectory_has_are_refused(duration_s: float) -> None:
    with pytest.raises(AnyviewError, match="2 to 10000 poses"):
        pose_messages(dolly(np.eye(4), (1, 0, 0)), SECOND, duration_s)


def test_an_orbit_without_a_radius_and_a_way_of_one_pose_are_refused() -> None:
    with pytest.raises(AnyviewError, match="radius above 0, got 0"):
        orbit((0, 0, 0), 0.0, 1.0)
    with pytest.raises(AnyviewError, match="2 poses at least, got 1"):
        between(np.eye(4))

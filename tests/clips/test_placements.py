"""Laws of where a virtual camera is: trajectories that frames carry, and the hold of a hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from geometry_msgs.msg import PoseStamped
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anyview_ros.clips.placements import (
    HISTORY_NS,
    HISTORY_STEP_NS,
    FramePose,
    Standing,
    Steered,
    Trajectory,
)
from anyview_ros.clips.virtual.placement_messages import requested_placement
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import quaternion_xyzw, rigid, slerp, transform_from_pose
from anyview_ros.node.messages import pose_message, time_message

SECOND = 1_000_000_000
unit = st.floats(-1, 1, allow_nan=False)
quaternions = (
    st.tuples(unit, unit, unit, unit)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: tuple(np.array(q) / np.linalg.norm(q)))
)
transforms = st.builds(transform_from_pose, st.tuples(*[st.floats(-50, 50)] * 3), quaternions)
times = st.integers(SECOND, 5 * SECOND)


def at(x: float) -> NDArray[np.float64]:
    return rigid(np.eye(3), (x, 0.0, 0.0))


def world_from(frame: str, stamp_ns: int) -> NDArray[np.float64]:
    """`cart` drives along y at 2 m/s and turns; everything else is the fixed frame."""
    if frame != "cart":
        return np.eye(4)
    half = 0.3 * stamp_ns / SECOND
    return transform_from_pose(
        (0.0, 2.0 * stamp_ns / SECOND, 0.0), (0.0, 0.0, np.sin(half), np.cos(half))
    )


def trajectory(*poses: tuple[float, str, NDArray[np.float64]]) -> Trajectory:
    return Trajectory(
        tuple(round(s * SECOND) for s, _, _ in poses),
        tuple(FramePose(frame, pose) for _, frame, pose in poses),
    )


@settings(max_examples=40)
@given(transforms, transforms, times)
def test_in_one_frame_mixing_there_is_mixing_in_the_world(
    first: NDArray[np.float64], last: NDArray[np.float64], stamp_ns: int
) -> None:
    turn = abs(np.dot(quaternion_xyzw(first), quaternion_xyzw(last)))
    assume(turn > 0.01)  # half a turn has two shortest arcs
    path = trajectory((1, "cart", first), (5, "cart", last))
    fraction = (stamp_ns - SECOND) / (4 * SECOND)
    expected = world_from("cart", stamp_ns) @ slerp(first, last, fraction)
    np.testing.assert_allclose(path.world_from_cam(world_from, stamp_ns), expected, atol=1e-5)


@given(transforms, transforms, transforms)
def test_a_trajectory_meets_its_poses(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> None:
    path = trajectory((1, "", a), (2, "cart", b), (5, "", c))
    for second, pose in ((1, a), (2, world_from("cart", 2 * SECOND) @ b), (5, c)):
        found = path.world_from_cam(world_from, second * SECOND)
        np.testing.assert_allclose(found, pose, atol=1e-9)


@settings(max_examples=40)
@given(transforms, transforms, st.sampled_from(["", "cart"]), st.sampled_from([1, 2, 5]))
def test_a_trajectory_has_no_jumps(
    a: NDArray[np.float64], b: NDArray[np.float64], frame: str, second: int
) -> None:
    """Also where a pose in one frame follows a pose in another one."""
    path = trajectory((1, "", a), (2, frame, b), (5, "", a))
    stamp = second * SECOND
    beside = stamp + 100 if second == 1 else stamp - 100
    here, near = (path.world_from_cam(world_from, ns) for ns in (stamp, beside))
    np.testing.assert_allclose(near, here, atol=1e-3)


def test_half_way_in_half_the_time() -> None:
    path = trajectory((1, "", at(0)), (3, "", at(4)), (4, "", at(0)))
    assert path.world_from_cam(world_from, 2 * SECOND)[0, 3] == pytest.approx(2.0)
    assert path.world_from_cam(world_from, round(3.25 * SECOND))[0, 3] == pytest.approx(3.0)


@pytest.mark.parametrize("stamp_ns", [SECOND - 1, 5 * SECOND + 1, 0])
def test_nothing_is_extrapolated(stamp_ns: int) -> None:
    path = trajectory((1, "", at(0)), (5, "", at(4)))
    with pytest.raises(AnyviewError, match=r"goes from 1\.000 s to 5\.000 s and is not") as refused:
        path.world_from_cam(world_from, stamp_ns)
    assert refused.value.code == "outside_trajectory"


def test_only_the_frames_of_the_neighbours_are_looked_up() -> None:
    """A pose far away in time may be in a frame that is not there yet."""
    path = trajectory((1, "", at(0)), (2, "", at(1)), (3, "later", at(2)))
    asked: list[str] = []

    def look(frame: str, stamp_ns: int) -> NDArray[np.float64]:
        asked.append(frame)
        return np.eye(4)

    path.world_from_cam(look, round(1.5 * SECOND))
    path.world_from_cam(look, 2 * SECOND)
    assert set(asked) == {""}
    assert path.frames == ("", "later")


def hand(*poses: tuple[float, float]) -> Steered:
    """A camera at x = 0, and a hand that puts it to x at a second."""
    steered = Steered((0,), (FramePose("", at(0)),))
    for second, x in poses:
        steered = steered.with_pose(round(second * SECOND), FramePose("", at(x)))
    return steered


def x_at(steered: Steered, second: float) -> float:
    return float(steered.world_from_cam(world_from, round(second * SECOND))[0, 3])


def test_a_hand_holds_until_it_moves() -> None:
    steered = hand((2, 5.0), (60, 7.0))
    seconds = [0.0, 1.999, 2.0, 59.999, 60.0, 1e6]
    assert [x_at(steered, s) for s in seconds] == [0.0, 0.0, 5.0, 5.0, 7.0, 7.0]


@given(st.lists(st.integers(0, 100_000), min_size=2, max_size=40), st.integers(0, 100_000))
@example([238, 247, 293], 268)  # two poses close to each other, of which the second holds for long
def test_what_was_shown_does_not_change_later(poses_ms: list[int], shown_ms: int) -> None:
    """But for the thinning of hands that are faster than 100 Hz."""
    steered, shown, shown_x = hand(), SECOND + shown_ms * 1_000_000, 0.0
    for k, ms in enumerate(sorted(poses_ms), start=1):
        stamp = SECOND + ms * 1_000_000
        if stamp <= shown:
            shown_x = float(k)
        steered = steered.with_pose(stamp, FramePose("", at(k)))
    after = {x_at(steered, (shown - delay) / SECOND) for delay in (0, HISTORY_STEP_NS)}
    if all(abs(shown_ms - ms) > 20 for ms in poses_ms):
        assert after == {shown_x}


def test_the_history_of_a_fast_hand_stays_short() -> None:
    steered = hand()
    for k in range(14_000):
        steered = steered.with_pose(SECOND + k * SECOND // 100, FramePose("", at(k)))
    assert len(steered.poses) <= HISTORY_NS // HISTORY_STEP_NS + 2
    for k in range(1000):
        steered = steered.with_pose(400 * SECOND + k, FramePose("", at(k)))
    assert x_at(steered, 401) == 999
    assert len(steered.poses) <= HISTORY_NS // HISTORY_STEP_NS + 2


def test_a_pose_out_of_order_is_late_and_a_jump_begins_anew() -> None:
    steered = hand((10, 1.0))
    with pytest.raises(AnyviewError, match=r"9\.500 s came after that of 10\.000 s") as refused:
        steered.with_pose(round(9.5 * SECOND), FramePose("", at(2)))
    assert refused.value.code == "late_pose"
    looped = steered.with_pose(3 * SECOND, FramePose("", at(2)))
    assert [x_at(looped, s) for s in (1, 3, 20)] == [1.0, 2.0, 2.0]
    assert [x_at(steered.hold_newest(), s) for s in (1, 20)] == [1.0, 1.0]


def asked(*seconds: float, change: Callable[[VirtualCamera], None] = lambda m: None) -> Trajectory:
    message = VirtualCamera(name="a", parent_frame="cart")
    for second in seconds:
        pose = PoseStamped()
        pose.header.stamp = time_message(round(second * SECOND))
        pose.pose.position.x = float(second)
        message.trajectory.append(pose)
    change(message)
    placement = requested_placement(message)
    assert isinstance(placement, Trajectory)
    return placement


def test_poses_without_a_frame_are_in_the_parent() -> None:
    def in_map(message: VirtualCamera) -> None:
        message.trajectory[1].header.frame_id = "map"

    placement = asked(1, 2, 3, change=in_map)
    assert [pose.frame for pose in placement.poses] == ["cart", "map", "cart"]
    assert placement.stamps_ns == (SECOND, 2 * SECOND, 3 * SECOND)
    assert placement.poses[2].frame_from_cam[0, 3] == 3.0


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_a_pose_left_out_does_not_matter_beside_a_trajectory(w: float) -> None:
    asked(1, 2, change=lambda message: setattr(message.pose.orientation, "w", w))


@given(transforms)
def test_a_pose_survives_its_message(frame_from_cam: NDArray[np.float64]) -> None:
    message = VirtualCamera(name="a", pose=pose_message(frame_from_cam))
    placement = requested_placement(message)
    assert isinstance(placement, Standing)
    np.testing.assert_allclose(placement.pose.frame_from_cam, frame_from_cam, atol=1e-9)
    assert np.isclose(np.linalg.norm(quaternion_xyzw(placement.pose.frame_from_cam)), 1.0)

"""Cameras that move, through DDS: trajectories, poses of a hand, updates between two clips."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from anyview_ros.msg import ClipResult, VirtualCamera
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Pose, PoseStamped
from numpy.typing import NDArray
from tf2_msgs.msg import TFMessage

from anyview_ros.geometry import rigid, transform_from_pose
from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.node.messages import time_message
from tests.graph import Graph
from tests.node.rig import (
    SENT,
    Caller,
    Rig,
    asked,
    live,
    raised_camera,
    transform,
    values_of,
    wait_for,
    world_from_base,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph


@dataclass(frozen=True)
class Street:
    opened: Graph
    rig: Rig
    caller: Caller
    transforms: list[TFMessage]

    def add(self, camera: VirtualCamera) -> None:
        added = self.caller.add(camera)
        assert added.success, added.message

    def clip(self, name: str) -> ClipResult:
        answer = self.caller.synthesize_when_ready(asked(name, return_frames=True))
        assert answer.success, answer.message
        return answer

    def shown(self, name: str) -> dict[int, NDArray[np.float64]]:
        """Where /tf said that a virtual camera was, by stamp."""
        found = {}
        for message in list(self.transforms):
            for t in message.transforms:
                if t.child_frame_id == f"{name}_optical_frame":
                    assert t.header.frame_id == "odom"
                    p, q = t.transform.translation, t.transform.rotation
                    pose = transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
                    found[stamp_ns(t.header.stamp)] = pose
        return found

    def poses(self, name: str, end_ns: int = SENT[-1]) -> list[NDArray[np.float64]]:
        """Of the frames of the last clip, once they are there."""
        self.opened.wait_until(lambda: end_ns in self.shown(name), f"TF of {name} at {end_ns}")
        return list(self.shown(name).values())[-9:]

    def problem(self, name: str, code: str) -> str:
        """The diagnostic of a virtual camera with this code."""
        status = self.caller.status(
            f"virtual camera {name}", lambda status: values_of(status).get("code") == code
        )
        assert status.level == DiagnosticStatus.WARN
        return str(status.message)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """A node that has 12 frames, and takes three virtual cameras."""
    model = make_package(tmp_path_factory.mktemp("models") / "tiny")
    with live(170, model, "tf_timeout_s:=0.2", "max_virtual_cameras:=3") as (opened, rig, caller):
        heard = opened.listen(TFMessage, "/tf")
        street = Street(opened, rig, caller, heard)
        rig.send(SENT)
        for k in range(100):  # until what the node sends on /tf arrives
            street.add(along_x(f"first_{k}"))
            street.clip(f"first_{k}")
            assert caller.call("remove_virtual_camera", name=f"first_{k}").success
            if street.shown(f"first_{k}"):
                break
        yield street


@pytest.fixture
def street(running: Street) -> Iterator[Street]:
    yield running
    for camera in running.caller.call("list_virtual_cameras").cameras:
        assert running.caller.call("remove_virtual_camera", name=camera.name).success


def timed_pose(second: float, x: float, frame: str = "") -> PoseStamped:
    """Looks along z; second 0 is from now on."""
    pose = PoseStamped()
    pose.header.stamp = time_message(round(second * 1e9))
    pose.header.frame_id = frame
    pose.pose.position.x = x
    return pose


def along_x(name: str, *poses: PoseStamped, frame: str = "base_link") -> VirtualCamera:
    """From x = 0 at one second to x = 8 at three."""
    along = list(poses) or [timed_pose(1.0, 0.0), timed_pose(3.0, 8.0)]
    return VirtualCamera(name=name, parent_frame=frame, sources=["front"], trajectory=along)


def test_a_camera_follows_its_trajectory_in_a_frame_that_moves(street: Street) -> None:
    street.add(along_x("dolly"))
    street.clip("dolly")
    expected = [
        world_from_base(ns) @ rigid(np.eye(3), (4.0 * (ns / 1e9 - 1.0), 0.0, 0.0))
        for ns in SENT[-9:]
    ]
    np.testing.assert_allclose(street.poses("dolly"), expected, atol=1e-6)
    assert sorted(street.shown("dolly")) == SENT[-9:]


def test_a_clip_for_the_answer_alone_is_not_shown_in_tf(street: Street) -> None:
    streams = along_x("streams")
    streams.rate = 10.0
    street.add(streams)
    street.clip("streams")
    street.add(along_x("asked"))
    street.clip("asked")
    street.poses("asked")  # by the same publisher, so what was sent before has come
    assert street.shown("streams") == {}


def test_a_clip_outside_of_the_trajectory_is_named(street: Street) -> None:
    street.add(along_x("late", timed_pose(1.7, 0.0), timed_pose(3.0, 1.0)))
    answer = street.caller.synthesize(asked("late"))
    assert answer.code == "outside_trajectory"
    assert answer.message == (
        "need a pose at 1.300 s, the trajectory goes from 1.700 s to 3.000 s and is not "
        "extrapolated; ask for a time within, or update the camera with poses that reach further"
    )


def test_a_trajectory_in_a_frame_without_history_is_named(street: Street) -> None:
    """`arm` was published once, long ago: then it vanished."""
    publisher = street.opened.node.create_publisher(TFMessage, "/tf", 10)
    wait_for(lambda: publisher.get_subscription_count() >= 2, "the node's listener")

    def known() -> bool:
        publisher.publish(TFMessage(transforms=[transform("odom", "arm", np.eye(4), SENT[0])]))
        camera = along_x("arm", timed_pose(1.0, 0.0, "arm"), timed_pose(3.0, 1.0, "arm"))
        return bool(street.caller.add(camera).success)

    wait_for(known, "the frame")
    answer = street.caller.synthesize(asked("arm"))
    assert answer.code == "tf_waiting"
    assert re.search(r"need the transform (of|from) 'arm' .*at 1.300 s", answer.message)  # or tf2's
    street.add(along_x("well"))
    street.clip("well")


def test_a_trajectory_needs_frames_that_are_there(street: Street) -> None:
    camera = along_x("lost", timed_pose(1.0, 0.0), timed_pose(3.0, 1.0, "nowhere"))
    refused = street.caller.add(camera)
    assert refused.code == "tf_unknown_frame"
    assert "'nowhere' is unknown" in refused.message


def test_a_hand_moves_a_camera_from_the_stamp_of_its_pose_on(street: Street) -> None:
    street.add(raised_camera("held"))
    hand = Hand(street, "held")
    hand.put(timed_pose(1.75, 3.0))
    street.clip("held")
    start = raised_camera("held").pose
    before = [world_from_base(ns) @ matrix(start) for ns in SENT[-9:] if ns < 1.75e9]
    after = [
        world_from_base(ns) @ rigid(np.eye(3), (3.0, 0.0, 0.0)) for ns in SENT[-9:] if ns > 1.75e9
    ]
    np.testing.assert_allclose(street.poses("held"), [*before, *after], atol=1e-9)


def test_a_pose_without_a_stamp_holds_from_the_newest_image_on(street: Street) -> None:
    street.add(raised_camera("now"))
    Hand(street, "now").put(timed_pose(0.0, 3.0, "odom"))
    street.clip("now")
    poses = street.poses("now")
    np.testing.assert_allclose(poses[-1], rigid(np.eye(3), (3.0, 0.0, 0.0)), atol=1e-9)
    still = world_from_base(SENT[-2]) @ matrix(raised_camera("now").pose)
    np.testing.assert_allclose(poses[-2], still, atol=1e-9)


NAN, FAR = timed_pose(0.0, math.nan), timed_pose(0.0, 1e30)
TURNED, AHEAD = timed_pose(0.0, 1.0), timed_pose(3600.0, 1.0)
TURNED.pose.orientation.w = 0.5
BAD_POSES = {
    "NaN": (NAN, "invalid_pose", "pose must be finite"),
    "infinity": (timed_pose(0.0, math.inf), "invalid_pose", "pose must be finite"),
    "far": (FAR, "pose_out_of_reach", "a step of a steered camera is at most 1000 m, got 1e+30 m"),
    "far in another frame": (timed_pose(0.0, 1e6, "odom"), "pose_out_of_reach", "got 999"),
    "quaternion": (TURNED, "invalid_pose", "with norm 0.5"),
    "frame": (timed_pose(0.0, 1.0, "nowhere"), "tf_unknown_frame", "no frame 'nowhere' in TF"),
    "own frame": (
        timed_pose(0.0, 1.0, "held_optical_frame"),
        "invalid_parent",
        "'held_optical_frame' stands on 'held_optical_frame' itself",
    ),
    "another clock": (AHEAD, "pose_ahead", "stamped 3600.000 s, the newest image is of 2.100 s"),
    "late": (timed_pose(1.5, 1.0), "late_pose", "1.500 s came after that of 2.100 s"),
}


@pytest.mark.parametrize(("pose", "code", "text"), BAD_POSES.values(), ids=BAD_POSES)
def test_a_bad_pose_is_named_and_the_last_good_one_stays(
    street: Street, pose: PoseStamped, code: str, text: str
) -> None:
    street.add(raised_camera("held"))
    hand = Hand(street, "held")
    hand.put(timed_pose(0.0, 2.0))
    hand.send(pose)
    message = street.problem("held", code)
    assert message.startswith("idle, at its last good pose: ")
    assert text in message
    assert street.caller.call("list_virtual_cameras").cameras[0].pose.position.x == 2.0
    street.clip("held")
    hand.put(timed_pose(0.0, 2.5))
    healed = street.caller.status("virtual camera held", lambda s: s.message == "idle")
    assert healed.level == DiagnosticStatus.OK


def test_a_camera_on_a_trajectory_is_not_steered(street: Street) -> None:
    street.add(along_x("rails"))
    Hand(street, "rails").send(timed_pose(0.0, 1.0))
    assert "the camera follows a trajectory" in street.problem("rails", "follows_trajectory")


def test_an_update_ends_what_was_before(street: Street) -> None:
    """Pose, size and field of view change between two clips, on topics that stay."""
    street.add(along_x("turns"))
    street.clip("turns")
    changed = raised_camera("turns")
    changed.camera_info.width, changed.camera_info.height = 32, 24
    changed.horizontal_fov = 0.5
    heard = street.caller.listen_to(asked("turns"))
    assert street.caller.call("update_virtual_camera", camera=changed).success
    frame = street.clip("turns").frames[0]
    assert (frame.width, frame.height) == (32, 24)
    street.opened.wait_until(
        lambda: (
            all(kept and stamp_ns(kept[-1].header.stamp) == SENT[-1] for kept in heard.values())
            and heard["image_raw"][-1].width == 32
        ),
        "the camera as it is now, on the topics that stay",
    )
    camera_info = heard["camera_info"][-1]
    assert (camera_info.width, camera_info.k[0]) == (32, pytest.approx(16 / np.tan(0.25)))
    Hand(street, "turns").put(timed_pose(0.0, 1.0))

    def as_updated() -> bool:
        """Asked again: the hand may have sent its pose once more than was needed."""
        assert street.caller.call("update_virtual_camera", camera=changed).success
        return list(street.caller.call("list_virtual_cameras").cameras) == [changed]

    wait_for(as_updated, "the camera of the update, without the pose of before")


def test_more_cameras_than_the_node_takes_are_refused(street: Street) -> None:
    for k in range(3):
        street.add(raised_camera(f"one_{k}"))
    refused = street.caller.add(raised_camera("too_many"))
    assert refused.code == "too_many_cameras"
    assert refused.message.startswith("there are 3 virtual cameras, at most 3 here: ")
    assert "raise the parameter max_virtual_cameras" in refused.message
    assert street.caller.call("remove_virtual_camera", name="one_0").success
    street.add(raised_camera("too_many"))


def test_an_older_clip_leaves_tf_as_it_is(street: Street) -> None:
    """Stamps of a frame that step back look like a clock that jumped."""
    street.add(along_x("older"))
    street.clip("older")
    street.poses("older")
    before = len(street.transforms)
    older = asked("older")
    older.end_time = time_message(SENT[-2])
    assert street.caller.synthesize(older).success
    street.add(along_x("after_it"))
    street.clip("after_it")
    street.poses("after_it")  # by now what was sent before has come too
    children = [t.child_frame_id for m in street.transforms[before:] for t in m.transforms]
    assert set(children) == {"after_it_optical_frame"}


def test_a_clock_that_jumps_back_leaves_a_camera_in_its_hand(street: Street) -> None:
    """The last test of this street: its frames are of another time afterwards."""
    street.add(raised_camera("held"))
    Hand(street, "held").put(timed_pose(0.0, 3.0, "odom"))
    street.rig.send([SENT[-1] + 10**10])
    street.caller.status("camera front", lambda s: values_of(s)["newest_stamp"] == "12.100 s")
    looped = [ns - 10**6 for ns in SENT]
    street.rig.send(looped)
    request = asked("held")
    request.end_time = time_message(looped[-1])
    answer = street.caller.synthesize_when_ready(request)
    assert answer.success, answer.message
    expected = np.tile(rigid(np.eye(3), (3.0, 0.0, 0.0)), (9, 1, 1))
    np.testing.assert_allclose(street.poses("held", looped[-1]), expected, atol=1e-9)


def matrix(pose: Pose) -> NDArray[np.float64]:
    p, q = pose.position, pose.orientation
    return transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


class Hand:
    """Publishes poses of a camera."""

    def __init__(self, street: Street, name: str) -> None:
        self._street, self._name = street, name
        node = street.opened.node
        self._publisher = node.create_publisher(PoseStamped, f"/virtual/{name}/set_pose", 10)
        wait_for(lambda: self._publisher.get_subscription_count() > 0, "a listener to the hand")

    def send(self, pose: PoseStamped) -> None:
        self._publisher.publish(pose)

    def put(self, pose: PoseStamped) -> None:
        """Returns when the camera is there."""

        def there() -> bool:
            self.send(pose)  # again: the first ones may be lost before both sides are connected
            listed = self._street.caller.call("list_virtual_cameras").cameras
            return any(c.name == self._name and c.pose == pose.pose for c in listed)

        wait_for(there, "the pose")

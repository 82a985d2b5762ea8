"""The interactive markers through DDS, as rviz's client of `interactive_markers` sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from geometry_msgs.msg import Pose
from visualization_msgs.msg import (
    InteractiveMarker,
    InteractiveMarkerControl,
    InteractiveMarkerFeedback,
    InteractiveMarkerUpdate,
)
from visualization_msgs.srv import GetInteractiveMarkers

from anyview_ros.geometry import transform_from_pose
from tests.graph import Graph
from tests.node.rig import (
    SENT,
    Caller,
    asked,
    live,
    raised_camera,
    result_of,
    values_of,
    wait_for,
)
from tests.node.virtual.test_moving_cameras import along_x
from tests.packages import make_package

pytestmark = pytest.mark.graph

NAMESPACE = "/anyview/steering"


class Rviz:
    """The client's side of the protocol: all markers by service, then every update in order."""

    def __init__(self, opened: Graph, caller: Caller) -> None:
        node = opened.node
        self._opened, self._caller = opened, caller
        self._updates = opened.listen(InteractiveMarkerUpdate, f"{NAMESPACE}/update")
        self._feedback = node.create_publisher(
            InteractiveMarkerFeedback, f"{NAMESPACE}/feedback", 100
        )
        self._get = node.create_client(
            GetInteractiveMarkers, f"{NAMESPACE}/get_interactive_markers"
        )
        assert self._get.wait_for_service(30.0)
        wait_for(lambda: self._feedback.get_subscription_count() > 0, "a listener to feedback")
        wait_for(self._connected, "updates")

    def _connected(self) -> bool:
        """What is published before both sides know each other is lost: so cause updates."""
        assert self._caller.add(raised_camera("first")).success
        assert self._caller.call("remove_virtual_camera", name="first").success
        return len(self._updates) > 0

    def first_answer(self) -> Any:
        return result_of(self._get.call_async(GetInteractiveMarkers.Request()))

    def markers(self) -> dict[str, InteractiveMarker]:
        return {marker.name: marker for marker in self.first_answer().markers}

    def since(self, sequence_number: int, holds: Any, what: str) -> list[InteractiveMarkerUpdate]:
        """The updates after a number, without a gap, as soon as one of them has something."""

        def newer() -> list[InteractiveMarkerUpdate]:
            return [update for update in self._updates if update.seq_num > sequence_number]

        self._opened.wait_until(lambda: any(map(holds, newer())), what)
        found = newer()
        numbers = [update.seq_num for update in found]
        assert numbers == list(range(sequence_number + 1, sequence_number + 1 + len(numbers)))
        assert {(u.type, u.server_id) for u in found} == {
            (InteractiveMarkerUpdate.UPDATE, "/anyview")
        }
        return found

    def drag(
        self, name: str, pose: Pose, frame: str = "base_link", event: int | None = None
    ) -> None:
        feedback = InteractiveMarkerFeedback(
            client_id="rviz", marker_name=name, control_name="move_x", pose=pose
        )
        feedback.event_type = InteractiveMarkerFeedback.POSE_UPDATE if event is None else event
        feedback.header.frame_id = frame
        feedback.header.stamp.sec = 1_900_000_000  # rviz's own clock, which is not the cameras'
        self._feedback.publish(feedback)


@dataclass(frozen=True)
class Street:
    caller: Caller
    rviz: Rviz

    def listed(self, name: str) -> VirtualCamera:
        cameras = self.caller.call("list_virtual_cameras").cameras
        return next(camera for camera in cameras if camera.name == name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    model = make_package(tmp_path_factory.mktemp("models") / "tiny")
    with live(171, model) as (opened, rig, caller):
        rig.send(SENT)
        caller.synthesize_when_ready(_whole("ready"))
        yield Street(caller, Rviz(opened, caller))


@pytest.fixture
def street(running: Street) -> Iterator[Street]:
    assert running.caller.add(raised_camera("held")).success
    yield running
    for camera in running.caller.call("list_virtual_cameras").cameras:
        assert running.caller.call("remove_virtual_camera", name=camera.name).success


def _whole(name: str) -> Any:
    request = asked(name)
    request.camera = raised_camera(name)
    return request


def moved(x: float) -> Pose:
    """The raised camera, x metres ahead of the base."""
    pose = raised_camera("held").pose
    pose.position.x = x
    return pose


def same(first: Pose, second: Pose) -> bool:
    """Not bit for bit: a camera keeps a matrix, whose quaternion is rounded."""
    matrices = []
    for pose in (first, second):
        p, q = pose.position, pose.orientation
        matrices.append(transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w)))
    return np.allclose(*matrices, atol=1e-12)


def test_a_client_that_comes_late_gets_a_marker_for_each_camera(street: Street) -> None:
    assert street.caller.add(along_x("rails")).success, "is not steered: no marker"
    markers = street.rviz.markers()
    assert list(markers) == ["held"]
    marker = markers["held"]
    assert marker.header.frame_id == "base_link"
    assert same(marker.pose, raised_camera("held").pose)
    assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (0, 0), "follows its frame"


def test_its_handles_are_the_cameras_axes(street: Street) -> None:
    controls = street.rviz.markers()["held"].controls
    names = {control.name for control in controls}
    assert names == {"move_free", *(f"{kind}_{a}" for kind in ("move", "rotate") for a in "xyz")}
    for control in controls:
        if control.name == "move_free":
            assert (control.always_visible, len(control.markers[0].points)) == (True, 16)
            continue
        q = control.orientation
        turn = transform_from_pose((0, 0, 0), (q.x, q.y, q.z, q.w))
        np.testing.assert_allclose(
            np.abs(turn[:3, 0]), np.eye(3)["xyz".index(control.name[-1])], atol=1e-12
        )
        is_move = control.interaction_mode == InteractiveMarkerControl.MOVE_AXIS
        assert is_move == control.name.startswith("move")


def test_a_dragged_marker_moves_the_camera_and_every_client_sees_it(street: Street) -> None:
    before = street.rviz.first_answer().sequence_number
    street.rviz.drag("held", moved(2.0))
    wait_for(lambda: same(street.listed("held").pose, moved(2.0)), "the camera at its marker")
    updates = street.rviz.since(before, lambda update: update.poses, "the marker's new pose")
    assert same(updates[0].poses[0].pose, moved(2.0))
    assert same(street.rviz.markers()["held"].pose, moved(2.0))
    answer = street.caller.synthesize_when_ready(asked("held"))
    assert answer.success, answer.message


@pytest.mark.parametrize(
    ("x", "code"), [(math.inf, "invalid_pose"), (math.nan, "invalid_pose"), (1e7, "")]
)
def test_a_marker_thrown_to_infinity_comes_back(street: Street, x: float, code: str) -> None:
    street.rviz.drag("held", moved(2.0))
    wait_for(lambda: same(street.listed("held").pose, moved(2.0)), "the camera at its marker")
    before = street.rviz.first_answer().sequence_number
    street.rviz.drag("held", moved(x))
    code = code or "pose_out_of_reach"
    street.caller.status("virtual camera held", lambda s: values_of(s).get("code") == code)
    [update] = street.rviz.since(before, lambda update: update.poses, "the marker's last pose")
    assert same(update.poses[0].pose, moved(2.0))
    assert same(street.listed("held").pose, moved(2.0))


def test_what_is_no_drag_moves_nothing(street: Street) -> None:
    before = street.rviz.first_answer().sequence_number
    street.rviz.drag("nobody", moved(5.0))
    street.rviz.drag("held", moved(5.0), event=InteractiveMarkerFeedback.MOUSE_UP)
    street.rviz.drag("held", moved(1.0))
    wait_for(lambda: same(street.listed("held").pose, moved(1.0)), "the drag after them")
    updates = street.rviz.since(before, lambda update: update.poses, "the marker's new pose")
    [pose] = [pose.pose for update in updates for pose in update.poses]
    assert same(pose, moved(1.0))


def test_markers_come_and_go_with_their_cameras(street: Street) -> None:
    before = street.rviz.first_answer().sequence_number
    assert street.caller.add(raised_camera("brief")).success
    changed = along_x("brief")
    assert street.caller.call("update_virtual_camera", camera=changed).success
    updates = street.rviz.since(before, lambda update: update.erases, "the marker's end")
    assert [m.name for m in updates[0].markers] == ["brief"]
    assert list(updates[-1].erases) == ["brief"]
    assert list(street.rviz.markers()) == ["held"]

"""Frustums of cameras: laws of their corners, and the topic over DDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from visualization_msgs.msg import Marker, MarkerArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, transform_from_pose
from anyview_ros.node.frustums import DrawnCamera, frustum_markers
from tests.node.rig import CAMERA, SENT, asked, live, raised_camera
from tests.node.virtual.test_moving_cameras import along_x
from tests.packages import make_package

pytestmark = pytest.mark.graph


def points_of(marker: Marker) -> np.ndarray[Any, Any]:
    """(N, 3) in the marker's frame."""
    p, q = marker.pose.position, marker.pose.orientation
    pose = transform_from_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
    points = np.array([(point.x, point.y, point.z, 1.0) for point in marker.points])
    return np.asarray((points @ pose.T)[:, :3])


def test_the_corners_are_those_of_the_image() -> None:
    camera = Camera(640, 480, 500.0, 400.0, 300.0, 260.0)
    pyramid, name = frustum_markers(DrawnCamera("front", False, "lens", camera, np.eye(4)), 2.0)
    points = points_of(pyramid)
    seen = points[points[:, 2] > 0]
    pixels = {tuple(np.round((camera.matrix @ (p / p[2]))[:2], 6)) for p in seen}
    assert pixels == {(-0.5, -0.5), (639.5, -0.5), (639.5, 479.5), (-0.5, 479.5)}
    np.testing.assert_allclose(seen[:, 2], 2.0)
    assert (pyramid.header.frame_id, pyramid.frame_locked, name.text) == ("lens", True, "front")
    assert name.pose.position.y < points[:, 1].min(), "y is down"


def test_rviz_draws_every_marker() -> None:
    """It asks for finite numbers, pairs of points, a width or height, and places of their own."""
    drawn = [DrawnCamera(name, True, "lens", CAMERA, BODY_FROM_OPTICAL) for name in ("a", "b")]
    markers = [marker for camera in drawn for marker in frustum_markers(camera, 1.0)]
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers)
    for pyramid, name in zip(markers[::2], markers[1::2], strict=True):
        assert (pyramid.type, name.type) == (Marker.LINE_LIST, Marker.TEXT_VIEW_FACING)
        assert points_of(pyramid).shape == (16, 3)
        assert np.isfinite(points_of(pyramid)).all()
        assert min(pyramid.scale.x, name.scale.z) > 0
        for marker in (pyramid, name):
            q = marker.pose.orientation
            np.testing.assert_allclose(np.linalg.norm([q.x, q.y, q.z, q.w]), 1.0)
            assert marker.color.a == 1.0


def test_a_rectified_camera_is_turned_as_its_lens_says() -> None:
    drawn = DrawnCamera("front", False, "body", CAMERA, BODY_FROM_OPTICAL)
    points = points_of(frustum_markers(drawn, 1.0)[0])
    np.testing.assert_allclose(points[:, 0].max(), 1.0, err_msg="it looks along x of the body")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_package(tmp_path / "tiny")


def test_sources_and_virtual_cameras_are_drawn_and_taken_away(model: Path) -> None:
    with live(206, model, cameras=("front", "left")) as (opened, rig, caller):
        rig.send(SENT)
        heard = opened.listen(MarkerArray, "/anyview/frustums")
        assert caller.add(raised_camera("chase")).success
        assert caller.add(along_x("rails")).success, "has no frame before its first images"
        assert caller.synthesize_when_ready(asked("chase")).success

        def shows(names: set[str]) -> bool:
            last = heard[-1].markers if heard else []
            return {m.ns for m in last if m.action == Marker.ADD} == names

        sources = {"source front", "source left"}
        opened.wait_until(lambda: shows({*sources, "virtual chase"}), "all cameras")
        chase = next(m for m in heard[-1].markers if m.ns == "virtual chase")
        assert chase.header.frame_id == "chase_optical_frame"
        assert caller.call("remove_virtual_camera", name="chase").success
        opened.wait_until(lambda: shows(sources), "the sources alone")
        deleted = {m.ns for array in heard for m in array.markers if m.action == Marker.DELETE}
        assert deleted == {"virtual chase"}

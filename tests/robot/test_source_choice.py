"""The choice of a source: laws of the share that is seen, and the cases a person would name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.frames import Camera
from anyview_ros.geometry import look_at
from anyview_ros.robot.source_choice import (
    DEPTHS,
    GRID,
    Candidate,
    PosedCamera,
    axis_angle,
    best_first,
    seen_share,
)

CAMERA = Camera.from_fov(256, 144, 1.2)
SCALE = 1 / 16


def camera_at(x: float, y: float, z: float, yaw: float, camera: Camera = CAMERA) -> PosedCamera:
    """Looks along the horizon; yaw in radians from the x axis to the left."""
    point = (x + np.cos(yaw), y + np.sin(yaw), z)
    return PosedCamera(camera, look_at((x, y, z), point))


FRONT = camera_at(0, 0, 1.6, 0.0)
LEFT = camera_at(0, 0, 1.6, np.radians(55))
RIGHT = camera_at(0, 0, 1.6, np.radians(-55))
REAR = camera_at(0, 0, 1.6, np.pi)


def order(target: PosedCamera, **sources: PosedCamera) -> list[str]:
    return best_first({name: Candidate(s, target) for name, s in sources.items()}, SCALE)


def test_a_camera_sees_all_of_itself() -> None:
    assert seen_share(Candidate(FRONT, FRONT), SCALE) == 1.0
    assert axis_angle(Candidate(FRONT, FRONT)) == pytest.approx(0.0, abs=1e-6)


def test_nothing_behind_a_camera_is_seen() -> None:
    assert seen_share(Candidate(REAR, FRONT), SCALE) == 0.0


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3.1, 3.1))
def test_the_share_is_that_of_a_slow_reference(x: float, y: float, yaw: float) -> None:
    target = camera_at(x, y, 2.0, yaw)
    grid = target.camera.resized(*GRID)
    seen = []
    for column in range(GRID[0]):
        for row in range(GRID[1]):
            ray = np.array([(column - grid.cx) / grid.fx, (row - grid.cy) / grid.fy, 1.0])
            for depth in DEPTHS / SCALE:
                world = target.world_from_cam @ [*(ray / np.linalg.norm(ray) * depth), 1.0]
                u, v, w = CAMERA.matrix @ (np.linalg.inv(FRONT.world_from_cam) @ world)[:3]
                inside = w > 0 and -0.5 <= u / w <= 255.5 and -0.5 <= v / w <= 143.5
                seen.append(inside)
    assert seen_share(Candidate(FRONT, target), SCALE) == pytest.approx(np.mean(seen), abs=0.011)


def test_the_chase_camera_is_made_from_the_front() -> None:
    chase = PosedCamera(CAMERA, look_at((-6, 0, 4), (20, 0, 0)))
    assert order(chase, left=LEFT, front=FRONT, right=RIGHT, rear=REAR)[0] == "front"


def test_a_camera_that_looks_left_is_made_from_the_left() -> None:
    target = camera_at(0, 1, 2, np.radians(70))
    assert order(target, left=LEFT, front=FRONT, right=RIGHT, rear=REAR)[0] == "left"


def test_where_none_sees_anything_the_nearest_axis_wins_then_the_name() -> None:
    narrow = Camera.from_fov(256, 144, 0.1)
    target = camera_at(0, 0, 1.6, 1.0, narrow)
    a, b = camera_at(0, 0, 1.6, 0.0, narrow), camera_at(0, 0, 1.6, -1.0, narrow)
    assert order(target, far=b, near=a) == ["near", "far"]
    assert order(target, second=b, first=b) == ["first", "second"]

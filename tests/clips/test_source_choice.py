"""The choice of a source: laws of the share that is seen, and the cases a person would name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.clips.source_choice import (
    Candidate,
    Choice,
    Keyframe,
    Past,
    axis_angle,
    rank_sources,
    seen_share,
    select_complementary,
)
from anyview_ros.engine.seen_points import DEPTHS, GRID, LEAST_GAIN, seen_points
from anyview_ros.frames import Camera, Frame, View
from anyview_ros.geometry import look_at

CAMERA = Camera.from_fov(256, 144, 1.2)
SCALE = 1 / 16


def camera_at(x: float, y: float, z: float, yaw: float, camera: Camera = CAMERA) -> View:
    """Looks along the horizon; yaw in radians from the x axis to the left."""
    point = (x + np.cos(yaw), y + np.sin(yaw), z)
    return View(camera, look_at((x, y, z), point)[None])


FRONT = camera_at(0, 0, 1.6, 0.0)
LEFT = camera_at(0, 0, 1.6, np.radians(55))
RIGHT = camera_at(0, 0, 1.6, np.radians(-55))
REAR = camera_at(0, 0, 1.6, np.pi)


def order(target: View, **sources: View) -> list[str]:
    return rank_sources({name: Candidate(s, target) for name, s in sources.items()}, SCALE)


def test_a_camera_sees_all_of_itself() -> None:
    assert seen_share(Candidate(FRONT, FRONT), SCALE) == 1.0
    assert axis_angle(Candidate(FRONT, FRONT)) == pytest.approx(0.0, abs=1e-6)


def test_nothing_behind_a_camera_is_seen() -> None:
    assert seen_share(Candidate(REAR, FRONT), SCALE) == 0.0


@settings(max_examples=5, deadline=None)  # of 2304 points each, in Python
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3.1, 3.1))
def test_the_share_is_that_of_a_slow_reference(x: float, y: float, yaw: float) -> None:
    target = camera_at(x, y, 2.0, yaw)
    grid = target.camera.resized(*GRID)
    seen = []
    for column in range(GRID[0]):
        for row in range(GRID[1]):
            ray = np.array([(column - grid.cx) / grid.fx, (row - grid.cy) / grid.fy, 1.0])
            for depth in DEPTHS / SCALE:
                world = target.world_from_cam[0] @ [*(ray / np.linalg.norm(ray) * depth), 1.0]
                u, v, w = CAMERA.matrix @ (np.linalg.inv(FRONT.world_from_cam[0]) @ world)[:3]
                inside = w > 0 and -0.5 <= u / w <= 255.5 and -0.5 <= v / w <= 143.5
                seen.append(inside)
    assert seen_share(Candidate(FRONT, target), SCALE) == pytest.approx(np.mean(seen), abs=0.011)


def test_the_chase_camera_is_made_from_the_front() -> None:
    chase = View(CAMERA, look_at((-6, 0, 4), (20, 0, 0))[None])
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


def joined(target: View, most: int, **sources: View) -> Choice:
    candidates = {name: Candidate(s, target) for name, s in sources.items()}
    return select_complementary(rank_sources(candidates, SCALE)[0], candidates, SCALE, most)


def keyframe(view: View, age_s: float, name: str = "front") -> Keyframe:
    image = np.zeros((view.camera.height, view.camera.width, 3), np.uint8)
    frame = Frame(NOW_NS - round(age_s * 1e9), image, view.camera, view.world_from_cam[0])
    return Keyframe(name, frame)


NOW_NS = 100 * 10**9
WIDE = camera_at(0, 0, 1.6, 0.0, Camera.from_fov(256, 144, 1.6))
RIG = {"left": LEFT, "front": FRONT, "right": RIGHT, "rear": REAR}


def test_a_wide_target_is_made_from_all_that_see_it() -> None:
    choice = joined(WIDE, 3, **RIG)
    assert choice.names[0] == "front"
    assert set(choice.names) == {"front", "left", "right"}
    assert (
        choice.reason
        == "'front' sees 46 %, 'left' adds 14 %, 'right' adds 14 %, 'rear' would add 0 %"
    )


def test_a_keyframe_takes_the_place_of_a_camera_that_adds_less() -> None:
    """The front camera was turned to the left a second ago, and saw more of it than the left."""
    candidates = {name: Candidate(s, WIDE) for name, s in RIG.items()}

    def chosen(most: int, *keyframes: Keyframe) -> Choice:
        return select_complementary("front", candidates, SCALE, most, Past(keyframes, NOW_NS))

    turned = camera_at(0, 0, 1.6, np.radians(40), Camera.from_fov(256, 144, 1.9))
    now, before = chosen(3), chosen(3, keyframe(turned, 1.0))
    assert now == joined(WIDE, 3, **RIG)
    assert before.names == ("front", "right")
    assert "'front' sees 46 %, 'front' 1.0 s before adds 31 %, 'right' adds 14 %" in before.reason
    assert chosen(2, keyframe(turned, 1.0)).names == ("front",)
    assert chosen(2, keyframe(turned, 60.0)).names == ("front", "left"), "too old"
    assert chosen(3, keyframe(LEFT, 1.0)).names == now.names, "a camera of now comes first"


def test_no_more_are_taken_than_the_model_takes() -> None:
    assert joined(WIDE, 1, **RIG).names == ("front",)
    two = joined(WIDE, 2, **RIG)
    assert two.names == ("front", "left")
    assert two.reason.endswith("'right' would add 14 %")


def test_a_twin_adds_nothing_and_is_left_out() -> None:
    choice = joined(FRONT, 3, first=FRONT, twin=FRONT)
    assert choice == Choice(("first",), "'first' sees 100 %, 'twin' would add 0 %")


@given(st.floats(-3, 3), st.floats(-3.1, 3.1), st.integers(1, 4))
def test_each_source_that_joins_is_worth_it(y: float, yaw: float, most: int) -> None:
    target = camera_at(-2, y, 2.0, yaw, Camera.from_fov(256, 144, 2.0))
    names = joined(target, most, **RIG).names
    assert 1 <= len(names) <= most
    union = np.zeros_like(seen_points(FRONT, target, SCALE))
    for name in names:
        gain = seen_points(RIG[name], target, SCALE) & ~union
        assert name == names[0] or gain.mean() >= LEAST_GAIN
        union |= gain


def test_the_whole_clip_counts_not_its_end() -> None:
    """A target that turns from the left to the front, most of the time to the left."""
    turning = np.stack([camera_at(0, 0, 1.6, yaw).world_from_cam[0] for yaw in (1.0, 0.9, 0.0)])

    def still(source: View) -> View:
        return View(CAMERA, np.repeat(source.world_from_cam, 3, axis=0))

    candidates = {
        name: Candidate(still(source), View(CAMERA, turning)) for name, source in RIG.items()
    }
    assert rank_sources(candidates, SCALE)[:2] == ["left", "front"]


def test_a_stream_keeps_its_source_until_another_is_clearly_better() -> None:
    """The target turns slowly from ahead to the left and back, shaking a little."""
    rng = np.random.default_rng(0)
    turns = [*np.linspace(0.0, np.radians(55), 200), *np.linspace(np.radians(55), 0.0, 200)]
    firsts = {"kept": [""], "anew": [""]}
    for yaw in turns:
        target = camera_at(0, 0, 1.6, yaw + rng.normal(0, 0.02))
        candidates = {name: Candidate(source, target) for name, source in RIG.items()}
        firsts["kept"].append(rank_sources(candidates, SCALE, firsts["kept"][-1])[0])
        firsts["anew"].append(rank_sources(candidates, SCALE)[0])
    changes = {
        name: sum(a != b for a, b in itertools.pairwise(found[1:]))
        for name, found in firsts.items()
    }
    assert changes["kept"] == 2 < changes["anew"]

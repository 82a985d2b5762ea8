"""The choice of keyframes: laws of a greedy cover, and the cases a person would name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.engine.keyframes import choose_keyframes, likeness
from anyview_ros.engine.seen_points import DEPTHS, GRID, LEAST_GAIN
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import look_at, rays

CAMERA = Camera.from_fov(32, 18, 1.2)
SCALE = 1 / 16
NOW_NS, PERIOD_NS = 100 * 10**9, 10**8


def pose(x: float, yaw: float = 0.0, y: float = 0.0) -> NDArray[np.float64]:
    """Looks along the horizon; metres, radians from the x axis to the left."""
    return look_at((x, y, 1.6), (x + np.cos(yaw), y + np.sin(yaw), 1.6))


def frame(place: NDArray[np.float64], age_s: float = 0.0) -> Frame:
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    return Frame(NOW_NS - round(age_s * 1e9), image, CAMERA, place)


def live(place: NDArray[np.float64]) -> Clip:
    """A standing camera of five frames, the last one of now."""
    still = frame(place)
    stamps = [NOW_NS - (4 - k) * PERIOD_NS for k in range(5)]
    return Clip(tuple(Frame(ns, still.image, CAMERA, place) for ns in stamps))


def target(place: NDArray[np.float64]) -> View:
    return View(CAMERA, np.stack([place] * 5))


def seen_by(frame: Frame, view: View) -> NDArray[np.bool_]:
    """Sample by sample, by the camera's matrix: a slow reference."""
    directions = rays(CAMERA.resized(*GRID)).reshape(-1, 3)
    found = []
    for direction, depth in itertools.product(directions, DEPTHS / SCALE):
        point = view.world_from_cam[0] @ [*(direction * depth), 1.0]
        x, y, z = frame.camera.matrix @ (np.linalg.inv(frame.world_from_cam) @ point)[:3]
        column, row = x / z, y / z
        within = -0.5 <= column <= CAMERA.width - 0.5 and -0.5 <= row <= CAMERA.height - 0.5
        found.append(z > 0 and within)
    return np.array(found)


def test_a_camera_that_stands_still_gains_nothing() -> None:
    history = [frame(pose(0), age) for age in (1.0, 2.0, 5.0)]
    for place in (pose(0), pose(-7), pose(0, 0.8)):
        assert choose_keyframes(target(place), [live(pose(0))], history, SCALE, 3) == []


def test_a_camera_left_standing_gets_what_stood_there() -> None:
    """The car stood where the camera stands 5 s ago, and has driven on by 40 m."""
    history = [frame(pose(8 * k), 5.0 - k) for k in range(5)]
    chosen = choose_keyframes(target(pose(0.0, 0.1)), [live(pose(40))], history, SCALE, 2)
    assert chosen[0] is history[0]


def test_each_adds_what_nothing_before_it_shows() -> None:
    view, now = target(pose(-10, 0.3)), live(pose(8))
    history = [frame(pose(x, yaw), -x) for x in (-16, -8, -2) for yaw in (-0.9, 0.0, 0.9)]
    chosen = choose_keyframes(view, [now], history, SCALE, 9)
    assert 2 <= len(chosen) < 9
    shown = seen_by(now.frames[0], view)
    for one in chosen:
        own = seen_by(one, view)
        assert np.mean(own & ~shown) >= LEAST_GAIN
        shown |= own
    rest = [f for f in history if not any(f is one for one in chosen)]
    assert all(np.mean(seen_by(f, view) & ~shown) < LEAST_GAIN for f in rest)
    for count in range(len(chosen)):
        assert choose_keyframes(view, [now], history, SCALE, count) == chosen[:count]


@pytest.mark.parametrize("ahead_m", [0.1, 0.3, 0.8, 2.0])
def test_little_is_not_worth_a_keyframe(ahead_m: float) -> None:
    """The car has driven on by so much: what it passed lies at the borders of the view."""
    view, now, past = target(pose(0)), live(pose(ahead_m)), frame(pose(0), 1.0)
    gain = np.mean(seen_by(past, view) & ~seen_by(now.frames[0], view))
    assert 0 < gain < 0.5
    chosen = choose_keyframes(view, [now], [past], SCALE, 2)
    assert chosen == ([past] if gain >= LEAST_GAIN else [])


def test_what_another_live_camera_shows_is_not_fetched_from_the_past() -> None:
    view, left = target(pose(0, 0.9)), pose(0, 0.9)
    past = [frame(left, 1.0)]
    assert choose_keyframes(view, [live(pose(0))], past, SCALE, 2) == past
    assert choose_keyframes(view, [live(pose(0)), live(left)], past, SCALE, 2) == []


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_show_the_same_the_younger_and_the_more_alike(turned: bool) -> None:
    view, ahead = target(pose(-8)), [live(pose(30))]
    young, old = frame(pose(-8), 2.0), frame(pose(-8), 6.0)
    near, far = frame(pose(-9), 2.0), frame(pose(-40), 2.0)
    for better, worse in ((young, old), (near, far)):
        history = [worse, better] if turned else [better, worse]
        assert choose_keyframes(view, ahead, history, SCALE, 1) == [better]


def test_likeness_falls_with_age_angle_and_distance() -> None:
    view = target(pose(0))
    assert likeness(frame(pose(0)), view, NOW_NS, SCALE) == pytest.approx(1)
    for other in (frame(pose(0), 10.0), frame(pose(0, 1.0)), frame(pose(-16))):
        assert likeness(other, view, NOW_NS, SCALE) == pytest.approx(0.5)


def test_no_history_no_keyframes() -> None:
    assert choose_keyframes(target(pose(0)), [live(pose(9))], [], SCALE, 3) == []

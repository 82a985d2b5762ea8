"""The street: pure, endless, smooth, without collisions, and nothing appears near the camera."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.worlds.render.raycast import render, render_depth
from anyview_ros.worlds.render.scene import GROUP_RADIUS
from anyview_ros.worlds.street.plan import street_plan
from anyview_ros.worlds.street.street import StreetWorld
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.street.traffic import Traffic
from anyview_ros.worlds.world import make_world

SECOND = 10**9
SEEDS = range(6)
NEAR = 110.0  # metres; beyond, haze hides what wraps around


def traffic(seed: int) -> Traffic:
    rng = np.random.default_rng(seed)
    return Traffic(street_plan(rng), rng)


@pytest.mark.parametrize("stamp", [0, SECOND, 600 * SECOND, 3600 * SECOND, -180 * SECOND])
def test_a_scene_does_not_depend_on_what_was_asked_before(stamp: int) -> None:
    asked = StreetWorld(7)
    for other in (5 * SECOND, 700 * SECOND, stamp - 20 * SECOND):
        asked.scene_at(other)
    fresh = StreetWorld(7).scene_at(stamp)
    again = asked.scene_at(stamp)
    for name in ("primitives", "groups", "environment"):
        np.testing.assert_array_equal(getattr(fresh, name), getattr(again, name))


def test_seeds_and_stamps_make_a_difference() -> None:
    scenes = [make_world("street", s).scene_at(SECOND) for s in (0, 1)]
    assert scenes[0].primitives.shape != scenes[1].primitives.shape or not np.array_equal(
        scenes[0].primitives, scenes[1].primitives
    )
    world = make_world("street", 0)
    assert not np.array_equal(
        world.scene_at(SECOND).primitives[-50:], world.scene_at(SECOND + 10**7).primitives[-50:]
    )


@pytest.mark.parametrize("minute", [0, 1, 10, 45])
@pytest.mark.parametrize("seed", [1, 4])
def test_the_street_never_ends(seed: int, minute: int) -> None:
    world, stamp = make_world("street", seed), minute * 60 * SECOND
    scene, base = world.scene_at(stamp), world.world_from_link("base", stamp)
    offset = scene.groups[:, 0] - base[0, 3]
    for low, high in ((-150, -75), (-75, 0), (0, 75), (75, 150)):
        assert ((offset > low) & (offset < high)).sum() > 15
    camera = Camera.from_fov(96, 54, 1.4)
    image = render(scene, camera, base @ STREET_RIG[0].link_from_cam)
    assert image.reshape(-1, 3).std(axis=0).min() > 12
    # Houses on both sides: far fewer rays reach the sky than above an empty plain (a half).
    depth = render_depth(scene, camera, base @ STREET_RIG[0].link_from_cam)
    assert np.isinf(depth).mean() < 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_the_car_drives_smoothly_along_its_heading(seed: int) -> None:
    world = make_world("street", seed)
    step = SECOND // 20
    poses = np.stack([world.world_from_link("base", k * step) for k in range(1200)])
    velocity = np.diff(poses[:, :2, 3], axis=0) * 20
    speed = np.linalg.norm(velocity, axis=1)
    assert 2.0 < speed.min() <= speed.max() < 17.0
    assert np.abs(np.diff(speed) * 20).max() < 3.0  # m/s^2: gentle
    heading, course = poses[:-1, :2, 0], velocity / speed[:, None]
    sine = heading[:, 0] * course[:, 1] - heading[:, 1] * course[:, 0]
    assert np.abs(sine).max() < 3e-3
    assert (poses[:, 2, 3] == 0).all()
    assert np.ptp(poses[:, 1, 3]) < 0.4


def test_nanoseconds_count() -> None:
    """A nanosecond moves the car by nanometres, not by a rounded stamp's jump."""
    world = make_world("street", 3)
    stamp = 1_700_000_000 * SECOND // 1000
    before, after = (world.world_from_link("base", stamp + d)[0, 3] for d in (0, 1000))
    assert 1e-6 < after - before < 2e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_what_moves_moves_little_and_wraps_only_in_the_haze(seed: int) -> None:
    moving = traffic(seed)
    step = 0.1
    for start in (0.0, 60.0, 613.0):
        before, ego = moving.at(start)[1], moving.ego_pose(start)[0]
        for k in range(1, 100):
            after = moving.at(start + k * step)[1]
            assert after.shape == before.shape
            jump = np.linalg.norm(after[:, :3] - before[:, :3], axis=1)
            near = np.abs(before[:, 0] - ego) < NEAR
            assert jump[near].max() < 20.0 * step  # 72 km/h
            before, ego = after, moving.ego_pose(start + k * step)[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_cars_of_a_lane_never_touch(seed: int) -> None:
    """Wheels touch the ground at z = 0 in the same lane; centres stay apart by a car's length."""
    moving = traffic(seed)
    for t in np.arange(0.0, 600.0, 7.3):
        groups = moving.at(t)[1]
        cars = groups[groups[:, GROUP_RADIUS] > 1.8]
        close = np.abs(cars[:, None, 1] - cars[None, :, 1]) < 1.4
        apart = np.abs(cars[:, None, 0] - cars[None, :, 0]) + np.where(close, 0, 1e3)
        np.fill_diagonal(apart, 1e3)
        assert apart.min() > 5.5


def test_people_walk_on_sidewalks() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        plan = street_plan(rng)
        groups = Traffic(plan, rng).at(12.0)[1]
        people = groups[groups[:, GROUP_RADIUS] < 1.5]
        assert len(people) >= 16
        assert (np.abs(people[:, 1]) > plan.road_half + 0.9).all()
        assert (np.abs(people[:, 1]) < plan.front).all()


def test_unknown_worlds_are_refused_by_name() -> None:
    kinds = r"one of \['clutter', 'street', 'table'\], got 'moon'"
    with pytest.raises(AnyviewError, match=kinds) as caught:
        make_world("moon", 0)
    assert caught.value.code == "unknown_world"
    with pytest.raises(AnyviewError, match="0 or larger, got -1"):
        make_world("street", -1)

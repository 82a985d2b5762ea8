"""The table: pure, endless, smooth, nothing through anything, and cameras that see it."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse
from anyview_ros.worlds.render.raycast import render, render_depth
from anyview_ros.worlds.render.scene import (
    BOX,
    CENTER,
    CYLINDER,
    ELLIPSOID,
    GROUP_CASTS,
    GROUP_RADIUS,
    HALF,
    ROTATION,
    SHAPE,
)
from anyview_ros.worlds.rigs import BASE
from anyview_ros.worlds.table.arm import GRIP, solved, world_from_hand
from anyview_ros.worlds.table.room import WORKSPACE
from anyview_ros.worlds.table.table import TableWorld
from anyview_ros.worlds.table.table_plan import Orbit, table_plan
from anyview_ros.worlds.table.table_rig import DOLLY, HAND
from anyview_ros.worlds.world import make_world
from tests.worlds.reference import inside

SECOND = 10**9
SEEDS = range(12)


def plan(seed: int):
    return table_plan(np.random.default_rng(seed))


@pytest.mark.parametrize("stamp", [0, SECOND, 600 * SECOND, -180 * SECOND])
def test_a_scene_does_not_depend_on_what_was_asked_before(stamp: int) -> None:
    asked = TableWorld(7)
    for other in (5 * SECOND, 700 * SECOND):
        asked.scene_at(other)
    fresh, again = TableWorld(7).scene_at(stamp), asked.scene_at(stamp)
    for name in ("primitives", "groups", "environment"):
        np.testing.assert_array_equal(getattr(fresh, name), getattr(again, name))


def test_every_round_is_like_the_first_and_things_come_back() -> None:
    for seed in SEEDS:
        motion = plan(seed).motion
        for t in np.arange(0.0, motion.round_s, 3.1):
            np.testing.assert_allclose(
                motion.world_from_thing(0, t),
                motion.world_from_thing(0, t + 5 * motion.round_s),
                atol=1e-9,
            )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_hand_moves_smoothly_within_reach_and_above_the_table(seed: int) -> None:
    motion, arm = plan(seed).motion, TableWorld(seed)._arm
    step = 0.02
    poses = [motion.hand(t) for t in np.arange(0.0, motion.round_s + 1.0, step)]
    grips = np.stack([(world_from_hand(p) @ (0, 0, GRIP, 1))[:3] for p in poses])
    speed = np.linalg.norm(np.diff(grips, axis=0), axis=1) / step
    assert 0.15 < speed.max() < 1.5  # m/s
    assert np.abs(np.diff(speed)).max() / step < 15.0  # no jerk from one frame to the next
    assert grips[:, 2].min() > 0.005
    for pose in poses:
        joints = solved(arm.shape, pose)
        assert min(joints.elbow[1], joints.wrist[1]) > 0.1
        assert np.linalg.norm(joints.elbow - joints.shoulder) == pytest.approx(arm.shape.upper)
        assert np.linalg.norm(joints.wrist - joints.elbow) == pytest.approx(arm.shape.fore)


@pytest.mark.parametrize("seed", SEEDS)
def test_carried_things_never_jump_and_stand_where_they_are_put(seed: int) -> None:
    table, step = plan(seed), 0.02
    motion = table.motion
    times = np.arange(0.0, motion.round_s + 1.0, step)
    for index in range(len(table.carried)):
        poses = np.stack([motion.world_from_thing(index, t) for t in times])
        jump = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert jump.max() < 1.5 * step
        np.testing.assert_allclose(
            poses[:, :3, 2], np.tile((0, 0, 1.0), (len(times), 1)), atol=1e-6
        )
        assert poses[:, 2, 3].min() > -1e-6
        resting = jump < 1e-9
        assert 0.2 < resting.mean() < 1.0
        np.testing.assert_allclose(poses[:-1][resting][:, 2, 3], 0.0, atol=1e-6)
        assert np.linalg.norm(poses[0, :2, 3] - poses[:, :2, 3], axis=1).max() > 0.1  # elsewhere


def test_a_carried_thing_hangs_in_the_fingers() -> None:
    motion = plan(3).motion
    held = 0
    for t in np.arange(0.0, motion.round_s, 0.1):
        thing, hand = motion.world_from_thing(0, t), world_from_hand(motion.hand(t))
        if thing[2, 3] > 0.02:
            held += 1
            np.testing.assert_allclose((inverse(hand) @ thing)[:2, 3], 0.0, atol=1e-9)
    assert held > 10


def test_a_ball_rolls_without_slip() -> None:
    """The ball's point that touches the table stands still."""
    way = Orbit(np.array([0.3, 0.1]), 0.1, 0.9, 0.4, rolls=0.04)
    dt = 1e-5
    for t in (0.0, 2.2, 17.0):
        before, after = way.world_from_thing(t - dt), way.world_from_thing(t + dt)
        middle = before @ (0, 0, 0.04, 1)
        assert middle[2] == pytest.approx(0.04)
        touching = middle - (0, 0, 0.04, 0)
        moved = after @ inverse(before) @ touching - touching
        assert np.linalg.norm(after[:3, 3] - before[:3, 3]) > 0
        assert np.linalg.norm(moved) < 0.02 * 2 * dt * 0.09


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stands_keeps_clear_of_what_moves(seed: int) -> None:
    """No thing's middle comes within another's: at rest, rolling, or in the hand above them."""
    table = plan(seed)
    for t in np.arange(0.0, table.motion.round_s, 1.3):
        middles = np.stack(
            [
                rows[:, CENTER : CENTER + 3].mean(axis=0)
                for rows in (*table.standing, *table.moving_at(t))
            ]
        )
        apart = np.linalg.norm(middles[:, None] - middles[None], axis=-1) + np.eye(len(middles))
        assert apart.min() > 0.05


def points_in(row: np.ndarray) -> np.ndarray:
    """(n, 3) points in the world inside a primitive, its surface nearly included."""
    local = np.random.default_rng(0).uniform(-1, 1, (250, 3))
    round_axes = {BOX: 0, CYLINDER: 2, ELLIPSOID: 3}[int(row[SHAPE])]
    local = local[(local[:, :round_axes] ** 2).sum(axis=1) < 1] * row[HALF : HALF + 3]
    return local @ row[ROTATION : ROTATION + 9].reshape(3, 3).T + row[CENTER : CENTER + 3]


@pytest.mark.parametrize("seed", range(5))
def test_the_arm_and_what_it_carries_go_through_nothing(seed: int) -> None:
    world = TableWorld(seed)
    table = world._plan
    for t in np.arange(0.0, table.motion.round_s, 2.9):
        moving = table.moving_at(t)
        carried, rolling = moving[: len(table.carried)], moving[len(table.carried) :]
        arm, _ = world._arm.rows_at(table.motion.hand(t))
        base = 3  # rows that stand on the table themselves
        points = np.concatenate([points_in(row) for row in (*arm[base:], *np.concatenate(carried))])
        for thing in (*table.standing, *rolling):
            assert not any(inside(row, points).any() for row in thing)


def test_walls_cast_no_shadow_and_things_do() -> None:
    groups = make_world("table", 1).scene_at(SECOND).groups
    walls = groups[:, GROUP_CASTS] == 0
    assert walls.sum() == 4
    assert groups[walls, GROUP_RADIUS].min() > 1.5


def test_links() -> None:
    world = make_world("table", 2)
    np.testing.assert_array_equal(world.world_from_link(BASE, SECOND), np.eye(4))
    for link in (HAND, DOLLY):
        before, after = (world.world_from_link(link, 3 * SECOND + d) for d in (0, SECOND // 2))
        assert not np.allclose(before, after)
        np.testing.assert_allclose(before[:3, :3] @ before[:3, :3].T, np.eye(3), atol=1e-12)
    with pytest.raises(AnyviewError, match=r"links of 'table' are .*got 'elbow'") as caught:
        world.world_from_link("elbow", 0)
    assert caught.value.code == "unknown_link"


@pytest.mark.parametrize("seed", [0, 5])
def test_every_camera_of_the_rig_sees_things_at_an_arms_length(seed: int) -> None:
    world = make_world("table", seed)
    for camera in world.rig:
        for stamp in (2 * SECOND, 61 * SECOND):
            pose = world.world_from_link(camera.link, stamp) @ camera.link_from_cam
            image = render(world.scene_at(stamp), camera.camera, pose)
            depth = render_depth(world.scene_at(stamp), camera.camera, pose)
            assert image.reshape(-1, 3).std(axis=0).min() > 10
            assert 0.03 < np.median(depth) < 2.0
            assert np.isinf(depth).mean() < 0.2


def azimuth(pose: np.ndarray) -> float:
    x, y, _ = pose[:3, 3] - WORKSPACE
    return float(np.degrees(np.arctan2(y, x)))


def test_sources_and_targets_are_of_all_kinds_and_mostly_far_apart() -> None:
    world, rng = make_world("table", 0), np.random.default_rng(0)
    links, turns = [], []
    for _ in range(600):
        source = world.sample_source(rng)
        target = world.sample_target(rng, source)
        links.append((source.link, target.link))
        for mount in (source, target):
            rotation = mount.link_from_cam[:3, :3]
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
            assert 49 < np.degrees(mount.horizontal_fov) < 91
        if source.link == target.link == BASE:
            assert np.linalg.norm(source.link_from_cam[:2, 3]) > 0.3  # not within the column
            turn = azimuth(source.link_from_cam) - azimuth(target.link_from_cam)
            turns.append(abs((turn + 180) % 360 - 180))
    assert {source for source, _ in links} == {BASE, HAND}
    assert {target for _, target in links} == {BASE, HAND, DOLLY}
    assert np.mean(np.array(turns) > 30) > 0.6
    assert np.mean(np.array(turns) < 15) > 0.1


def test_sampled_cameras_see_the_table() -> None:
    rng = np.random.default_rng(4)
    blind = 0
    for seed in range(8):
        world = make_world("table", seed)
        scene = world.scene_at(3 * SECOND)
        source = world.sample_source(rng)
        for mount in (source, *(world.sample_target(rng, source) for _ in range(4))):
            camera: Camera = mount.camera(32, 24)
            pose = world.world_from_link(mount.link, 3 * SECOND) @ mount.link_from_cam
            blind += render(scene, camera, pose).reshape(-1, 3).std(axis=0).max() < 12
    assert blind <= 2  # a hand that holds something may hide all

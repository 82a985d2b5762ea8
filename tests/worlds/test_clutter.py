"""The clutter world: pure, seen from outside of things, and mostly not standing on z = 0."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.training.scenes import SceneConfig, render_scene
from anyview_ros.worlds.clutter import ClutterWorld
from anyview_ros.worlds.render import scene as columns

SECOND = 10**9
SEEDS = range(24)


@pytest.mark.parametrize("stamp", [0, 31 * SECOND, -7 * SECOND])
def test_a_scene_does_not_depend_on_what_was_asked_before(stamp: int) -> None:
    asked = ClutterWorld(5)
    asked.scene_at(900 * SECOND)
    fresh, again = ClutterWorld(5).scene_at(stamp), asked.scene_at(stamp)
    for name in ("primitives", "groups", "environment"):
        np.testing.assert_array_equal(getattr(fresh, name), getattr(again, name))


def test_every_row_lies_in_the_sphere_of_its_group() -> None:
    for seed in SEEDS:
        scene = ClutterWorld(seed).scene_at(3 * SECOND)
        covered = np.zeros(len(scene.primitives), int)
        for group in scene.groups:
            first, last = int(group[columns.GROUP_FIRST]), int(group[columns.GROUP_LAST])
            covered[first:last] += 1
            rows = scene.primitives[first:last]
            away = np.linalg.norm(rows[:, 1:4] - group[:3], axis=1) + rows[:, columns.RADIUS]
            assert (away <= 1.01 * group[columns.GROUP_RADIUS]).all()
        assert (covered == 1).all()


def test_the_ground_is_mostly_elsewhere_and_some_worlds_are_rooms() -> None:
    worlds = [ClutterWorld(seed) for seed in SEEDS]
    floors = np.array([w.scene_at(0).environment[columns.GROUND] for w in worlds])
    assert 0.15 < (floors == 0).mean() < 0.6
    assert (floors <= 0).all()
    assert 0.2 < np.mean([w._walls is not None for w in worlds]) < 0.7


def test_things_move_in_some_and_the_hand_sways_smoothly() -> None:
    moving = 0
    for seed in SEEDS:
        world = ClutterWorld(seed)
        here, later = (world.scene_at(t).primitives for t in (SECOND, 2 * SECOND))
        moving += bool((here != later).any())
        path = np.stack([world.world_from_link("base", k * SECOND // 10) for k in range(60)])
        steps = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1)
        assert steps.max() < 0.25
        np.testing.assert_allclose(np.linalg.det(path[:, :3, :3]), 1, atol=1e-9)
    assert moving > len(SEEDS) / 2


def test_cameras_see_things_near_and_far_and_seldom_nothing() -> None:
    config = SceneConfig(
        world="clutter",
        still=False,
        scene_scale=0.25,
        first_seed=0,
        count=1,
        frames=1,
        frame_period=0.1,
        size=(32, 48),
        sources=2,
        targets=2,
        depth=True,
    )
    depths = [render_scene(config, seed).inverse_depth for seed in range(8)]
    seen = np.stack(depths).astype(np.float32)
    assert 0.02 < (seen == 0).mean() < 0.5  # the open sky
    metres = 1 / seen[seen > 0]
    low, middle, high = np.quantile(metres, (0.02, 0.5, 0.98))
    assert low > 0.2
    assert middle < 12
    assert high > 6

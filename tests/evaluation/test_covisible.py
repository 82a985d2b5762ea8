"""Co-visibility against rays that ask the renderer one by one, and by hand."""

from __future__ import annotations

import numpy as np

from anyview_ros.evaluation.covisible import (
    SKY_M,
    covisible,
    points,
    project_from_world,
    was_there,
)
from anyview_ros.frames import Camera
from anyview_ros.geometry import inside, look_at
from anyview_ros.worlds.render.raycast import render_depth
from tests.evaluation.scenes import world_suite

CAMERA = Camera.from_fov(40, 30, 1.2)


def test_points_and_projection_are_each_others_inverse() -> None:
    depth = np.random.default_rng(0).uniform(1, 50, (30, 40)).astype(np.float32)
    pose = look_at((1, 2, 3), (9, -4, 0))
    xy, z = project_from_world(points(depth, CAMERA, pose), CAMERA, pose)
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(30)), axis=-1)
    np.testing.assert_allclose(xy, grid, atol=1e-9)
    np.testing.assert_allclose(z, depth, rtol=1e-12)


def test_what_lies_behind_or_beside_the_camera_is_not_inside() -> None:
    pose = look_at((0, 0, 0), (1, 0, 0))
    xy, _ = project_from_world(np.array([[-5.0, 0, 0], [5, 0, 0], [5, 9, 0]]), CAMERA, pose)
    assert inside(xy, CAMERA).tolist() == [False, True, False]


def test_a_wall_hides_what_is_behind_it_and_the_sky() -> None:
    """The source looks at a wall 2 m away on its left half; the target's points are 9 m away."""
    pose = look_at((0, 0, 0), (1, 0, 0))
    wall = np.full((30, 40), np.inf, np.float32)
    wall[:, :20] = 2.0
    for far in (9.0, np.inf):
        seen = points(np.full((30, 40), far, np.float32), CAMERA, pose)
        _, shown = covisible(seen, wall, CAMERA, pose)
        assert not shown[:, :19].any()
        assert shown[:, 20:].all()
    assert seen[0, 0, 0] == SKY_M
    on_the_wall = points(wall, CAMERA, pose)
    assert covisible(on_the_wall, wall, CAMERA, pose)[1].all()


def test_what_has_come_since_was_not_there() -> None:
    """The old frame saw a wall 5 m away on its left half, and the sky beside it."""
    pose = look_at((0, 0, 0), (1, 0, 0))
    wall = np.full((30, 40), np.inf, np.float32)
    wall[:, :20] = 5.0
    for far, on_the_left, on_the_right in ((5.0, True, False), (3.0, False, False)):
        seen = points(np.full((30, 40), far, np.float32), CAMERA, pose)
        there = was_there(seen, wall, CAMERA, pose)
        assert (there[:, :19] == on_the_left).all()
        assert (there[:, 20:] == on_the_right).all()
    behind = points(np.full((30, 40), np.inf, np.float32), CAMERA, pose)
    there = was_there(behind, wall, CAMERA, pose)
    assert not there[:, :19].any()
    assert there[:, 20:].all()


def test_on_the_street_it_agrees_with_rays_from_the_source_to_each_point() -> None:
    """A camera of one pixel at the source's place looks at the point: is that what it meets?"""
    suite = world_suite()
    agreed = asked = 0
    for episode in suite.episodes()[:4]:
        task = suite.task(episode)
        assert task.visibility is not None
        assert task.world is not None
        scene = task.world.scene_at(task.source[0].stamp_ns)
        camera, source_pose = task.target.camera, task.source_poses[0]
        target_pose = task.target.world_from_cam[0]
        met = points(render_depth(scene, camera, target_pose), camera, target_pose)
        in_image = inside(task.visibility.source_xy[0], task.source_camera)
        for row, column in np.random.default_rng(1).integers(0, (48, 80), (40, 2)):
            point = met[row, column]
            distance = float(np.linalg.norm(point - source_pose[:3, 3]))
            if not in_image[row, column]:
                assert not task.visibility.covisible[0, row, column]
                continue
            ray = look_at(source_pose[:3, 3], point, up=(0.1, 0.2, 1))
            (nearest,) = render_depth(scene, Camera(1, 1, 50, 50, 0, 0), ray).ravel()
            asked += 1
            shown = bool(task.visibility.covisible[0, row, column])
            agreed += bool(nearest > 0.97 * distance) == shown
    assert asked > 30
    assert agreed > 0.93 * asked  # the rest lies at silhouettes, within a pixel

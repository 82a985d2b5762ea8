"""Warps against worlds in which they are exact, and seen to fail when a camera is moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anyview_ros.evaluation import baselines as b
from anyview_ros.evaluation.clip_metrics import region_psnr
from anyview_ros.evaluation.task import Task
from anyview_ros.frames import View
from anyview_ros.geometry import look_at
from tests.evaluation.scenes import (
    CAMERA,
    FRAMES,
    frames_of,
    noise_task,
    poses,
    texture,
    world_suite,
)


def painted_ground() -> Task:
    """A scene that is nothing but the ground, seen by both cameras at each instant."""
    big = CAMERA.resized(160, 120)
    source, target = poses(0.0), poses(0.7, height=5.0)

    def seen(places: np.ndarray) -> np.ndarray:
        met = [b.ground_points(big, pose) for pose in places]
        return np.stack([texture(m[..., 0], m[..., 1]) for m in met])

    return Task(frames_of(seen(source), source), View(big, target), seen(target), 0.1)


def test_the_ground_plane_warp_is_exact_on_the_ground() -> None:
    task = painted_ground()
    warped, colour = b.ground_plane_warp(task), b.mean_colour(task)
    filled = (warped == colour).all(axis=-1)
    assert 0.02 < filled.mean() < 0.7
    assert region_psnr(warped, task.truth, ~filled) > 40
    moved = replace(task, target=View(task.target.camera, poses(0.8, height=5.0)))
    assert region_psnr(b.ground_plane_warp(moved), task.truth, ~filled) < 33


def test_rays_that_miss_the_ground_have_no_point() -> None:
    level = look_at((0, 0, 2), (1, 0, 2))
    met = b.ground_points(CAMERA, level)
    assert np.isnan(met[: CAMERA.height // 2 - 1]).all()
    below = met[-1]
    np.testing.assert_allclose(below[:, 2], 0, atol=1e-9)
    assert (below[:, 0] > 0).all()


def test_the_true_depth_warp_shows_the_truth_where_it_can() -> None:
    """Street lamps and leaves are thinner than pixels: it is never exact there."""
    suite = world_suite()
    task = suite.task(suite.episodes()[0])
    assert task.visibility is not None
    seen = task.visibility.covisible
    warped = b.true_depth_warp(task, task.visibility)
    assert (warped[~seen] == b.mean_colour(task)).all()
    exact = region_psnr(warped, task.truth, seen)
    assert exact > 20
    assert exact > region_psnr(b.ground_plane_warp(task), task.truth, seen) + 2
    shifted = replace(task.visibility, source_xy=task.visibility.source_xy + np.float32(2))
    assert region_psnr(b.true_depth_warp(task, shifted), task.truth, seen) < exact - 1.5


def test_the_colour_baselines() -> None:
    task = noise_task(3)
    mean_image = np.full((48, 64, 3), (10, 20, 30), np.uint8)
    made = b.baselines(task, mean_image)
    assert list(made) == [b.COPY, b.MEAN_IMAGE, b.MEAN_COLOUR]
    assert np.array_equal(made[b.COPY], task.source_images)
    assert made[b.MEAN_IMAGE].shape == task.truth.shape
    assert made[b.MEAN_IMAGE][0, 0, 0].tolist() == [10, 20, 30]
    colour = task.source_images.reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(made[b.MEAN_COLOUR][1, 2, 3], colour, atol=0.5)
    assert b.MEAN_IMAGE not in b.baselines(task, None)


@pytest.mark.parametrize("size", [(12, 16), (48, 64)])
def test_a_source_of_another_size_is_copied_at_the_targets(size: tuple[int, int]) -> None:
    flat = np.full((FRAMES, *size, 3), 77, np.uint8)
    task = replace(noise_task(0), source=frames_of(flat, poses(0.0)))
    assert (b.baselines(task, None)[b.COPY] == 77).all()
    assert b.baselines(task, None)[b.COPY].shape == task.truth.shape

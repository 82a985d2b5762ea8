"""The search finds where a picture was taken, and by how much its blur misleads it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from transforms3d.axangles import axangle2mat

from anyview_ros.evaluation.pose_error import pose_error
from anyview_ros.geometry import rigid
from anyview_ros.worlds.render.raycast import render
from tests.evaluation.scenes import world_suite

SUITE = world_suite()


def errors(degrees: float, metres: float, blur: float = 0.0) -> tuple[float, float]:
    """Of a picture taken that far from the place that was asked for, in a world."""
    task = SUITE.task(SUITE.episodes()[1])
    assert task.world is not None
    scene = task.world.scene_at(task.source[0].stamp_ns)
    camera, asked = task.target.camera, task.target.world_from_cam[0]
    axis, direction = np.array([0.6, 0.8, 0]), np.array([0.8, -0.6, 0])
    moved = rigid(axangle2mat(axis, np.radians(degrees)), metres * direction)
    image = render(scene, camera, asked @ moved)
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    return pose_error(image, scene, camera, asked, task.scene_scale)


def test_the_truth_is_where_it_should_be() -> None:
    rotation, translation = errors(0, 0)
    assert rotation < 0.2  # it is shrunk for the comparison, and not rendered small
    assert translation < 0.05


@pytest.mark.parametrize(("degrees", "metres"), [(3, 0), (6, 0.3), (0, 0.8), (10, 0)])
def test_a_planted_error_is_found(degrees: float, metres: float) -> None:
    rotation, translation = errors(degrees, metres)
    assert rotation == pytest.approx(degrees, abs=0.3)
    assert translation == pytest.approx(metres, abs=0.1)


def test_blur_alone_moves_it_little() -> None:
    rotation, translation = errors(0, 0, blur=3)
    assert rotation < 0.5
    assert translation < 0.2


def test_a_picture_without_content_has_no_pose_and_does_no_harm() -> None:
    task = SUITE.task(SUITE.episodes()[1])
    assert task.world is not None
    scene = task.world.scene_at(task.source[0].stamp_ns)
    grey = np.full_like(task.truth[0], 128)
    pose = task.target.world_from_cam[0]
    found = pose_error(grey, scene, task.target.camera, pose, task.scene_scale)
    assert np.isfinite(found).all()

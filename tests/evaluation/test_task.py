"""Long clips are asked for call by call; negative controls change one thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.task import answer, windows, with_images_of, with_pose_of
from anyview_ros.frames import Clip, View
from anyview_ros.geometry import inverse
from tests.evaluation.scenes import Oracle, noise_task, world_suite


@pytest.mark.parametrize(
    ("total", "lengths", "starts"),
    [(9, (9,), [0]), (9, (5, 9), [0]), (27, (9,), [0, 9, 18]), (41, (9,), [0, 9, 18, 27, 32])],
)
def test_windows(total: int, lengths: tuple[int, ...], starts: list[int]) -> None:
    found = windows(total, lengths)
    assert [w.start for w in found] == starts
    assert {k for w in found for k in w} == set(range(total))
    assert len({len(w) for w in found}) == 1


def test_a_clip_that_is_too_short() -> None:
    with pytest.raises(AnyviewError, match="takes clips of 9, 13 frames, this one has 5"):
        windows(5, (9, 13))


def test_a_long_clip_is_put_together_in_order(tmp_path: Path) -> None:
    suite = world_suite()
    task = suite.task(suite.episodes()[-1])
    oracle = Oracle(tmp_path, task)
    drawn = answer(oracle, task, SynthesisOptions(seed=3))  # type: ignore[arg-type]
    assert np.array_equal(drawn, task.truth)
    assert len(oracle.asked) == 2  # 15 frames by calls of 9: the last one makes three again
    assert {o.seed for o in oracle.asked} == {3}
    assert {o.scene_scale for o in oracle.asked} == {task.scene_scale}


def test_keyframes_follow_the_source_in_every_call(tmp_path: Path) -> None:
    suite = world_suite()
    task = suite.task(suite.episodes()[-1])
    first, second = (Clip.held(frame, 13) for frame in task.source[:2])
    view = View(task.target.camera, task.target.world_from_cam[:13])
    shorter = replace(task, source=task.source[:13], target=view, truth=task.truth[:13])
    oracle: Any = Oracle(tmp_path, task)
    answer(oracle, replace(shorter, memory=(first, second)), SynthesisOptions())
    assert oracle.sources == [3, 3]


def test_wrong_questions_keep_everything_else() -> None:
    task, other = noise_task(2), noise_task(5)
    moved = with_pose_of(task, other)
    here = inverse(moved.source_poses[0]) @ moved.target.world_from_cam
    there = inverse(other.source_poses[0]) @ other.target.world_from_cam
    np.testing.assert_allclose(here, there, atol=1e-12)
    assert moved.source is task.source
    own = with_pose_of(task, task).target.world_from_cam
    np.testing.assert_allclose(own, task.target.world_from_cam, atol=1e-12)
    swapped = with_images_of(task, other)
    assert np.array_equal(swapped.source_images, other.source_images)
    assert np.array_equal(swapped.source_poses, task.source_poses)
    assert swapped.target is task.target

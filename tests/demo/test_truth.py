"""Truth of the stereo still: known for the other camera alone. Worlds: tests/demo/test_report."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.demo.truth import _right_eye
from anyview_ros.geometry import STANDING_CAMERA, rigid
from anyview_ros.media.stereo_pair import StereoPair, motorcycle

STAMP_NS = 1_100_000_000


def stereo_pair() -> StereoPair:
    """The motorcycle, where its pictures are: `colcon test` beside a sourced ROS may have none."""
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    return motorcycle()


def test_the_other_picture_is_the_truth_of_its_own_camera() -> None:
    pair = stereo_pair()
    seen = _right_eye(pair)(pair.right_camera, STANDING_CAMERA @ pair.left_from_right, STAMP_NS)
    np.testing.assert_array_equal(seen, pair.right)


def test_nobody_knows_what_any_other_camera_saw() -> None:
    pair = stereo_pair()
    seen = _right_eye(pair)
    world_from_right = STANDING_CAMERA @ pair.left_from_right
    a_millimetre_aside = world_from_right @ rigid(np.eye(3), (0.001, 0.0, 0.0))
    assert seen(pair.right_camera, STANDING_CAMERA, STAMP_NS) is None
    assert seen(pair.right_camera, a_millimetre_aside, STAMP_NS) is None
    assert seen(pair.left_camera, world_from_right, STAMP_NS) is None

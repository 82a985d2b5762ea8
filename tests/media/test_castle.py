"""The castle's poses against its own depth camera, which they were not made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, rays
from anyview_ros.media import castle as module
from anyview_ros.media.castle import FOLDER, PAIRS, castle
from anyview_ros.media.real_view import RealView, depth_of_points


def depth_error(view: RealView, source_from_target: np.ndarray, source: np.ndarray) -> float:
    """Median difference of the target's depth, seen from the source, to the source's own."""
    direction = rays(view.truth.camera)
    points = (direction / direction[..., 2:] * view.depth[..., None])[np.isfinite(view.depth)]
    seen = points @ source_from_target[:3, :3].T + source_from_target[:3, 3]
    depth = depth_of_points(seen, view.truth.camera)
    both = np.isfinite(depth) & np.isfinite(source)
    assert both.mean() > 0.4
    return float(np.median(np.abs(depth - source)[both] / source[both]))


@pytest.mark.skipif(not FOLDER.is_dir(), reason="apt-get install visp-images-data")
def test_both_depths_agree_where_the_poses_say_they_meet() -> None:
    view, other = castle("20-08"), castle("08-20")
    assert len(view.source) == 9
    middle = view.source[4].world_from_cam  # where the other pair's target is
    np.testing.assert_array_equal(middle, other.truth.world_from_cam)
    source_from_target = inverse(middle) @ view.truth.world_from_cam
    assert 0.01 < np.linalg.norm(source_from_target[:3, 3]) < 0.06
    right = depth_error(view, source_from_target, other.depth)
    assert right < 0.01
    assert depth_error(view, np.eye(4), other.depth) > 1.5 * right  # seen to fail


def test_without_the_package_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(AnyviewError, match=r"apt-get install visp-images-data$") as caught:
        castle(next(iter(PAIRS)))
    assert caught.value.code == "missing_pictures"

"""The stereo pair's calibration against its disparities, and what happens without scikit-image."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse
from anyview_ros.media import stereo_pair
from anyview_ros.media.stereo_pair import motorcycle


def disparities() -> np.ndarray:
    (folder,) = importlib.util.find_spec("skimage").submodule_search_locations
    return np.load(Path(folder) / "data" / "motorcycle_disp.npz")["arr_0"]


def test_points_of_the_left_picture_are_found_in_the_right_one() -> None:
    """Depth from the disparity, out of the left camera and into the right one, same colour."""
    pair, offset = motorcycle(), disparities()
    y, x = np.nonzero(np.isfinite(offset))
    left, right = pair.left_camera, pair.right_camera
    baseline = pair.left_from_right[0, 3]
    depth = left.fx * baseline / (offset[y, x] + right.cx - left.cx)
    assert 1.5 < np.quantile(depth, 0.02) < np.quantile(depth, 0.98) < 8.0  # a room, in metres
    points = np.stack(
        [(x - left.cx) / left.fx, (y - left.cy) / left.fy, np.ones_like(depth)], axis=1
    )
    seen = points * depth[:, None] @ inverse(pair.left_from_right)[:3, :3].T
    seen += inverse(pair.left_from_right)[:3, 3]
    u = np.rint(right.fx * seen[:, 0] / seen[:, 2] + right.cx).astype(int)
    v = np.rint(right.fy * seen[:, 1] / seen[:, 2] + right.cy).astype(int)
    np.testing.assert_array_equal(v, y)  # rectified: the same scanline
    inside = (u >= 0) & (u < right.width)
    assert inside.mean() > 0.9
    colours = [pair.left[y[inside], x[inside]], pair.right[v[inside], u[inside]]]
    error = np.abs(np.subtract(*colours, dtype=float)).mean()
    assert error < 10  # parts of the scene are hidden from one eye
    shifted = pair.right[v[inside], np.clip(u[inside] + 3, 0, right.width - 1)]
    assert np.abs(colours[0] - shifted.astype(float)).mean() > 1.4 * error  # seen to fail


def test_without_scikit_image_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stereo_pair, "find_spec", lambda name: None)
    with pytest.raises(AnyviewError, match=r"pip install scikit-image$") as caught:
        motorcycle()
    assert caught.value.code == "missing_scikit_image"


def test_a_scikit_image_without_the_pictures_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = ModuleSpec("skimage", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(stereo_pair, "find_spec", lambda name: spec)
    with pytest.raises(AnyviewError, match=r"has no '.*motorcycle_left.png'; version 0.26 has it"):
        motorcycle()

"""Calibration of OpenCV's stereo pairs, known from what the pictures themselves show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, rays
from anyview_ros.media import opencv_doc
from anyview_ros.media.opencv_doc import CORNERS, FOLDER, SQUARE_M, aloe, chessboard
from anyview_ros.media.real_view import RealView

installed = pytest.mark.skipif(not FOLDER.is_dir(), reason="apt-get install opencv-doc")


def colour_error(view: RealView, columns_off: int = 0) -> float:
    """Mean difference of a known point's colour in both pictures, in 8-bit levels."""
    (source,), truth = view.source, view.truth
    known = np.isfinite(view.depth)
    direction = rays(truth.camera)
    points = (direction / direction[..., 2:] * view.depth[..., None])[known]
    seen = points + inverse(source.world_from_cam)[:3, 3]
    u = np.rint(source.camera.fx * seen[:, 0] / seen[:, 2] + source.camera.cx).astype(int)
    v = np.rint(source.camera.fy * seen[:, 1] / seen[:, 2] + source.camera.cy).astype(int)
    u += columns_off
    inside = (u >= 0) & (u < source.camera.width)
    assert inside.mean() > 0.8
    there, here = source.image[v[inside], u[inside]], truth.image[known][inside]
    return float(np.abs(there.astype(float) - here).mean())


@installed
@pytest.mark.parametrize(("view", "most"), [(aloe, 10.0), (lambda: chessboard("06"), 8.0)])
def test_known_points_have_one_colour_in_both_pictures(view, most: float) -> None:
    assert colour_error(view()) < most
    assert colour_error(view(), 3) > 1.5 * colour_error(view())  # seen to fail


@installed
def test_a_board_found_in_the_rectified_pictures_has_its_true_size() -> None:
    """Corners are looked for again: on equal rows, and as far apart as they are printed."""
    view = chessboard("09")
    camera, other = view.truth.camera, view.source[0].camera
    baseline = view.source[0].world_from_cam[0, 3]
    grey = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in (view.truth.image, view.source[0].image)]
    left, right = (cv2.findChessboardCorners(i, CORNERS)[1].reshape(-1, 2) for i in grey)
    assert np.abs(left[:, 1] - right[:, 1]).mean() < 0.5
    z = camera.fx * baseline / (left[:, 0] - right[:, 0] + other.cx - camera.cx)
    x, y = (left[:, 0] - camera.cx) * z / camera.fx, (left[:, 1] - camera.cy) * z / camera.fy
    corners = np.stack([x, y, z], axis=1)
    across = np.linalg.norm(corners[0] - corners[CORNERS[0] - 1])
    assert across == pytest.approx((CORNERS[0] - 1) * SQUARE_M, rel=0.03)
    inner = z.reshape(CORNERS[1], CORNERS[0])[1:-1, 1:-1].ravel()
    places = left.reshape(CORNERS[1], CORNERS[0], 2)[1:-1, 1:-1].reshape(-1, 2)
    columns, rows = np.rint(places).astype(int).T
    np.testing.assert_allclose(view.depth[rows, columns], inner, rtol=0.02)


def test_without_the_package_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opencv_doc, "FOLDER", tmp_path)
    for view in (aloe, lambda: chessboard("01")):
        with pytest.raises(AnyviewError, match=r"apt-get install opencv-doc$") as caught:
            view()
        assert caught.value.code == "missing_pictures"

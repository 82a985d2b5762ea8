"""`anyview cameras preview`: cameras over the rig, and a frame of each as augment makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from anyview_ros.cli.__main__ import main
from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.media.rig_plot import PlottedCamera, rig_plot
from tests.augment.bags import RAISED, cameras_file
from tests.datasets.rig_bag import RigRecording
from tests.packages import make_package

LATE = """
  - name: late
    trajectory:
      - header: {stamp: {sec: 500}}
        pose: {orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}}
      - header: {stamp: {sec: 501}}
        pose: {orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}}
    sources: [front]
"""
DRAWN = """samplers:
  - name: near
    about: front
    parent_frame: base_link
    grid: {y: 2}
    position: {y: [-1, 1]}
    sources: [front]
"""
RED, BLUE = (255, 0, 0), (0, 0, 255)


def previewed(bag: Path, out: Path, cameras: Path, model: Path, *more: str) -> int:
    given = ["cameras", "preview", str(bag), str(out), "--cameras", str(cameras), *more]
    return main([*given, "--model", str(model), "--provider", "cpu"])


def test_a_picture_with_a_tile_for_each_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, model = RigRecording().write(tmp_path / "drive"), make_package(tmp_path / "tiny")
    cameras = cameras_file(tmp_path, RAISED, LATE)
    cameras.write_text(cameras.read_text() + DRAWN)
    assert previewed(bag, tmp_path / "a.png", cameras, model) == 1
    said = capsys.readouterr().out
    assert "raised: from front\n" in said
    assert "late: outside_trajectory\n" in said
    assert "near_0: from front, " in said
    assert "sampler near: 2 cameras, rejected: none\n" in said
    picture = np.asarray(Pillow.open(tmp_path / "a.png"))
    assert picture.shape == (400 + 2 * (4 + 5 + 36 + 150), 1276, 3)
    assert "AnyView" in str(Pillow.open(tmp_path / "a.png").info["Comment"])
    tiles = [picture[445 + 195 * k : 445 + 195 * k + 150] for k in (0, 1)]
    spread = [np.ptp(tiles[k // 5][:, 256 * (k % 5) + 40 : 256 * (k % 5) + 210]) for k in range(6)]
    empty = [value < 30 for value in spread]
    assert empty == [False, False, False, True, False, False]  # front, left, raised, late, near


def test_a_picture_of_another_kind_and_a_camera_that_is_none(tmp_path: Path, capsys: Any) -> None:
    cameras, model = cameras_file(tmp_path, RAISED), make_package(tmp_path / "tiny")
    assert previewed(tmp_path / "drive", tmp_path / "a.gif", cameras, model) == 1
    assert "error [invalid_picture]: a picture ends in .jpg, .jpeg, .png" in capsys.readouterr().err


def plot(*cameras: PlottedCamera, floors: tuple[float, ...] = ()) -> Any:
    return rig_plot(cameras, [], floors, "base_link", (300, 200)).astype(int)


def middle(picture: Any, colour: tuple[int, int, int]) -> Any:
    """Mean (x, y) of the pixels that are nearly of a colour."""
    near = np.abs(picture - colour).sum(axis=2) < 60
    return np.argwhere(near).mean(axis=0)[::-1]


def test_ahead_is_to_the_right_left_is_up_from_above_and_high_is_up_from_the_side() -> None:
    lens = Camera.from_fov(64, 48, 1.0)
    at_origin = PlottedCamera("", lens, BODY_FROM_OPTICAL, RED)
    away = rigid(np.eye(3), (2.0, 1.0, 1.5)) @ BODY_FROM_OPTICAL
    picture = plot(at_origin, PlottedCamera("", lens, away, BLUE))
    above, side = picture[:, :300], picture[:, 304:]
    for view, up in ((above, 1.0), (side, 1.5)):
        x, y = middle(view, BLUE) - middle(view, RED)
        assert x > 0
        assert -y / x == pytest.approx(up / 2, abs=0.04)


def test_a_frustum_opens_where_the_camera_looks() -> None:
    lens = Camera.from_fov(64, 48, 1.0)
    left = rigid([[0, -1, 0], [1, 0, 0], [0, 0, 1]], (0, 0, 0)) @ BODY_FROM_OPTICAL
    picture = plot(
        PlottedCamera("", lens, left, RED), PlottedCamera("", lens, BODY_FROM_OPTICAL, BLUE)
    )[:, :300]
    rows = np.argwhere(np.abs(picture - RED).sum(axis=2) < 60)[:, 0]
    columns = np.argwhere(np.abs(picture - BLUE).sum(axis=2) < 60)[:, 1]
    assert np.ptp(rows) > 30
    assert np.ptp(columns) > 30
    assert middle(picture, RED)[1] < middle(picture, BLUE)[1] - 5
    assert middle(picture, BLUE)[0] > middle(picture, RED)[0] + 5

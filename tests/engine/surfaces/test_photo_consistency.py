"""Photo-consistency against a wall whose distance is known, and pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

from anyview_ros.engine.surfaces.photo_consistency import MOST, matching_costs, smoothed, supporting
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse
from tests.engine.surfaces.walls import frame_at, looking_ahead, texture

CAMERA = Camera(48, 32, 40.0, 41.0, 23.0, 16.5)
DEPTHS = np.linspace(0, 0.5, 11)
WALL_M = 1 / DEPTHS[4]
WALL = texture(1)
PLACES = [looking_ahead(0.1 * k, 0.12 * k, 0.05 * k) for k in range(5)]
FRAMES = [
    frame_at(CAMERA, pose, WALL, WALL_M + PLACES[2][0, 3], k) for k, pose in enumerate(PLACES)
]


def test_the_true_depth_costs_least() -> None:
    costs = matching_costs(FRAMES[2], [f for f in FRAMES if f is not FRAMES[2]], DEPTHS)
    found = costs[4:-4, 4:-4].argmin(axis=-1)
    assert (np.abs(found - 4) <= 1).mean() > 0.97


def test_a_camera_elsewhere_than_it_says_finds_another_depth() -> None:
    moved = [
        Frame(f.stamp_ns, f.image, f.camera, looking_ahead(*(1.5 * f.world_from_cam[:3, 3])))
        for f in FRAMES
    ]
    costs = matching_costs(moved[2], [f for f in moved if f is not moved[2]], DEPTHS)
    assert (np.abs(costs[4:-4, 4:-4].argmin(axis=-1) - 4) <= 1).mean() < 0.9


def test_costs_are_those_of_single_pixels() -> None:
    """The two best of three frames, at one pixel and depth, looked up at the nearest half pixel."""
    frame, others = FRAMES[0], FRAMES[1:4]
    costs = matching_costs(frame, others, DEPTHS)
    for row, column, b in ((16, 20, 4), (12, 24, 3), (20, 30, 6)):
        around = [
            _cost(frame, others, row + down, column + right, DEPTHS[b])
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ]
        assert np.isclose(costs[row, column, b], np.mean(around), atol=0.05)


def _cost(frame: Frame, others: list[Frame], row: int, column: int, depth: float) -> float:
    point = np.linalg.inv(frame.camera.matrix) @ [column, row, 1] / depth
    world = frame.world_from_cam[:3, :3] @ point + frame.world_from_cam[:3, 3]
    wanted = _features(frame, column, row)
    apart = []
    for other in others:
        cam_from_world = inverse(other.world_from_cam)
        u, v, w = other.camera.matrix @ (cam_from_world[:3, :3] @ world + cam_from_world[:3, 3])
        place = np.floor(2 * np.array([u, v]) / w + 0.5) / 2
        apart.append(np.abs(_features(other, *place) - wanted).sum())
    return float(np.mean(sorted(min(a, MOST) for a in apart)[:2]))


def _features(frame: Frame, u: float, v: float) -> np.ndarray:
    colours = cv2.GaussianBlur(frame.image, (0, 0), 0.6).astype(np.float32)
    luma = colours.mean(-1)
    maps = [2 * luma, colours[..., 0] - colours[..., 2]]
    maps += [cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)]
    patch = [cv2.getRectSubPix(m, (1, 1), (float(u), float(v)))[0, 0] for m in maps]
    return np.array(patch) / 5


def test_where_nobody_looks_all_depths_cost_the_same() -> None:
    behind = frame_at(CAMERA, looking_ahead(100.0), WALL, 200.0)
    costs = matching_costs(FRAMES[0], [behind, behind], DEPTHS)
    assert np.ptp(costs[..., 1:]) == 0
    assert costs.max() <= MOST


def test_smoothing_fills_what_has_no_texture_from_its_neighbours() -> None:
    costs = np.full((9, 9, 11), 5.0, np.float32)
    costs[..., 4] = 0
    costs[3:6, 3:6] = 2.0  # says nothing
    grey = np.full((9, 9, 3), 128, np.uint8)
    total = smoothed(costs, grey)
    assert (total.argmin(axis=-1) == 4).all()
    assert (total.min(axis=-1) == 0).all()


def test_smoothing_does_not_cross_an_edge_of_the_picture() -> None:
    costs = np.full((5, 12, 11), 5.0, np.float32)
    costs[:, :6, 2] = 0
    costs[:, 6:, 9] = 0
    image = np.zeros((5, 12, 3), np.uint8)
    image[:, 6:] = 255
    found = smoothed(costs, image).argmin(axis=-1)
    assert (found[:, :6] == 2).all()
    assert (found[:, 6:] == 9).all()


def test_supporting_frames_are_near_ones_and_far_ones() -> None:
    clip = [Frame(k + 1, FRAMES[0].image, CAMERA, PLACES[0]) for k in range(9)]
    assert [f.stamp_ns - 1 for f in supporting(clip, 4)] == [5, 3, 6, 2]
    assert [f.stamp_ns - 1 for f in supporting(clip, 0)] == [1, 2, 4, 6]

"""What many frames see of a target, all at once, against one by one."""

from __future__ import annotations

import numpy as np

from anyview_ros.engine.seen_points import seen_by_each, seen_points
from anyview_ros.frames import Camera, Frame, View
from anyview_ros.geometry import look_at

CAMERA = Camera(32, 18, 20.0, 22.0, 14.0, 9.5)
IMAGE = np.zeros((18, 32, 3), np.uint8)
FAR_AWAY = np.array([500_000.0, 5_000_000.0, 100.0])  # as UTM coordinates are


def test_all_at_once_is_one_by_one() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(-20, 20, (30, 3)) * (1, 1, 0.1) + FAR_AWAY
    poses = [look_at(place, np.add(place, (*rng.uniform(-1, 1, 2), 0.1))) for place in places]
    frames = [Frame(k, IMAGE, CAMERA, pose) for k, pose in enumerate(poses)]
    target = View(Camera.from_fov(64, 48, 1.4), np.stack(poses[:3]))
    each = seen_by_each(frames, target, 1 / 16)
    slow = [seen_points(View(CAMERA, f.world_from_cam[None]), target, 1 / 16) for f in frames]
    assert 0.05 < np.mean(slow) < 0.95
    assert np.mean(each != slow) < 1e-4, "but for rounding at the border of an image"

"""What the surface network is given: the ground, matching costs or none; and what comes back."""

import numpy as np
import pytest

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.finder import NATS, SurfaceFinder, Surfaces, inverse_depths
from anyview_ros.engine.surfaces.network import (
    costs_or_none,
    ground_inverse_depth,
    surfaces_by,
)
from anyview_ros.engine.surfaces.photo_consistency import MOST, matching_costs
from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.geometry import look_at

RANGE = SurfaceRange(12, 7.0)
SCALE = 1 / 16
CAMERA = Camera(32, 16, 20.0, 22.0, 14.0, 9.0)


def frame(x=0.0, stamp=0):
    image = np.random.default_rng(0).integers(0, 256, (16, 32, 3)).astype(np.uint8)
    return Frame(stamp, image, CAMERA, look_at((x, 0, 1.5), (x + 10, 1, 0.5)))


def test_the_first_inverse_depth_is_the_sky_and_the_last_the_nearest():
    found = inverse_depths(RANGE, SCALE)
    assert found[0] == 0
    assert found[-1] == pytest.approx(7.0 / 16)
    assert np.diff(found) == pytest.approx(found[1])
    uneven = SurfaceRange(64, 20.0, 1.4)
    assert uneven.inverse_depths(np.array([0.0, 63.0])) == pytest.approx([0, 20])
    assert (np.diff(uneven.inverse_depths(np.arange(64)), 2) > 0).all()
    assert uneven.places(uneven.inverse_depths(np.arange(64))) == pytest.approx(np.arange(64))
    assert uneven.places(np.array([30.0])) == 63


@pytest.mark.parametrize("target", [(10, 1, 0.5), (5, -2, 6), (0.1, 0, 0), (-3, 3, 1.5)])
def test_ground_is_where_each_ray_meets_it(target):
    pose = look_at((0, 0, 1.5), target)
    found = ground_inverse_depth(CAMERA, pose, RANGE, SCALE)
    for y, x in [(0, 0), (3, 31), (9, 14), (15, 0), (15, 31)]:
        ray = pose[:3, :3] @ np.linalg.inv(CAMERA.matrix) @ [x, y, 1]
        expected = 0.0 if ray[2] >= 0 else min(7.0, -ray[2] / 1.5 / SCALE)
        assert found[y, x] == pytest.approx(expected, abs=1e-5)


def test_a_camera_in_the_ground_or_below_it():
    pose = look_at((0, 0, 0), (10, 0, 0))
    assert not ground_inverse_depth(CAMERA, pose, RANGE, SCALE).any()
    below = look_at((0, 0, -1), (10, 0, -1))
    found = ground_inverse_depth(CAMERA, below, RANGE, SCALE)
    assert found[0].all()
    assert not found[-1].any()


def test_costs_are_those_of_the_other_frames_where_there_are_two():
    others = [frame(0.5, 1), frame(1.0, 2)]
    expected = matching_costs(frame(), others, inverse_depths(RANGE, SCALE))
    assert (costs_or_none(RANGE, frame(), others, SCALE) == expected).all()
    for few in ([], others[:1]):
        found = costs_or_none(RANGE, frame(), few, SCALE)
        assert found.shape == (16, 32, 12)
        assert (found == MOST).all()


def test_surfaces_come_back_as_costs_of_the_least_likely():
    asked = {}

    def graph(**arrays):
        asked.update(arrays)
        return {
            "surfaces": -np.arange(12, dtype=np.float32)[None, :, None, None] * np.ones((16, 32))
        }

    found = surfaces_by(graph, RANGE, frame(), [], SCALE)
    assert {name: array.shape for name, array in asked.items()} == {
        "image": (1, 3, 16, 32),
        "costs": (1, 12, 16, 32),
        "smooth": (1, 12, 16, 32),
        "ground": (1, 1, 16, 32),
    }
    assert (asked["costs"] == MOST).all()
    assert not asked["smooth"].any()
    assert asked["image"][0, :, 2, 5] == pytest.approx(frame().image[2, 5] / 127.5 - 1, abs=1e-6)
    assert found.costs.shape == (16, 32, 12)
    assert (NATS * found.costs[3, 4] == np.arange(12)).all()
    assert (found.depths, found.scene_scale) == (RANGE, SCALE)


def test_a_finder_asks_what_it_is_given():
    asked = []

    def measure(seen, others, scene_scale):
        asked.append((seen.stamp_ns, [other.stamp_ns for other in others], scene_scale))
        return Surfaces(seen, np.zeros((16, 32, 12), np.uint8), RANGE, scene_scale)

    clip = Clip(tuple(frame(0.5 * k, k) for k in range(5)))
    finder = SurfaceFinder(9, 1, measure)
    first = finder.find([clip], SCALE)
    around = [[1, 2, 4, 3], [2, 0, 3, 4], [3, 1, 4, 0], [4, 2, 1, 0], [3, 2, 0, 1]]
    assert asked == [(k, others, SCALE) for k, others in enumerate(around)]
    assert finder.find([clip], SCALE)[0][0] is first[0][0]
    assert len(asked) == 5

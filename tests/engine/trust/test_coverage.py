"""Coverage against the slow way: every sample of every ray is projected into every source."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.engine.trust.coverage import coverage, distances
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse, look_at, rays, rigid

TARGET = Camera(9, 7, 8.0, 6.0, 4.2, 2.93)  # no ray along a border of SOURCE
SOURCE = Camera(32, 24, 25.0, 30.0, 12.0, 14.0)  # off centre: left and right differ
ALONG = distances(1 / 16)


def source(world_from_cam, camera=SOURCE):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Frame(1, image, camera, world_from_cam)


def slow(sources, camera, world_from_cam, along_m):
    """One sample after the other; a point is in a frustum if it projects into the image."""
    share = np.zeros((camera.height, camera.width))
    for y, x in np.ndindex(share.shape):
        for distance in along_m:
            point = world_from_cam @ [*(distance * rays(camera)[y, x]), 1.0]
            share[y, x] += any(projects_into(frame, point) for frame in sources) / len(along_m)
    return share


def projects_into(frame, point):
    x, y, z, _ = inverse(frame.world_from_cam) @ point
    if z <= 0:
        return False
    c = frame.camera
    u, v = c.fx * x / z + c.cx, c.fy * y / z + c.cy
    return -0.5 <= u <= c.width - 0.5 and -0.5 <= v <= c.height - 0.5


place = st.tuples(*[st.floats(-20, 20)] * 3)


@settings(max_examples=30, deadline=None)
@given(target=place, aim=place, sources=st.lists(st.tuples(place, place), max_size=3))
def test_agrees_with_projection(target, aim, sources):
    def pose(position, point):
        apart = np.linalg.norm(np.subtract(point, position)[:2]) > 0.1
        return look_at(position, point) if apart else rigid(np.eye(3), position)

    frames = [source(pose(*ends)) for ends in sources]
    arguments = frames, TARGET, pose(target, aim), ALONG
    np.testing.assert_allclose(coverage(*arguments), slow(*arguments), atol=1e-6)


def test_a_camera_covers_its_own_view_and_nothing_behind_it():
    here = look_at((0, 0, 1.5), (10, 0, 1.5))
    back = look_at((0, 0, 1.5), (-10, 0, 1.5))
    narrower = Camera.from_fov(16, 12, 0.5)
    wide = source(here, Camera.from_fov(64, 48, 1.2))
    assert (coverage([wide], narrower, here, ALONG) == 1).all()
    assert (coverage([wide], narrower, back, ALONG) == 0).all()
    assert (coverage([], narrower, here, ALONG) == 0).all()


def test_two_sources_cover_what_either_does():
    narrow = Camera.from_fov(64, 48, 0.8)
    left = source(look_at((0, 0, 0), (10, 6, 0)), narrow)
    right = source(look_at((0, 0, 0), (10, -6, 0)), narrow)
    target = look_at((0, 0, 0), (10, 0, 0))
    wide = Camera.from_fov(16, 12, 1.6)
    alone = [coverage([each], wide, target, ALONG) for each in (left, right)]
    # From one centre a ray is inside of a frustum all along or not at all.
    np.testing.assert_array_equal(coverage([left, right], wide, target, ALONG), np.maximum(*alone))
    assert set(np.unique(alone)) == {0, 1}
    assert not np.array_equal(*alone)


@pytest.mark.parametrize(("scale", "near", "far"), [(1 / 16, 2, 64), (0.5, 0.25, 8)])
def test_samples_span_the_scene(scale, near, far):
    along = distances(scale)
    assert along[[0, -1]] == pytest.approx([near, far])
    assert np.diff(np.log(along)) == pytest.approx(np.log(far / near) / 15)


def test_what_was_seen_before_counts_by_its_age():
    wide, narrow = Camera.from_fov(16, 12, 1.6), Camera.from_fov(64, 48, 0.8)
    target = look_at((0, 0, 0), (10, 0, 0))
    now = replace(source(look_at((0, 0, 0), (10, 6, 0)), narrow), stamp_ns=100 * 10**9)
    side = source(look_at((0, 0, 0), (10, -6, 0)), narrow)
    here = coverage([now], wide, target, ALONG) > 0
    for age_s, counts in ((0, 1), (0.4, 1), (10, 0.5), (20, 0.25)):
        before = replace(side, stamp_ns=now.stamp_ns - round(age_s * 10**9))
        both = coverage([now, before], wide, target, ALONG)
        there = coverage([before], wide, target, ALONG) > 0
        assert there.any()
        assert (both[here] == 1).all()
        assert both[there & ~here] == pytest.approx(counts)
        assert (both[~there & ~here] == 0).all()

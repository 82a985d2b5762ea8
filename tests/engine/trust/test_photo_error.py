"""How far frames are from what sources saw: against patches compared one by one; and its laws."""

from dataclasses import replace

import numpy as np
import pytest

from anyview_ros.engine.plane_sweep import planes_of, warp
from anyview_ros.engine.trust.coverage import distances
from anyview_ros.engine.trust.photo_error import INVENTED, photo_consistency_error
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import look_at

CAMERA = Camera(32, 24, 20.0, 21.0, 15.0, 12.5)
SCALE = 1 / 8
POSE = look_at((0, 0, 1.5), (5, 0, 1.2))
ASIDE = look_at((0.5, 1.0, 1.8), (5, 4.0, 1.0))
AWAY = look_at((0, 0, 1.5), (-5, 0, 1.6))


def clip_at(pose, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (5, 24, 32, 3)).astype(np.uint8)
    return Clip(tuple(Frame(k + 1, image, CAMERA, pose) for k, image in enumerate(images)))


def view_from(pose):
    return View(CAMERA, np.tile(pose, (5, 1, 1)))


def one_by_one(frames, clip, target, t, row, column):
    """Of one pixel: each plane, patch, source in turn."""
    planes = planes_of(target.world_from_cam, list(1 / distances(SCALE)))
    patch = np.s_[row - 1 : row + 2, column - 1 : column + 2]
    found = [
        np.abs(frames[t][patch].astype(int) - seen[t][patch][..., :3]).mean()
        for seen in warp(clip, target, planes)
        if (seen[t][patch][..., 3] == 255).all()
    ]
    return min(found, default=INVENTED)


def test_is_that_of_patches_compared_one_by_one():
    frames = clip_at(ASIDE, seed=1).images
    target = view_from(ASIDE)
    off = photo_consistency_error(frames, [clip_at(POSE)], target, SCALE)
    assert off.shape == (5, 24, 32)
    assert off.dtype == np.float32
    assert 0.1 < (off == INVENTED).mean() < 0.9
    for t in (0, 4):
        for row, column in [(1, 1), (12, 16), (12, 3), (20, 20), (22, 30), (8, 28)]:
            expected = one_by_one(frames, clip_at(POSE), target, t, row, column)
            assert off[t, row, column] == pytest.approx(expected, abs=1e-4)


def test_what_the_source_saw_is_not_off_and_a_painted_patch_is():
    clip = clip_at(POSE)
    frames = clip.images.copy()
    assert photo_consistency_error(frames, [clip], view_from(POSE), SCALE).max() == 0
    frames[2, 5:10, 7:14] ^= 64
    off = photo_consistency_error(frames, [clip], view_from(POSE), SCALE)
    assert off[2, 6:9, 8:13] == pytest.approx(64)
    assert off[2, 4, 9] == pytest.approx(64 / 3), "three of its patch's nine pixels"
    assert np.count_nonzero(off) == 7 * 9


def test_another_instant_of_the_source_is_not_what_it_saw():
    clip = clip_at(POSE)
    frames = clip.images[[1, 1, 2, 3, 4]]
    off = photo_consistency_error(frames, [clip], view_from(POSE), SCALE)
    assert off[0].min() > 10
    assert off[1:].max() == 0


def test_where_no_source_looks_all_is_invented():
    off = photo_consistency_error(clip_at(AWAY).images, [clip_at(POSE)], view_from(AWAY), SCALE)
    assert (off == INVENTED).all()


def test_any_source_may_have_seen_it():
    frames, target = clip_at(ASIDE, seed=1).images, view_from(ASIDE)
    clips = [clip_at(POSE), clip_at(ASIDE, seed=2)]
    each = [photo_consistency_error(frames, [clip], target, SCALE) for clip in clips]
    unseen = [np.where(off == INVENTED, np.inf, off) for off in each]
    least = np.minimum(*unseen)
    both = photo_consistency_error(frames, clips, target, SCALE)
    np.testing.assert_array_equal(both, np.where(np.isinf(least), INVENTED, least))


def test_a_larger_world_is_searched_as_far():
    """All lengths times 3, the scale a third: the same rays meet the same planes."""
    frames, target = clip_at(ASIDE, seed=1).images, view_from(ASIDE)
    wide = np.array([[1, 1, 1, 3]] * 3 + [[1, 1, 1, 1]])
    larger = Clip(
        tuple(replace(f, world_from_cam=f.world_from_cam * wide) for f in clip_at(POSE).frames)
    )
    off = photo_consistency_error(
        frames, [larger], View(CAMERA, target.world_from_cam * wide), SCALE / 3
    )
    np.testing.assert_allclose(
        off, photo_consistency_error(frames, [clip_at(POSE)], target, SCALE), atol=0.2
    )


def test_what_was_seen_ten_seconds_ago_tells_half_as_much():
    clip = clip_at(POSE)
    now = clip_at(AWAY).changed(lambda frame: replace(frame, stamp_ns=frame.stamp_ns + 10**10))
    frames, target = np.repeat(clip.images[:1], 5, axis=0), view_from(POSE)
    held = Clip.held(clip.frames[0], 5)
    young = held.changed(lambda frame: replace(frame, stamp_ns=now.stamps_ns[0]))
    off = photo_consistency_error(frames, [now, held], target, SCALE)
    inner = np.s_[0, 1:-1, 1:-1]
    assert photo_consistency_error(frames, [now, young], target, SCALE)[inner].max() == 0
    assert off[inner] == pytest.approx(INVENTED / 2)
    assert (photo_consistency_error(frames, [now], target, SCALE)[inner] == INVENTED).mean() > 0.5

"""Surfaces of source clips: which frames tell of them, what is kept, and where nothing is told."""

from __future__ import annotations

import numpy as np

from anyview_ros.engine.surfaces import finder as surfaces
from anyview_ros.engine.surfaces.finder import MEASURED, SurfaceFinder, supports
from anyview_ros.frames import Camera, Clip
from tests.engine.surfaces.walls import frame_at, looking_ahead, texture

CAMERA = Camera(48, 32, 40.0, 41.0, 23.0, 16.5)
WALL = texture(2)
SCALE = 0.25
WALL_M = 5.0
NEAR = 0.6 * 0.15 * SCALE  # of a step of the inverse depths there


def driving(speed: float, y: float = 0.0, first: int = 0) -> Clip:
    """Nine frames towards a wall, `speed` metres a frame, aside by y."""
    places = [looking_ahead(speed * k, y + 0.5 * speed * k) for k in range(9)]
    return Clip(tuple(frame_at(CAMERA, p, WALL, WALL_M, first + k) for k, p in enumerate(places)))


def test_a_moving_camera_knows_how_far_the_wall_is() -> None:
    clip = driving(0.15)
    found = SurfaceFinder(9, 1).find([clip], SCALE)
    assert [len(f) for f in found] == [9]
    for k, seen in enumerate(found[0]):
        truth = 1 / (WALL_M - clip.frames[k].world_from_cam[0, 3])
        assert abs(np.median(seen.inverse_depth[6:-6, 6:-6]) - truth) < NEAR
        assert seen.frame is clip.frames[k]


def test_a_camera_that_stands_knows_nothing() -> None:
    (seen, *_), *_ = SurfaceFinder(9, 1).find([driving(0.0)], SCALE)
    assert not seen.costs.any()
    assert seen.costs.shape == (32, 48, MEASURED.count)
    assert not seen.evidence.any()
    assert (seen.spread == MEASURED.count).all()


def test_two_cameras_that_stand_tell_each_other() -> None:
    clips = [driving(0.0), driving(0.0, y=0.4), driving(0.0, y=-0.3)]
    seen = SurfaceFinder(9, 1).find(clips, SCALE)[0][0]
    assert abs(np.median(seen.inverse_depth[6:-6, 8:-8]) - 1 / WALL_M) < NEAR


def test_a_held_frame_is_told_by_the_frames_around_it() -> None:
    past = driving(0.15)
    alone = Clip.held(past.frames[4], 9)
    told = Clip.held(past.frames[4], 9, around=past.frames[:4] + past.frames[5:])
    assert [len(f) for f in SurfaceFinder(9, 1).find([told], SCALE)] == [1]
    assert supports([alone], 0, 0, SCALE) == []
    assert len(supports([told], 0, 0, SCALE)) == 8
    seen = SurfaceFinder(9, 1).find([told], SCALE)[0][0]
    assert abs(np.median(seen.inverse_depth[6:-6, 6:-6]) - 1 / (WALL_M - 0.6)) < NEAR


def test_what_was_measured_is_kept_and_never_mistaken(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    asked = []
    real = surfaces.measured

    def counted(*args):  # type: ignore[no-untyped-def]
        asked.append(args)
        return real(*args)

    monkeypatch.setattr(surfaces, "measured", counted)
    finder, clip = SurfaceFinder(9, 2), driving(0.15)
    first = finder.find([clip], SCALE)
    assert finder.find([clip], SCALE)[0][0] is first[0][0]
    assert len(asked) == 9
    finder.find([clip], 2 * SCALE)
    assert len(asked) == 18
    finder.find([driving(0.2)], SCALE)
    assert len(asked) == 27


def test_a_held_clip_of_one_frame_is_told_by_the_frames_around_it() -> None:
    past = driving(0.15)
    told = Clip.held(past.frames[4], 1, around=past.frames[:4] + past.frames[5:])
    assert len(supports([told], 0, 0, SCALE)) == 8

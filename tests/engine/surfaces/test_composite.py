"""The composite of a wall that is seen ray by ray, and what a pipeline does with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.contract import LatentShape
from anyview_ros.engine.conditioner import Conditioner
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.engine.request import SynthesisOptions
from anyview_ros.engine.surfaces.choice import Choice
from anyview_ros.engine.surfaces.composite import composite, filled
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.packages import load_package
from tests.engine.surfaces.walls import frame_at, looking_ahead, sees_wall, texture
from tests.packages import make_package

WALL, WALL_M = texture(3, finest=2.5), 5.0
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)
LATENT = LatentShape(3, 4, 8, 8)
FRAMES = 5


def clip(speed: float = 0.1) -> Clip:
    """A camera that drives aside along the wall."""
    poses = [looking_ahead(0.0, speed * k) for k in range(FRAMES)]
    return Clip(tuple(frame_at(CAMERA, pose, WALL, WALL_M, k) for k, pose in enumerate(poses)))


def target(y: float = 0.3) -> View:
    return View(CAMERA, np.stack([looking_ahead(0.0, y, 0.1)] * FRAMES))


def shown(share: float = 1.0) -> list[Choice]:
    size = CAMERA.height, CAMERA.width

    def of(value: float) -> NDArray[np.float32]:
        return np.full(size, value, np.float32)

    return [
        Choice(of(1 / WALL_M), of(share), of(1), np.zeros(size, np.int32)) for _ in range(FRAMES)
    ]


def test_a_composite_is_what_the_target_sees_where_the_choice_is_right() -> None:
    view = target()
    found = composite(shown(), [clip()], view, LATENT)
    assert found.images.shape == (1, FRAMES, 48, 64, 3)
    truth = [sees_wall(CAMERA, pose, WALL, WALL_M) for pose in view.world_from_cam]
    inside = slice(8, -8), slice(8, -8)
    apart = np.abs(found.images[0].astype(int) - truth)[:, *inside].mean()
    assert apart < 4
    # Seen to fail where the target is elsewhere.
    other = composite(shown(), [clip()], target(0.0), LATENT)
    assert np.abs(other.images[0].astype(int) - truth)[:, *inside].mean() > 8


def test_marks_say_what_no_source_shows_frame_by_frame_as_the_latent_groups_them() -> None:
    choices = shown()
    for choice in choices[1:]:
        choice.share[:, 32:] = 0
    choices[4].share[:] = 0
    marks = composite(choices, [clip()], target(), LATENT).marks
    assert marks.shape == (1, 2, 2, 6, 8)
    assert (marks[:, 0] == 1).all()
    assert marks[0, 1, 0, 1:-1, 1:-2].max() < 0.1
    assert np.allclose(marks[0, 1, 1, 1:-1, 1:3], 0.25, atol=0.1)  # one of four frames
    assert np.allclose(marks[0, 1, 1, 1:-1, 5:7], 1, atol=0.01)


def test_gaps_take_the_colours_of_what_is_around() -> None:
    taken = np.ones((48, 64, 4), np.float32)
    taken[:, :32, :3], taken[:, 32:, :3] = 40, 200
    taken[10:38, 26:38] = 0
    full = filled(taken)
    np.testing.assert_array_equal(full[:10], np.rint(taken[:10, :, :3]))
    assert abs(int(full[24, 27, 0]) - 40) < 50
    assert abs(int(full[24, 36, 0]) - 200) < 50
    assert (filled(np.zeros((48, 64, 4), np.float32)) == 128).all()


@pytest.fixture
def told(tmp_path: Path) -> Path:
    swept = {"plane_sweep": (0.5, 1.0), "sweep_weights": True}
    return make_package(tmp_path / "told", composite=True, **swept)


def test_a_model_with_composites_is_told_them(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    given = Conditioner.inputs

    def watched(self, scene, keep, choices=()):
        tensors, clamped = given(self, scene, keep, choices)
        seen.append((tensors["sweep"], len(choices)))
        return tensors, clamped

    monkeypatch.setattr(Conditioner, "inputs", watched)
    pipeline = Pipeline(load_package(told), "cpu")
    camera = CAMERA.resized(128, 96)
    view = View(camera, np.stack([looking_ahead(0.0, 0.3, 0.1)] * FRAMES))
    options = SynthesisOptions(depth=True, uncertainty_samples=2, scene_scale=0.2)
    made = pipeline.synthesize([clip(0.3)], view, options)
    assert made.frames.shape == (FRAMES, 96, 128, 3)
    assert np.isfinite(made.depth).mean() > 0.2
    sweep, choices = seen[0]
    assert choices == FRAMES
    assert sweep.shape[1] == 4  # the ground, two planes and the composite
    assert (sweep[0, -1, -2] == 1).all()
    # In another light the same surfaces have other colours.
    lit = seen[1][0]
    np.testing.assert_array_equal(lit[0, -1, -1], sweep[0, -1, -1])
    assert np.abs(lit[0, -1, :3] - sweep[0, -1, :3]).mean() > 1e-3


def test_composites_need_the_weights_of_a_sweep(told: Path) -> None:
    contract = load_package(told).contract
    with pytest.raises(AnyviewError, match="composite must be false where sweep_weights is"):
        replace(contract, sweep_weights=False)

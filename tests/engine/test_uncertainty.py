"""The spread over seeds: against numpy's own, and as the pipeline tells it."""

from collections import Counter

import numpy as np
import pytest

from anyview_ros.contract import load_package
from anyview_ros.engine import runtime
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.engine.uncertainty import GAIN, Spread, seeds
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from tests.packages import make_package

MODEL_SIZE = Camera.from_fov(32, 24, 1.2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return Pipeline(load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")), "cpu")


def synthesize(
    pipeline, camera=MODEL_SIZE, events=(lambda *event: None), cancelled=None, clip=3, **options
):
    rng = np.random.default_rng(clip)
    images = rng.integers(0, 256, (5, 24, 32, 3)).astype(np.uint8)
    frames = (Frame(k + 1, image, MODEL_SIZE, np.eye(4)) for k, image in enumerate(images))
    target = View(camera, np.tile(np.eye(4), (5, 1, 1)))
    cancelled = cancelled or (lambda: False)
    return pipeline.synthesize(
        [Clip(tuple(frames))], target, SynthesisOptions(**options), events, cancelled
    )


def test_spread_is_the_standard_deviation_of_what_is_seen():
    videos = np.random.default_rng(0).normal(0, 0.2, (6, 1, 3, 5, 4, 7)).astype(np.float32)
    spread = Spread()
    for video in videos:
        spread.add(video)
    shown = 127.5 * np.clip(videos.astype(np.float64), -1, 1)[:, 0]
    expected = np.sqrt(np.var(shown, axis=0, ddof=1).mean(axis=0))
    assert spread.image().dtype == np.uint8
    assert 0 < spread.image().min() < spread.image().max() < 255
    np.testing.assert_allclose(spread.image(), GAIN * expected, atol=0.51)


def test_large_spread_is_white_and_none_is_black():
    spread = Spread()
    for level in (-1.0, 1.0):
        spread.add(np.array([level, 0.3], np.float32).reshape(1, 1, 1, 1, 2).repeat(3, axis=1))
    np.testing.assert_array_equal(spread.image(), [[[255, 0]]])


def test_what_no_image_can_show_is_no_spread():
    spread = Spread()
    for level in (1.5, 7.0):
        spread.add(np.full((1, 3, 1, 2, 2), level, np.float32))
    assert not spread.image().any()


def test_frames_are_those_of_the_first_seed(pipeline):
    alone = [synthesize(pipeline, seed=seed) for seed in (7, 8, 9)]
    together = synthesize(pipeline, seed=7, uncertainty_samples=3)
    np.testing.assert_array_equal(together.frames, alone[0].frames)
    assert together.steps == alone[0].steps == 4
    shown = np.stack([each.frames for each in alone]).astype(np.float64)
    expected = GAIN * np.sqrt(np.var(shown, axis=0, ddof=1).mean(axis=-1))
    assert expected.max() > 2 * GAIN
    # The frames of `alone` are rounded to whole grey levels.
    np.testing.assert_allclose(together.uncertainty, expected, atol=0.6 * GAIN)


def test_comes_at_the_size_asked_for_and_only_when_asked_for(pipeline):
    camera = Camera.from_fov(80, 60, 1.2)
    assert synthesize(pipeline, camera, uncertainty_samples=2).uncertainty.shape == (5, 60, 80)
    assert synthesize(pipeline, camera).uncertainty.shape == (0, 60, 80)


def test_seeds_share_their_conditioning(pipeline, monkeypatch):
    calls = Counter()
    for kind in (runtime.Graph, runtime.Bound):

        def counted(graph, kind=kind, call=kind.__call__, **arrays):
            calls[kind.__name__] += 1
            return call(graph, **arrays)

        monkeypatch.setattr(kind, "__call__", counted)
    synthesize(pipeline, clip=4, uncertainty_samples=3)
    # One encode, one condition, three decodes; four steps of each seed.
    assert calls == {"Graph": 5, "Bound": 12}


def test_progress_goes_on_over_the_seeds(pipeline):
    seen = []
    synthesize(pipeline, events=lambda *event: seen.append(event), steps=2, uncertainty_samples=2)
    steps = [("denoise", step, 4) for step in range(4)]
    assert seen == [("condition", 0, 4), *steps, ("decode", 4, 4), ("decode", 4, 4)]


def test_cancelled_in_the_second_seed(pipeline):
    seen = []
    with pytest.raises(AnyviewError, match="cancelled at denoise, step 5 of 8") as caught:
        synthesize(
            pipeline,
            events=lambda *event: seen.append(event),
            cancelled=lambda: len(seen) > 5,
            uncertainty_samples=2,
        )
    assert caught.value.code == "cancelled"


def test_one_sample_has_no_spread(pipeline):
    with pytest.raises(AnyviewError, match="2 seeds or more, got uncertainty_samples 1") as caught:
        synthesize(pipeline, uncertainty_samples=1)
    assert caught.value.code == "invalid_uncertainty_samples"


def test_seeds_start_again_after_the_last():
    assert seeds(5, 0) == [5]
    assert seeds(MAX_SEED - 1, 4) == [MAX_SEED - 1, MAX_SEED, 0, 1]

"""The spread over answers: against numpy's own, and as the pipeline tells it."""

from collections import Counter

import numpy as np
import pytest

from anyview_ros.engine.conditioner import ModelRequest
from anyview_ros.engine.onnx import runtime
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.engine.trust.photo_error import photo_consistency_error
from anyview_ros.engine.trust.uncertainty import (
    GAIN,
    WAYS,
    Augmentation,
    RunningDeviation,
    augmentations,
    doubt,
)
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.packages import load_package
from tests.packages import make_package

MODEL_SIZE = Camera.from_fov(32, 24, 1.2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return Pipeline(load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")), "cpu")


def source(clip=3, gamma=1.0):
    rng = np.random.default_rng(clip)
    images = in_light(rng.integers(0, 256, (5, 24, 32, 3)).astype(np.uint8), gamma)
    return Clip(tuple(Frame(k + 1, i, MODEL_SIZE, np.eye(4)) for k, i in enumerate(images)))


def synthesize(
    pipeline,
    camera=MODEL_SIZE,
    events=(lambda *event: None),
    cancelled=None,
    clip=3,
    gamma=1.0,
    **options,
):
    target = View(camera, np.tile(np.eye(4), (5, 1, 1)))
    cancelled = cancelled or (lambda: False)
    return pipeline.synthesize(
        [source(clip, gamma)], target, SynthesisOptions(**options), events, cancelled
    )


def test_spread_is_the_standard_deviation_of_what_is_seen():
    videos = np.random.default_rng(0).normal(0, 0.2, (6, 1, 3, 5, 4, 7)).astype(np.float32)
    spread = RunningDeviation()
    for video in videos:
        spread.add(video)
    shown = 127.5 * np.clip(videos.astype(np.float64), -1, 1)[:, 0]
    expected = np.sqrt(np.var(shown, axis=0, ddof=1).mean(axis=0))
    assert expected.min() > 5
    np.testing.assert_allclose(spread.levels(), expected, rtol=1e-4)


def test_what_answers_and_sources_tell_adds_up_in_squares_to_white():
    told = doubt(np.float32([[[0, 3, 10, 60]]]), np.float32([[[0, 4, 0.1, 32]]]))
    assert told.dtype == np.uint8
    np.testing.assert_array_equal(told, [[[0, 5 * GAIN, 10 * GAIN, 255]]])


def test_what_no_image_can_show_is_no_spread():
    spread = RunningDeviation()
    for level in (1.5, 7.0):
        spread.add(np.full((1, 3, 1, 2, 2), level, np.float32))
    assert not spread.levels().any()


def in_light(images, gamma):
    return np.rint(255 * (images / 255.0) ** gamma).astype(np.uint8)


def test_frames_are_those_of_the_first_seed_and_the_others_are_asked_in_other_ways(pipeline):
    first = synthesize(pipeline, seed=7)
    scale = pipeline.package.contract.scene_scale
    others = [
        synthesize(pipeline, gamma=gamma, seed=8 + k, scene_scale=size * scale)
        for k, (size, gamma) in enumerate(WAYS[:2])
    ]
    together = synthesize(pipeline, seed=7, uncertainty_samples=3)
    np.testing.assert_array_equal(together.frames, first.frames)
    assert together.steps == first.steps == 4
    assert together.calls == 3 * first.calls
    seen = [first.frames / 255.0]
    seen += [o.frames / 255.0 for o in others]
    for k, (_, gamma) in enumerate(WAYS[:2], start=1):
        seen[k] = seen[k] ** (1 / gamma)
    spread = 255 * np.sqrt(np.var(seen, axis=0, ddof=1).mean(axis=-1))
    target = View(MODEL_SIZE, np.tile(np.eye(4), (5, 1, 1)))
    off = photo_consistency_error(first.frames, [source()], target, scale)
    assert min(spread.max(), off.max()) > 2
    expected = GAIN * np.hypot(spread, off)
    # The frames of `others` are rounded to whole grey levels, which a dark light makes coarser.
    np.testing.assert_allclose(together.uncertainty, np.minimum(expected, 255), atol=1.5 * GAIN)


def test_sources_and_known_frames_are_in_the_same_light():
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    clip = Clip((Frame(1, image, MODEL_SIZE, np.eye(4)),))
    scene = ModelRequest((clip,), View(MODEL_SIZE, np.eye(4)[None]), image[None, ::-1], 0.5)
    asked = scene.augmented(Augmentation(2.0, 0.7, (0,)))
    np.testing.assert_array_equal(asked.clips[0].images[0], in_light(image, 0.7))
    np.testing.assert_array_equal(asked.known[0], in_light(image[::-1], 0.7))
    assert asked.scene_scale == 1.0
    np.testing.assert_array_equal(scene.clips[0].images[0], image)


def test_comes_at_the_size_asked_for_and_only_when_asked_for(pipeline):
    camera = Camera.from_fov(80, 60, 1.2)
    assert synthesize(pipeline, camera, uncertainty_samples=2).uncertainty.shape == (5, 60, 80)
    assert synthesize(pipeline, camera).uncertainty.shape == (0, 60, 80)


def test_seeds_that_are_asked_alike_share_their_conditioning(pipeline, monkeypatch):
    calls = Counter()
    for kind in (runtime.Graph, runtime.Bound):

        def counted(graph, kind=kind, call=kind.__call__, **arrays):
            calls[kind.__name__] += 1
            return call(graph, **arrays)

        monkeypatch.setattr(kind, "__call__", counted)
    synthesize(pipeline, clip=4, uncertainty_samples=7)
    # Five ways in three lights: three encodes, five conditions, seven decodes; four steps a seed.
    assert calls == {"Graph": 15, "Bound": 28}


def test_what_other_ways_take_is_not_kept_in_place_of_what_cameras_share(pipeline, monkeypatch):
    synthesize(pipeline, clip=6, uncertainty_samples=5)
    calls = []
    original = runtime.Graph.__call__
    monkeypatch.setattr(
        runtime.Graph,
        "__call__",
        lambda graph, **a: (calls.append(set(a)), original(graph, **a))[1],
    )
    synthesize(pipeline, clip=6)
    assert calls == [{"latent"}], "only decoded: the source is coded and conditioned already"


def test_progress_goes_on_over_the_seeds(pipeline):
    seen = []
    synthesize(pipeline, events=lambda *event: seen.append(event), steps=2, uncertainty_samples=2)
    first, second = (
        [("condition", k, 4), *(("denoise", k + i, 4) for i in (0, 1)), ("decode", k + 2, 4)]
        for k in (0, 2)
    )
    assert seen == [*first, *second]


def test_cancelled_in_the_second_seed(pipeline):
    seen = []
    with pytest.raises(AnyviewError, match="cancelled at denoise, step 5 of 8") as caught:
        synthesize(
            pipeline,
            events=lambda *event: seen.append(event),
            cancelled=lambda: len(seen) > 7,  # conditioned twice, decoded once, five steps
            uncertainty_samples=2,
        )
    assert caught.value.code == "cancelled"


def test_one_sample_has_no_spread(pipeline):
    with pytest.raises(AnyviewError, match="2 seeds or more, got uncertainty_samples 1") as caught:
        synthesize(pipeline, uncertainty_samples=1)
    assert caught.value.code == "invalid_uncertainty_samples"


def test_the_first_seed_asks_what_was_asked_and_the_others_in_turn():
    assert augmentations(5, 0) == [Augmentation(1, 1, (5,))]
    assert augmentations(5, 3) == [
        Augmentation(1, 1, (5,)),
        Augmentation(*WAYS[0], (6,)),
        Augmentation(*WAYS[1], (7,)),
    ]
    assert [question.seeds for question in augmentations(0, 7)] == [
        (0,),
        (1, 5),
        (2, 6),
        (3,),
        (4,),
    ]
    sizes_and_lights = np.log([(q.size, q.gamma) for q in augmentations(0, 5)])
    np.testing.assert_allclose(sizes_and_lights.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.prod(sizes_and_lights, axis=1).sum(), 0, atol=1e-12)


def test_seeds_start_again_after_the_last():
    asked = augmentations(MAX_SEED - 1, 4)
    assert [question.seeds for question in asked] == [(MAX_SEED - 1,), (MAX_SEED,), (0,), (1,)]


@pytest.mark.parametrize("gamma", [1.0, *{gamma for _, gamma in WAYS}])
def test_light_is_taken_back(gamma):
    question = Augmentation(1.0, gamma, (0,))
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    lit = question.apply_gamma(images)
    assert (np.array_equal(lit, images)) == (gamma == 1)
    video = (lit.transpose(3, 0, 1, 2)[None] / 127.5 - 1).astype(np.float32)
    back = 127.5 * (question.invert_gamma(video)[0].transpose(1, 2, 3, 0) + 1)
    np.testing.assert_allclose(back[:, 1:], images[:, 1:], atol=2.5)
    assert question.invert_gamma(np.float32([-1.5, 1.5])).tolist() == (
        [-1.5, 1.5] if gamma == 1 else [-1, 1]
    )

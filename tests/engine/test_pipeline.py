"""The whole way without ROS, on a package of plain operators."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from anyview_ros.contract import Sampling
from anyview_ros.engine.onnx import runtime
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.request import check_known
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.packages import load_package
from tests.packages import make_package

CAMERA = Camera.from_fov(64, 48, 1.2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return Pipeline(load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")), "cpu")


def clip(seed=0, count=5):
    images = np.random.default_rng(seed).integers(0, 256, (count, 48, 64, 3)).astype(np.uint8)
    return Clip(tuple(Frame(k + 1, image, CAMERA, np.eye(4)) for k, image in enumerate(images)))


def view(shift=0.0, camera=CAMERA, count=5):
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = shift
    return View(camera, poses)


def frames(pipeline, *, source=None, target=None, **options):
    return pipeline.synthesize(
        [source or clip()], target or view(), SynthesisOptions(**options)
    ).frames


def test_the_same_request_gives_the_same_bytes(pipeline):
    np.testing.assert_array_equal(frames(pipeline), frames(pipeline))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"steps": 1},
        {"speed": "draft"},
        {"source": clip(seed=1)},
        {"target": view(shift=9.0)},
    ],
)
def test_what_is_asked_for_is_seen(pipeline, change):
    assert not np.array_equal(frames(pipeline, **change), frames(pipeline))


def test_scene_scale_acts_on_moments(pipeline):
    far = view(shift=3.0)
    assert not np.array_equal(
        frames(pipeline, target=far, scene_scale=0.5), frames(pipeline, target=far)
    )


def test_frames_come_at_the_size_asked_for(pipeline):
    wanted = Camera.from_fov(100, 60, 1.0)
    result = pipeline.synthesize([clip()], view(camera=wanted), SynthesisOptions())
    assert result.frames.shape == (5, 60, 100, 3)
    assert result.generated_size == (24, 32)
    assert result.steps == 4


def test_a_clip_at_the_models_size_is_not_resized_again(pipeline):
    from anyview_ros.imaging.resize import resize_clip

    small = resize_clip(clip(), pipeline.package.contract)
    assert resize_clip(small, pipeline.package.contract) is small
    np.testing.assert_array_equal(frames(pipeline, source=small), frames(pipeline))


@pytest.mark.parametrize("scale", [1, 2])  # at the model's size, and resized
def test_one_frame_held_still_is_the_clip_of_its_copies(pipeline, scale):
    still = replace(clip(3).frames[2], stamp_ns=7)
    camera = CAMERA.resized(CAMERA.width * scale, CAMERA.height * scale)
    image = np.kron(still.image, np.ones((scale, scale, 1), np.uint8))
    still = replace(still, image=image, camera=camera)
    copies = Clip(tuple(replace(still, stamp_ns=k) for k in range(5)))
    held = frames(pipeline, source=Clip.held(still, 5), seed=4)
    assert np.array_equal(held, frames(pipeline, source=copies, seed=4))


def test_progress_names_each_step(pipeline):
    seen = []
    pipeline.synthesize(
        [clip()], view(), SynthesisOptions(steps=2), lambda *event: seen.append(event)
    )
    assert seen == [("condition", 0, 2), ("denoise", 0, 2), ("denoise", 1, 2), ("decode", 2, 2)]


def cancelled_after_two_steps(pipeline, said):
    """What was reported until then."""
    seen = []
    with pytest.raises(AnyviewError, match=said) as caught:
        pipeline.synthesize(
            [clip()],
            view(),
            SynthesisOptions(),
            lambda *event: seen.append(event),
            cancelled=lambda: len(seen) >= 3,
        )
    assert caught.value.code == "cancelled"
    return seen


def test_cancelled_within_one_step(pipeline):
    assert len(cancelled_after_two_steps(pipeline, "step 2 of 4")) == 3


def test_cancelled_before_the_clean_pass(tmp_path):
    """It is no step, and takes as long as one."""
    sigmas = {"exact": (80.0, 5.0, 0.1)}
    pipeline = Pipeline(load_package(make_package(tmp_path / "tiny", sigmas=sigmas)), "cpu")
    assert pipeline.synthesize([clip()], view(), SynthesisOptions()).calls == 3
    seen = cancelled_after_two_steps(pipeline, "cancelled at denoise, step 2 of 2")
    assert seen == [("condition", 0, 2), ("denoise", 0, 2), ("denoise", 1, 2)]


@pytest.mark.parametrize(
    ("sources", "target", "options", "code", "words"),
    [
        ([], view(), {}, "invalid_sources", "takes 1..1 sources, got 0"),
        ([clip(), clip()], view(), {}, "invalid_sources", "got 2"),
        ([clip()], view(count=9), {}, "invalid_num_frames", "got 5 or 9"),
        ([clip(count=13)], view(count=13), {}, "invalid_num_frames", "5 or 9 frames"),
        ([clip()], view(), {"speed": "warp"}, "unknown_speed", "exact or draft, got 'warp'"),
        ([clip()], view(), {"steps": 5}, "invalid_steps", "takes 1..4 steps, got 5"),
        ([clip()], view(), {"seed": -1}, "invalid_seed", "0..42949672"),
        ([clip()], view(), {"scene_scale": float("nan")}, "invalid_scene_scale", "nan"),
        ([clip()], view(), {"depth": True}, "no_depth", "so it knows no depth: leave depth out"),
    ],
)
def test_requests_beyond_the_contract(pipeline, sources, target, options, code, words):
    with pytest.raises(AnyviewError, match=words.replace("(", r"\(")) as caught:
        pipeline.synthesize(sources, target, SynthesisOptions(**options))
    assert caught.value.code == code


@pytest.mark.parametrize("shape", [(2, 48, 64, 3), (5, 48, 64, 3), (1, 24, 32, 3)])
def test_known_frames_of_another_number_or_size_are_refused(pipeline, shape):
    contract = replace(pipeline.package.contract, known_frames=True)
    with pytest.raises(AnyviewError, match=r"1 \+ 4 j, less than 5, of shape \(48, 64, 3\)") as no:
        check_known(contract, np.zeros(shape, np.uint8), view())
    assert no.value.code == "invalid_known_frames"
    check_known(contract, np.zeros((1, 48, 64, 3), np.uint8), view())
    alone = replace(contract, latent=replace(contract.latent, time=1))  # a frame is a latent's
    check_known(alone, np.zeros((2, 48, 64, 3), np.uint8), view())
    with pytest.raises(AnyviewError):
        check_known(alone, np.zeros((0, 48, 64, 3), np.uint8), view())


def test_known_frames_are_for_models_that_were_trained_with_them(pipeline):
    with pytest.raises(AnyviewError, match="'tiny' was not trained to go on") as no:
        pipeline.synthesize(
            [clip()], view(), SynthesisOptions(), known=np.zeros((1, 48, 64, 3), np.uint8)
        )
    assert no.value.code == "known_frames_unsupported"


def test_providers():
    assert runtime.choose_provider("cpu") == "cpu"
    assert runtime.choose_provider() in ("cpu", "cuda")
    with pytest.raises(AnyviewError, match="auto, cpu, cuda or tensorrt, got 'npu'"):
        runtime.choose_provider("npu")


def test_a_provider_this_build_lacks_is_not_replaced_in_silence(monkeypatch):
    ort = runtime._onnxruntime()
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(AnyviewError, match="install onnxruntime-gpu in place of onnxruntime"):
        runtime.choose_provider("cuda")


def test_onnxruntime_missing_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(AnyviewError, match="pip install onnxruntime") as caught:
        runtime.choose_provider()
    assert caught.value.code == "no_onnxruntime"
    assert "\n" not in str(caught.value)


def test_a_graph_that_cannot_be_loaded(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(AnyviewError, match="cannot be loaded") as caught:
        runtime.Graph(tmp_path / "broken.onnx", "cpu")
    assert caught.value.code == "invalid_model"


def test_a_speed_is_sampled_as_the_contract_says(tmp_path):
    sigmas = {"exact": (80.0, 20.0, 5.0, 1.0, 0.0), "fast": (80.0, 20.0, 5.0, 1.0, 0.0)}
    own = {"fast": Sampling("dpmpp2m", reuse=0.9)}
    package = make_package(tmp_path / "tiny", sigmas=sigmas, sampling=own)
    pipeline = Pipeline(load_package(package), "cpu")
    exact, fast = (
        pipeline.synthesize([clip()], view(), SynthesisOptions(speed=speed))
        for speed in ("exact", "fast")
    )
    assert (exact.steps, exact.calls, fast.steps) == (4, 4, 4)
    assert fast.calls < 4
    assert not np.array_equal(fast.frames, exact.frames)

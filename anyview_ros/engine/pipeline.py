"""The whole way from source clips to the frames of a virtual camera."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import DEFAULT_SPEED, SURFACES, Contract
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.asking import (
    SynthesisOptions,
    check_known,
    check_request,
    check_sampling,
)
from anyview_ros.engine.conditioner import Conditioner, Scene
from anyview_ros.engine.onnx.bound_denoiser import BoundDenoiser
from anyview_ros.engine.onnx.fused_attention import check_fused
from anyview_ros.engine.onnx.memory import check_fits
from anyview_ros.engine.onnx.providers import device_of
from anyview_ros.engine.onnx.runtime import AUTO, Graph, OnDevice, choose_provider, load_graphs
from anyview_ros.engine.onnx.self_test import SelfTest
from anyview_ros.engine.trust.sight import off_sight
from anyview_ros.engine.trust.uncertainty import Question, Spread, doubt, questions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.imaging import resize
from anyview_ros.packages import ModelPackage

if TYPE_CHECKING:
    from anyview_ros.engine.surfaces.choice import Choice
    from anyview_ros.engine.surfaces.detail import SourceDetail

__all__ = ["Pipeline", "Progress", "Synthesis", "SynthesisOptions", "check_sampling"]

Array = NDArray[np.float32]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Synthesis:
    """The frames of a virtual camera and what making them took.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the target's size.
        uncertainty: (T, H, W) uint8 as `uncertainty.doubt`; (0, H, W) where none was asked for.
        depth: (T, H, W) float32 metres along the target's optical axis, nan where nothing is
            known; (0, H, W) where none was asked for.
        steps: of the schedule, for each seed.
        generated_size: (H, W) at which the model made them.
        clamped_moments: share of Plücker moments beyond the model's range, 0..1.
        condition_s, denoise_s, decode_s: seconds of wall-clock time.
        calls: of the denoiser, for all seeds: a clean pass is one more than the steps, and calls
            whose answer is reused are not made.
    """

    frames: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    depth: NDArray[np.float32]
    speed: str
    steps: int
    generated_size: tuple[int, int]
    scene_scale: float
    clamped_moments: float
    condition_s: float
    denoise_s: float
    decode_s: float
    calls: int


class Pipeline:
    """A model package, loaded.

    Args:
        package: from `contract.load_package`.
        provider: `auto`, `cpu`, `cuda` or `tensorrt`.
        threads: of the CPU provider; 0 = one a core.

    Raises:
        AnyviewError: `not_enough_memory`, `attention_not_fused`, `self_test_failed`, or what
            `choose_provider` and `Graph` refuse.
    """

    def __init__(self, package: ModelPackage, provider: str = AUTO, threads: int = 0) -> None:
        self.package = package
        self.provider = choose_provider(provider)
        check_fits(package, device_of(self.provider))
        known_answers = SelfTest(package)
        known_answers.ask_proofs(self.provider, threads)
        files = {name: package.graph(name) for name in package.contract.graphs}
        self._graphs = load_graphs(files, self.provider, threads, captured="denoise")
        check_fused(self._graphs["denoise"].nodes, package.contract, self.provider)
        known_answers.ask(self._graphs)
        self.device = OnDevice(self.provider)
        self._denoiser: BoundDenoiser | None = None
        self._conditioner = Conditioner(package.contract, self._graphs)
        self._detail = _source_detail(package.contract, self._graphs, threads)

    def synthesize(
        self,
        sources: Sequence[Clip],
        target: View,
        options: SynthesisOptions,
        on_progress: Progress = lambda stage, step, steps: None,
        cancelled: Callable[[], bool] = lambda: False,
        known: NDArray[np.uint8] | None = None,
    ) -> Synthesis:
        """What `target` would have seen while the sources saw their clips.

        The frames are those of the first seed, bit for bit as without the others. Steps told to
        `on_progress` are those of all seeds.

        Args:
            known: (1 + 4 j, H, W, 3), the target's first frames where they are given, as the last
                ones of a clip that this one continues. They come back as they are. See
                `sampler.continues_below`.

        Raises:
            AnyviewError: what `check_request` and `check_known` refuse; `cancelled` within one
                step; `not_finite`.
        """
        contract = self.package.contract
        method = check_request(contract, sources, target, options)
        if known is not None:
            check_known(contract, known, target)

        def report(stage: str, step: int, steps: int) -> None:
            if cancelled():
                raise AnyviewError("cancelled", f"cancelled at {stage}, step {step} of {steps}")
            on_progress(stage, step, steps)

        started = time.perf_counter()
        scene = self._scene(sources, target, known, options.scene_scale)
        steps = _Steps(method.steps * max(1, options.uncertainty_samples), report)
        steps.report("condition")
        choices = self._shown(scene)
        ready_s = time.perf_counter() - started
        asked = questions(options.seed, options.uncertainty_samples)
        answers = [self._answer(question, scene, choices, method, steps) for question in asked]
        denoised = time.perf_counter()
        drawn = _Drawing(scene, choices, sources, target.camera)
        frames, uncertainty, depth = self._decoded(answers, drawn, steps)
        if known is not None:
            frames[: len(known)], uncertainty[: len(known)] = known, 0
        return Synthesis(
            frames=frames,
            uncertainty=uncertainty,
            depth=depth if options.depth else depth[:0],
            speed=options.speed or DEFAULT_SPEED,
            steps=method.steps,
            generated_size=(scene.target.camera.height, scene.target.camera.width),
            scene_scale=scene.scene_scale,
            clamped_moments=answers[0].clamped_moments,
            condition_s=ready_s + sum(answer.condition_s for answer in answers),
            denoise_s=sum(answer.denoise_s for answer in answers),
            decode_s=time.perf_counter() - denoised,
            calls=sum(answer.calls for answer in answers),
        )

    def _scene(
        self,
        sources: Sequence[Clip],
        target: View,
        known: NDArray[np.uint8] | None,
        scene_scale: float,
    ) -> Scene:
        """At the model's size."""
        contract = self.package.contract
        size = resize.model_size(contract, target.camera)
        camera = resize.resize_camera(target.camera, size, contract.pixel_rule)
        if known is not None:
            resized = [resize.resize_image(i, size, contract.resampler) for i in known]
            known = np.stack(resized)
        clips = tuple(resize.resize_clip(clip, contract) for clip in sources)
        view = View(camera, target.world_from_cam)
        return Scene(clips, view, known, scene_scale or contract.scene_scale)

    def _shown(self, scene: Scene) -> list[Choice]:
        """Which surfaces the target shows, as far as the sources tell before the model is asked;
        nothing for a model without composites."""
        if self._detail is None or not self.package.contract.composite:
            return []
        return self._detail.shown(scene.clips, scene.target, scene.scene_scale)

    def _answer(
        self,
        question: Question,
        scene: Scene,
        choices: Sequence[Choice],
        method: sampler.Method,
        steps: _Steps,
    ) -> _Answer:
        """The scene, asked in one way; with each of its seeds."""
        started = time.perf_counter()
        steps.report("condition")
        asked = scene.asked(question)
        given, clamped = self._conditioner.given(asked, keep=question.plain, choices=choices)
        known = self._conditioner.known(asked)
        conditioned = time.perf_counter()
        camera = scene.target.camera
        shape = self.package.contract.latent.of(len(scene.clips[0]), camera.height, camera.width)
        denoiser = self._bound_denoiser(given, (1, *shape))
        denoiser.condition(given, known, sampler.continues_below(method))
        latents, weights = [], None
        for seed in question.seeds:
            noise = sampler.unit_noise(seed, shape)[None]
            state = self.device.put(sampler.first_state(method, noise))
            latent = sampler.sample_by(method, denoiser, state, self.device, steps.begin)
            latents.append(self.device.get(latent))
            weights = denoiser.weights() if weights is None else weights
        denoise_s = time.perf_counter() - conditioned
        calls = denoiser.calls
        conditioned_s = conditioned - started
        return _Answer(question, latents, weights, clamped, calls, conditioned_s, denoise_s)

    def _decoded(
        self, answers: Sequence[_Answer], drawing: _Drawing, steps: _Steps
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Array]:
        """At the camera's size the first latent's frames, how far to doubt them, if there are
        several, and their depth, if the package tells it."""
        videos = self._videos(answers, steps)
        first = next(videos)
        made = conditioning.images_of(first)
        frames, depth = self._drawn(answers[0], made, drawing)
        if len(answers) == 1:
            return frames, np.empty((0, *frames.shape[1:3]), np.uint8), depth
        spread = Spread()
        for video in itertools.chain([first], videos):
            spread.add(video)
        scene = drawing.scene
        off = off_sight(made, scene.clips, scene.target, scene.scene_scale)
        return frames, _at_size(doubt(spread.levels(), off), drawing.camera), depth

    def _drawn(
        self, answer: _Answer, made: NDArray[np.uint8], drawing: _Drawing
    ) -> tuple[NDArray[np.uint8], Array]:
        """Frames at the camera's size, with the sources' own detail where the package can."""
        scene, camera = drawing.scene, drawing.camera
        if self._detail is None or answer.weights is None:
            return _at_size(made, camera), np.empty((0, camera.height, camera.width), np.float32)
        from anyview_ros.engine.surfaces.detail import Answer

        asked = Answer(made, answer.weights, scene.clips, scene.target, scene.scene_scale)
        return self._detail.drawn(asked, drawing.sources, camera, drawing.choices)

    def _videos(self, answers: Sequence[_Answer], steps: _Steps) -> Iterator[Array]:
        for answer in answers:
            for latent in answer.latents:
                steps.report("decode")
                (video,) = self._graphs["decode"](latent=latent).values()
                yield answer.question.unlit(video)

    def _bound_denoiser(self, given: dict[str, Array], latent: tuple[int, ...]) -> BoundDenoiser:
        """The denoiser of these shapes; the last one is kept."""
        shapes = {name: array.shape for name, array in given.items()} | {"noisy": latent}
        if self._denoiser is None or self._denoiser.shapes != shapes:
            self._denoiser = None  # whose buffers are given back before others are taken
            contract = self.package.contract
            self._denoiser = BoundDenoiser(
                self._graphs["denoise"], self.device, contract.name, contract.prediction, shapes
            )
        return self._denoiser


@dataclass(frozen=True)
class _Drawing:
    """What answers are drawn with.

    Args:
        scene: at the model's size.
        choices: of a model with composites.
        sources: as they came.
        camera: of the target, as it was asked for.
    """

    scene: Scene
    choices: Sequence[Choice]
    sources: Sequence[Clip]
    camera: Camera


@dataclass(frozen=True)
class _Answer:
    """Latents of a question, one for each of its seeds, and what they took.

    Args:
        weights: of the first of them, see `Contract.sweep_weights`.
    """

    question: Question
    latents: list[Array]
    weights: Array | None
    clamped_moments: float
    calls: int
    condition_s: float
    denoise_s: float


def _source_detail(
    contract: Contract, graphs: Mapping[str, Graph], threads: int
) -> SourceDetail | None:
    """Return what draws detail from the sources, where the package says where to take it from."""
    if not contract.sweep_weights:
        return None
    from anyview_ros.engine.surfaces.detail import SourceDetail  # numba, which not all need
    from anyview_ros.engine.surfaces.network import surfaces_by

    measure = None
    if contract.surfaces is not None:
        measure = partial(surfaces_by, graphs[SURFACES], contract.surfaces)
    detail = SourceDetail(contract, threads, measure)
    detail.warm_up()
    return detail


class _Steps:
    """Counts the steps of all seeds, and tells of them."""

    def __init__(self, count: int, on_progress: Progress) -> None:
        self._count, self._on_progress = count, on_progress
        self._done = 0

    def report(self, stage: str) -> None:
        self._on_progress(stage, self._done, self._count)

    def begin(self, step: int, steps: int) -> None:
        """Before a step of one seed."""
        self.report("denoise")
        self._done += 1


def _at_size(images: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """(T, H, W, 3) or (T, H, W) at the camera's size."""
    size = (camera.height, camera.width)
    return np.stack([resize.resize_image(image, size, "area") for image in images])

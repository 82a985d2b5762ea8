"""The whole way from source clips to the frames of a virtual camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import DEFAULT_SPEED, SURFACES, Contract
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.conditioner import Conditioner, ModelRequest
from anyview_ros.engine.graph_check import check_graphs
from anyview_ros.engine.onnx.bound_denoiser import BoundDenoiser
from anyview_ros.engine.onnx.fused_attention import check_fused
from anyview_ros.engine.onnx.memory import check_fits
from anyview_ros.engine.onnx.package_files import PackageFiles
from anyview_ros.engine.onnx.providers import ProviderChoice, device_of
from anyview_ros.engine.onnx.runtime import AUTO, Graph, OnDevice, Outputs, choose_provider
from anyview_ros.engine.onnx.self_test import SelfTest
from anyview_ros.engine.request import (
    SynthesisOptions,
    check_known,
    check_request,
    check_sampling,
)
from anyview_ros.engine.trust.photo_error import photo_consistency_error
from anyview_ros.engine.trust.uncertainty import (
    Augmentation,
    RunningDeviation,
    augmentations,
    doubt,
)
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.imaging import resize
from anyview_ros.packages import ModelPackage

if TYPE_CHECKING:
    from anyview_ros.engine.surfaces.choice import Choice
    from anyview_ros.engine.surfaces.detail import Sight, SourceDetail

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

    @property
    def model_s(self) -> float:
        """Return the seconds that it took."""
        return self.condition_s + self.denoise_s + self.decode_s


class Pipeline:
    """A model package, loaded. Its files are read here, and what is read is what is checked.

    Args:
        package: from `packages.load_package`.
        provider: `auto`, `cpu`, `cuda` or `tensorrt`.
        threads: of the CPU provider; 0 = one a core.

    Raises:
        AnyviewError: `not_enough_memory`, `attention_not_fused`, `self_test_failed`, or what
            `choose_provider`, `PackageFiles`, `Graph` and `check_graphs` refuse.
    """

    def __init__(
        self, package: ModelPackage, provider: ProviderChoice = AUTO, threads: int = 0
    ) -> None:
        self.package = package
        self.provider = choose_provider(provider)
        check_fits(package, device_of(self.provider))
        files = PackageFiles(package)
        self_test = SelfTest(package, files)
        self_test.check_proxy_graphs(self.provider, threads)
        self._graphs = self._loaded(files, threads)
        check_graphs(package.contract, self._graphs)
        check_fused(self._graphs["denoise"].nodes, package.contract, self.provider)
        self_test.check(self._graphs)
        files.check_unchanged()
        self.device = OnDevice(self.provider)
        self._denoiser: BoundDenoiser | None = None
        self._conditioner = Conditioner(package.contract, self._graphs)
        self._detail = _source_detail(package.contract, self._graphs, threads)

    def _loaded(self, files: PackageFiles, threads: int) -> dict[str, Graph]:
        """Return the graphs of the package by name."""
        names, whose = self.package.contract.graphs, self.package.sha256
        # Surfaces of several frames are found at once, each by a thread of its own.
        counts = {name: 1 if name == SURFACES else threads for name in names}
        if self.provider == "tensorrt":  # which reads the files itself
            for name in self.package.contract.files:
                files.follow(name)
            paths = {n: self.package.graph(n) for n in names}
            return {n: Graph(paths[n], self.provider, counts[n], whose) for n in names}
        return {n: Graph(files.graph(n), self.provider, counts[n], whose) for n in names}

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
                `sampler.known_frames_below`.

        Raises:
            AnyviewError: what `check_request` and `check_known` refuse; `cancelled` within one
                step; `not_finite`.
        """
        contract = self.package.contract
        method = check_request(contract, sources, target, options)
        if known is not None:
            check_known(contract, known, target)
        plain, *others = augmentations(options.seed, options.uncertainty_samples)
        steps = method.steps * max(1, options.uncertainty_samples)
        run = _Run(method, steps, cancelled, on_progress)
        with run.stage("condition"):
            request = self._resized(sources, target, known, options.scene_scale)
            sight = self._sight(request)
            choices = sight.choices if sight else ()
            inputs = self._conditioned(request, choices, plain)
        with run.stage("denoise"):
            latent = self._sampled(inputs, options.seed, run)
            weights = self._bound_denoiser(inputs).weights()
        with run.stage("decode"):
            video = self._decoded(latent)
            made = conditioning.images_of(video)
            frames, depth = self._drawn(made, weights, request, sight, sources, target.camera)
        uncertainty = np.empty((0, *frames.shape[1:3]), np.uint8)
        if others:
            levels = self._doubted(video, made, request, choices, others, run)
            uncertainty = _at_size(levels, target.camera)
        if known is not None:
            frames[: len(known)], uncertainty[: len(known)] = known, 0
        return Synthesis(
            frames=frames,
            uncertainty=uncertainty,
            depth=depth if options.depth else depth[:0],
            speed=options.speed or DEFAULT_SPEED,
            steps=method.steps,
            generated_size=(request.target.camera.height, request.target.camera.width),
            scene_scale=request.scene_scale,
            clamped_moments=inputs.clamped_moments,
            condition_s=run.seconds["condition"],
            denoise_s=run.seconds["denoise"],
            decode_s=run.seconds["decode"],
            calls=run.calls,
        )

    def _resized(
        self,
        sources: Sequence[Clip],
        target: View,
        known: NDArray[np.uint8] | None,
        scene_scale: float,
    ) -> ModelRequest:
        """Return what was asked for at the model's size."""
        contract = self.package.contract
        size = resize.model_size(contract, target.camera)
        camera = resize.resize_camera(target.camera, size, contract.pixel_rule)
        if known is not None:
            resized = [resize.resize_image(i, size, contract.resampler) for i in known]
            known = np.stack(resized)
        clips = tuple(resize.resize_clip(clip, contract) for clip in sources)
        view = View(camera, target.world_from_cam)
        return ModelRequest(clips, view, known, scene_scale or contract.scene_scale)

    def _sight(self, request: ModelRequest) -> Sight | None:
        """Return which surfaces the target shows, as far as the sources tell before the model is
        asked; None for a package that takes no detail from its sources."""
        if self._detail is None:
            return None
        return self._detail.sight(request.clips, request.target, request.scene_scale)

    def _conditioned(
        self, request: ModelRequest, choices: Sequence[Choice], augmentation: Augmentation
    ) -> _Inputs:
        """Return what the denoiser is given, the request changed by an augmentation."""
        changed = request.augmented(augmentation)
        given, clamped = self._conditioner.inputs(
            changed, keep=augmentation.is_identity, choices=choices
        )
        camera = request.target.camera
        shape = self.package.contract.latent.of(len(request.clips[0]), camera.height, camera.width)
        return _Inputs(given, self._conditioner.known(changed), shape, clamped)

    def _sampled(self, inputs: _Inputs, seed: int, run: _Run) -> Array:
        """Return the latent (1, C, T', H', W') of a seed."""
        denoiser = self._bound_denoiser(inputs)
        denoiser.condition(inputs.given, inputs.known, sampler.known_frames_below(run.method))
        noise = sampler.unit_noise(seed, inputs.shape)[None]
        state = self.device.put(sampler.initial_state(run.method, noise))
        latent = sampler.sample_by(run.method, denoiser, state, self.device, run.begin_step)
        run.calls += denoiser.calls
        return self.device.get(latent)

    def _decoded(self, latent: Array) -> Array:
        """Return the video (1, 3, T, H, W) of a latent, in [-1, 1]."""
        (video,) = self._graphs["decode"](latent=latent).values()
        return video

    def _drawn(
        self,
        made: NDArray[np.uint8],
        weights: Array | None,
        request: ModelRequest,
        sight: Sight | None,
        sources: Sequence[Clip],
        camera: Camera,
    ) -> tuple[NDArray[np.uint8], Array]:
        """Return frames at the camera's size, with the sources' own detail where the package can,
        and their depth."""
        if self._detail is None or sight is None or weights is None:
            return _at_size(made, camera), np.empty((0, camera.height, camera.width), np.float32)
        from anyview_ros.engine.surfaces.detail import Answer

        return self._detail.drawn(Answer(made, weights, request.target), sight, sources, camera)

    def _doubted(
        self,
        video: Array,
        made: NDArray[np.uint8],
        request: ModelRequest,
        choices: Sequence[Choice],
        others: Sequence[Augmentation],
        run: _Run,
    ) -> NDArray[np.uint8]:
        """Return how far to doubt a video, (T, H, W) as `uncertainty.doubt`: asked in other ways
        too, each with seeds of its own."""
        spread = RunningDeviation()
        spread.add(video)
        for augmentation in others:
            with run.stage("condition"):
                inputs = self._conditioned(request, choices, augmentation)
            for seed in augmentation.seeds:
                with run.stage("denoise"):
                    latent = self._sampled(inputs, seed, run)
                with run.stage("decode"):
                    spread.add(augmentation.invert_gamma(self._decoded(latent)))
        off = photo_consistency_error(made, request.clips, request.target, request.scene_scale)
        return doubt(spread.levels(), off)

    def _bound_denoiser(self, inputs: _Inputs) -> BoundDenoiser:
        """Return the denoiser of these shapes; the last one is kept."""
        shapes = {name: array.shape for name, array in inputs.given.items()}
        shapes["noisy"] = (1, *inputs.shape)
        if self._denoiser is None or self._denoiser.shapes != shapes:
            self._denoiser = None  # whose buffers are given back before others are taken
            contract = self.package.contract
            self._denoiser = BoundDenoiser(
                self._graphs["denoise"], self.device, contract.name, contract.prediction, shapes
            )
        return self._denoiser


@dataclass(frozen=True)
class _Inputs:
    """Hold what the denoiser is given.

    Args:
        given: tensors by its names.
        known: (1, C, j, H', W') of frames that are given, None without.
        shape: (C, T', H', W') of the target's latent.
        clamped_moments: share of the target's moments.
    """

    given: dict[str, Array]
    known: Array | None
    shape: tuple[int, ...]
    clamped_moments: float


class _Run:
    """One call of `synthesize`: reports progress, stops when cancelled, counts calls and seconds.

    Args:
        steps: of the denoiser, of all seeds.
    """

    def __init__(
        self,
        method: sampler.SamplerSettings,
        steps: int,
        cancelled: Callable[[], bool],
        on_progress: Progress,
    ) -> None:
        self.method = method
        self.calls = 0
        self.seconds = dict.fromkeys(("condition", "denoise", "decode"), 0.0)
        self._steps, self._done = steps, 0
        self._cancelled, self._on_progress = cancelled, on_progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report a stage as begun, and add its seconds.

        Raises:
            AnyviewError: `cancelled`.
        """
        if name != "denoise":  # which reports each step
            self._report(name)
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started

    def begin_step(self, step: int, steps: int) -> None:
        """Report a step of one seed as begun, but for the clean pass, which is none; errors as
        `stage`."""
        if step == steps:
            self._stop_if_cancelled("denoise")
            return
        self._report("denoise")
        self._done += 1

    def _report(self, stage: str) -> None:
        self._stop_if_cancelled(stage)
        self._on_progress(stage, self._done, self._steps)

    def _stop_if_cancelled(self, stage: str) -> None:
        if self._cancelled():
            raise AnyviewError(
                "cancelled", f"cancelled at {stage}, step {self._done} of {self._steps}"
            )


def compile_ahead(contract: Contract) -> None:
    """Compile what a `Pipeline` of such a package compiles; it needs none of the graphs."""
    _source_detail(contract, {SURFACES: lambda costs, **_: {"": np.zeros_like(costs)}}, threads=1)


def _source_detail(
    contract: Contract, graphs: Mapping[str, Callable[..., Outputs]], threads: int
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


def _at_size(images: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """(T, H, W, 3) or (T, H, W) at the camera's size."""
    size = (camera.height, camera.width)
    return np.stack([resize.resize_image(image, size, "area") for image in images])

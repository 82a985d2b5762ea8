"""The whole way from source clips to the frames of a virtual camera."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import DEFAULT_SPEED, GRAPHS, Contract, ModelPackage
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.plane_sweep import plane_sweep
from anyview_ros.engine.runtime import AUTO, Graph, choose_provider, load_graphs
from anyview_ros.engine.shared_sources import SharedSources
from anyview_ros.engine.uncertainty import Spread, check_samples, seeds
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, View

Array = NDArray[np.float32]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SynthesisOptions:
    """How to sample. Zero or empty means the package's default.

    Args:
        speed: `exact`, `fast` or `draft`, as far as the package has them.
        steps: calls of the denoiser, in place of the speed's own number.
        seed: makes the noise; 0 is a seed like any other.
        scene_scale: multiplies Plücker moments.
        uncertainty_samples: seeds whose spread is told, `seed` and those after it; 0 for none.
    """

    speed: str = ""
    steps: int = 0
    seed: int = 0
    scene_scale: float = 0.0
    uncertainty_samples: int = 0


@dataclass(frozen=True)
class Synthesis:
    """The frames of a virtual camera and what making them took.

    Args:
        frames: (T, H, W, 3) uint8 RGB of the target's size.
        uncertainty: (T, H, W) uint8 as `Spread.image`; (0, H, W) where none was asked for.
        steps: of the schedule, for each seed.
        generated_size: (H, W) at which the model made them.
        clamped_moments: share of Plücker moments beyond the model's range, 0..1.
        condition_s, denoise_s, decode_s: seconds of wall-clock time.
        calls: of the denoiser, for all seeds: a clean pass is one more than the steps, and calls
            whose answer is reused are not made.
    """

    frames: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
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
        provider: `auto`, `cpu` or `cuda`.
        threads: of the CPU provider; 0 = one a core.
    """

    def __init__(self, package: ModelPackage, provider: str = AUTO, threads: int = 0) -> None:
        self.package = package
        self.provider = choose_provider(provider)
        files = {name: package.graph(name) for name in GRAPHS}
        self._graphs: dict[str, Graph] = load_graphs(files, self.provider, threads)
        self._shared = SharedSources(2 * package.contract.max_sources)

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

        Several seeds share the conditioning, and the frames are those of the first, bit for bit as
        without the others. Steps told to `on_progress` are those of all seeds.

        Args:
            known: (1 + 4 j, H, W, 3), the target's first frames where they are given, as the last
                ones of a clip that this one continues. They come back as they are.

        Raises:
            AnyviewError: what `check_request` and `check_known` refuse; `cancelled` within one
                step; `not_finite`.
        """
        contract = self.package.contract
        method = check_request(contract, sources, target, options)
        if known is not None:
            check_known(contract, known, target)
        scene_scale = options.scene_scale or contract.scene_scale

        def report(stage: str, step: int, steps: int) -> None:
            if cancelled():
                raise AnyviewError("cancelled", f"cancelled at {stage}, step {step} of {steps}")
            on_progress(stage, step, steps)

        started = time.perf_counter()
        seeds_used = seeds(options.seed, options.uncertainty_samples)
        all_steps = method.steps * len(seeds_used)
        report("condition", 0, all_steps)
        clips = [conditioning.resize_clip(clip, contract) for clip in sources]
        size = conditioning.model_size(contract, target.camera)
        camera = conditioning.resize_camera(target.camera, size, contract.pixel_rule)
        anchor_from_world = conditioning.anchor(
            contract, clips[0].world_from_cam, target.world_from_cam
        )
        anchor_from_cam = anchor_from_world @ target.world_from_cam
        rays, clamped = self._rays(camera, anchor_from_cam, scene_scale)
        given = {"rays": rays, **self._conditions(clips, anchor_from_world, scene_scale)}
        if contract.plane_sweep:
            given["sweep"] = self._sweep(clips, View(camera, target.world_from_cam), scene_scale)
        given_latent = None if known is None else self._known_latent(known, size, len(clips[0]))
        conditioned = time.perf_counter()
        network = self._network(given, given_latent)
        denoiser = sampler.denoiser_of(network, contract.prediction)
        taken = itertools.count()
        latents = [
            sampler.sample_by(
                method,
                denoiser,
                sampler.first_state(
                    method, sampler.unit_noise(seed, contract.latent.of(len(clips[0]), *size))[None]
                ),
                on_step=lambda *_: report("denoise", next(taken), all_steps),
            )
            for seed in seeds_used
        ]
        denoised = time.perf_counter()
        frames, uncertainty = self._decoded(
            latents, target.camera, lambda: report("decode", all_steps, all_steps)
        )
        if known is not None:
            frames[: len(known)], uncertainty[: len(known)] = known, 0
        return Synthesis(
            frames=frames,
            uncertainty=uncertainty,
            speed=options.speed or DEFAULT_SPEED,
            steps=method.steps,
            generated_size=size,
            scene_scale=scene_scale,
            clamped_moments=clamped,
            condition_s=conditioned - started,
            denoise_s=denoised - conditioned,
            decode_s=time.perf_counter() - denoised,
            calls=network.calls,
        )

    def _decoded(
        self, latents: Sequence[Array], camera: Camera, on_latent: Callable[[], None]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """At the camera's size the first latent's frames, and the spread over all, if several."""
        spread = Spread()
        for k, latent in enumerate(latents):
            on_latent()
            (video,) = self._graphs["decode"](latent=latent).values()
            if k == 0:
                frames = _at_size(conditioning.images_of(video), camera)
            if len(latents) > 1:
                spread.add(video)
        if len(latents) == 1:
            return frames, np.empty((0, *frames.shape[1:3]), np.uint8)
        return frames, _at_size(spread.image(), camera)

    def _conditions(
        self, clips: Sequence[Clip], anchor_from_world: NDArray[np.float64], scene_scale: float
    ) -> dict[str, Array]:
        """The sources as the denoiser sees them: opaque tensors, the same for every step.

        With the anchor on the source they are the same for every target too.
        Those of several sources are laid end to end along the axis before the last.
        """
        each = [
            self._shared.get(
                *(clip, anchor_from_world, scene_scale),
                partial(self._condition, clip, anchor_from_world, scene_scale),
            )
            for clip in clips
        ]
        if len(each) == 1:
            return each[0]
        return {name: np.concatenate([tensors[name] for tensors in each], -2) for name in each[0]}

    def _condition(
        self, clip: Clip, anchor_from_world: NDArray[np.float64], scene_scale: float
    ) -> dict[str, Array]:
        latent = self._encode(conditioning.video_tensor(clip.images))
        anchor_from_cam = anchor_from_world @ clip.world_from_cam
        rays, _ = self._rays(clip.frames[0].camera, anchor_from_cam, scene_scale)
        return self._graphs["condition"](latent=latent, rays=rays)

    def _sweep(self, clips: Sequence[Clip], target: View, scene_scale: float) -> Array:
        """(1, P, C + 2, T', H', W'): latents of the candidates of a plane sweep, then marks.

        Cells that no source sees are 0.
        """
        contract = self.package.contract
        depths = [scene_scale * depth for depth in contract.plane_sweep]
        candidates = plane_sweep(clips, target, depths, contract.latent)
        marks = candidates.marks
        latents = np.zeros((len(marks), contract.latent.channels, *marks.shape[2:]), np.float32)
        for plane in np.flatnonzero(marks[:, 0].any(axis=(1, 2, 3))):
            (latents[plane],) = self._encode(conditioning.video_tensor(candidates.images[plane]))
        return np.concatenate([latents * marks[:, :1], marks], axis=1)[None]

    def _rays(
        self, camera: Camera, anchor_from_cam: NDArray[np.float64], scene_scale: float
    ) -> tuple[Array, float]:
        """Rays of a view (1, R, T', H', W') as the contract codes them; share of moments clamped.

        Ray code `autoencoder`: rays and moments are two videos, each coded as images are.
        """
        contract = self.package.contract
        if contract.ray_code == "unshuffle":
            return conditioning.unshuffle_rays(contract, camera, anchor_from_cam, scene_scale)
        values, clamped = conditioning.ray_video(camera, anchor_from_cam, scene_scale)
        videos = np.ascontiguousarray(values.transpose(3, 0, 1, 2)[None])
        latents = [self._encode(videos[:, :3]), self._encode(videos[:, 3:])]
        return np.concatenate(latents, axis=1), clamped

    def _encode(self, video: Array) -> Array:
        """(1, 3, T, H, W) in [-1, 1] -> latent (1, C, T', H', W')."""
        (latent,) = self._graphs["encode"](frames=video).values()
        return latent

    def _known_latent(self, known: NDArray[np.uint8], size: tuple[int, int], frames: int) -> Array:
        """(1, C, j + 1, H', W') of the first frames; what follows them does not reach a latent."""
        contract = self.package.contract
        images = np.stack([conditioning.resize_image(i, size, contract.resampler) for i in known])
        padded = np.concatenate([images, np.repeat(images[-1:], frames - len(images), axis=0)])
        latent = self._encode(conditioning.video_tensor(padded))
        return latent[:, :, : 1 + (len(known) - 1) // contract.latent.time]

    def _network(self, given: dict[str, Array], known: Array | None) -> Calls:
        return Calls(self._graphs["denoise"], self.package.contract.name, given, known)


class Calls:
    """The network with all but noisy latent and level filled in; counts its calls.

    Some take one level, (1,), others one for each latent frame, (1, T'): known frames have 0.
    """

    def __init__(
        self, denoise: Graph, model: str, given: dict[str, Array], known: Array | None
    ) -> None:
        self._denoise, self._model, self._given, self._known = denoise, model, given, known
        self.calls = 0

    def __call__(self, noisy: Array, t: Array) -> Array:
        """(1, C, T', H', W').

        Raises:
            AnyviewError: `not_finite`, or as `Graph`.
        """
        self.calls += 1
        levels, known = np.full(self._denoise.inputs["t"], t[0], np.float32), self._known
        if known is not None:
            levels[:, : known.shape[2]] = 0
            noisy = np.concatenate([known, noisy[:, :, known.shape[2] :]], axis=2)
        (prediction,) = self._denoise(noisy=noisy, t=levels, **self._given).values()
        if not np.isfinite(prediction).all():
            raise AnyviewError(
                "not_finite",
                f"model '{self._model}' made values that are not finite at t = {float(t[0]):.4f}; "
                "it may know the noise levels of its own speeds only: leave steps at 0",
            )
        return prediction


def check_request(
    contract: Contract, sources: Sequence[Clip], target: View, options: SynthesisOptions
) -> sampler.Method:
    """How a request that the contract allows is sampled.

    Raises:
        AnyviewError: `invalid_sources`, `invalid_num_frames`, `unknown_speed`, `invalid_steps`,
            `invalid_scene_scale` or `invalid_uncertainty_samples`.
    """
    if not 1 <= len(sources) <= contract.max_sources:
        raise AnyviewError(
            "invalid_sources",
            f"model '{contract.name}' takes 1..{contract.max_sources} sources, got {len(sources)}",
        )
    lengths = {len(target.world_from_cam), *map(len, sources)}
    if len(lengths) > 1 or not lengths <= set(contract.frames):
        raise AnyviewError(
            "invalid_num_frames",
            f"model '{contract.name}' takes clips of {_words(contract.frames)} frames, the same "
            f"for sources and target, got {_words(sorted(lengths))}",
        )
    if not (np.isfinite(options.scene_scale) and options.scene_scale >= 0):
        raise AnyviewError(
            "invalid_scene_scale", f"scene_scale must be positive, got {options.scene_scale}"
        )
    check_samples(options.uncertainty_samples)
    return check_sampling(contract, options)


def check_known(contract: Contract, known: NDArray[np.uint8], target: View) -> None:
    """Whether the contract takes these first frames of a target.

    Raises:
        AnyviewError: `known_frames_unsupported`, or `invalid_known_frames` for a wrong number or
            size.
    """
    if not contract.known_frames:
        raise AnyviewError(
            "known_frames_unsupported",
            f"model '{contract.name}' was not trained to go on from given frames",
        )
    frames, time_factor = len(target.world_from_cam), contract.latent.time
    size = (target.camera.height, target.camera.width, 3)
    if known.shape[1:] != size or len(known) >= frames or len(known) % time_factor != 1:
        raise AnyviewError(
            "invalid_known_frames",
            f"known frames must be 1 + {time_factor} j, less than {frames}, of shape {size}, got "
            f"{known.shape}",
        )


def check_sampling(contract: Contract, options: SynthesisOptions) -> sampler.Method:
    """What a speed and a number of steps ask for; errors as `check_request`."""
    speed = options.speed or DEFAULT_SPEED
    if speed not in contract.sigmas:
        raise AnyviewError(
            "unknown_speed",
            f"model '{contract.name}' has the speeds {_words(contract.sigmas)}, got '{speed}'",
        )
    if not 0 <= options.steps <= contract.max_steps:
        raise AnyviewError(
            "invalid_steps",
            f"model '{contract.name}' takes 1..{contract.max_steps} steps, got {options.steps}; "
            "0 means the speed's own number",
        )
    sigmas, own = contract.sigmas[speed], contract.sampled_by(speed)
    levels = sampler.schedule(sigmas, options.steps or len(sigmas) - 1)
    return sampler.Method(levels, own.solver, own.reuse)


def _words(values: Iterable[object]) -> str:
    return " or ".join(str(value) for value in values)


def _at_size(images: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """(T, H, W, 3) or (T, H, W) at the camera's size."""
    size = (camera.height, camera.width)
    return np.stack([conditioning.resize_image(image, size, "area") for image in images])

"""The whole way from source clips to the frames of a virtual camera."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import DEFAULT_SPEED, GRAPHS, ModelPackage
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.asking import (
    SynthesisOptions,
    check_known,
    check_request,
    check_sampling,
)
from anyview_ros.engine.bound_denoiser import BoundDenoiser
from anyview_ros.engine.fused_attention import check_fused
from anyview_ros.engine.kept import Kept, digest
from anyview_ros.engine.memory import check_fits
from anyview_ros.engine.plane_sweep import plane_sweep
from anyview_ros.engine.providers import device_of
from anyview_ros.engine.runtime import AUTO, OnDevice, choose_provider, load_graphs
from anyview_ros.engine.self_test import SelfTest
from anyview_ros.engine.shared_sources import SharedSources
from anyview_ros.engine.uncertainty import Spread, seeds
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, View

__all__ = ["Pipeline", "Progress", "Synthesis", "SynthesisOptions", "check_sampling"]

Array = NDArray[np.float32]
RAY_LATENTS = 8  # views whose coded rays are kept
POSE_DIGITS = 9  # decimals of the poses that rays are made of: metres, and parts of a unit vector
Progress = Callable[[str, int, int], None]


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
        files = {name: package.graph(name) for name in GRAPHS}
        self._graphs = load_graphs(files, self.provider, threads, captured="denoise")
        check_fused(self._graphs["denoise"].nodes, package.contract, self.provider)
        known_answers.ask(self._graphs)
        self.device = OnDevice(self.provider)
        self._denoiser: BoundDenoiser | None = None
        self._shared = SharedSources(2 * package.contract.max_sources)
        # Of models whose anchor is the target, whose sources' rays differ from target to target.
        self._latents: Kept[Array] = Kept(2 * package.contract.max_sources)
        self._ray_latents: Kept[tuple[Array, float]] = Kept(RAY_LATENTS)

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
        shape = (1, *contract.latent.of(len(clips[0]), *size))
        denoiser = self._bound_denoiser(given, shape)
        denoiser.condition(given, given_latent)
        taken = itertools.count()
        latents = [
            self.device.get(
                sampler.sample_by(
                    method,
                    denoiser,
                    self.device.put(
                        sampler.first_state(method, sampler.unit_noise(seed, shape[1:])[None])
                    ),
                    self.device,
                    on_step=lambda *_: report("denoise", next(taken), all_steps),
                )
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
            calls=denoiser.calls,
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
        latent = self._latents.get(
            digest(clip.images), lambda: self._encode(conditioning.video_tensor(clip.images))
        )
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

        Ray code `autoencoder`: rays and moments are two videos, each coded as images are, and
        kept: cameras that move alike, or stand, have the same.
        """
        contract = self.package.contract
        if contract.ray_code == "unshuffle":
            return conditioning.unshuffle_rays(contract, camera, anchor_from_cam, scene_scale)
        # So that the same motion elsewhere in the world is the same to the last bit.
        relative = np.round(anchor_from_cam, POSE_DIGITS) + 0.0
        key = digest(relative, repr(astuple(camera)), repr(float(scene_scale)))
        return self._ray_latents.get(key, lambda: self._coded(camera, relative, scene_scale))

    def _coded(
        self, camera: Camera, anchor_from_cam: NDArray[np.float64], scene_scale: float
    ) -> tuple[Array, float]:
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


def _at_size(images: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """(T, H, W, 3) or (T, H, W) at the camera's size."""
    size = (camera.height, camera.width)
    return np.stack([conditioning.resize_image(image, size, "area") for image in images])

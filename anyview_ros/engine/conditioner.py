"""What the denoiser is given beside noise: sources, rays and plane sweep, coded by the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine import conditioning
from anyview_ros.engine.lru_cache import LruCache, digest
from anyview_ros.engine.plane_sweep import MARKS, plane_sweep
from anyview_ros.engine.shared_sources import SharedSources
from anyview_ros.engine.trust.uncertainty import Augmentation
from anyview_ros.frames import Camera, Clip, Frame, View

if TYPE_CHECKING:
    from anyview_ros.engine.surfaces.choice import Choice

Array = NDArray[np.float32]
Network = Callable[..., dict[str, Array]]
RAY_LATENTS = 8  # views whose coded rays are kept
POSE_DIGITS = 9  # decimals of the poses that rays are made of: metres, and parts of a unit vector


@dataclass(frozen=True)
class ModelRequest:
    """What a clip is made of, at the model's size.

    Args:
        clips: of the sources, T frames each.
        target: T poses.
        known: (1 + 4 j, H, W, 3), the target's first frames, where they are given.
        scene_scale: multiplies Plücker moments.
    """

    clips: tuple[Clip, ...]
    target: View
    known: NDArray[np.uint8] | None
    scene_scale: float

    def augmented(self, augmentation: Augmentation) -> ModelRequest:
        """Return the request in another light and of another size."""

        def lit(frame: Frame) -> Frame:
            return replace(frame, image=augmentation.apply_gamma(frame.image))

        clips = tuple(clip.changed(lit) for clip in self.clips)
        known = None if self.known is None else augmentation.apply_gamma(self.known)
        return ModelRequest(clips, self.target, known, self.scene_scale * augmentation.size)


class Conditioner:
    """Codes requests for the denoiser, and keeps what later ones may share. Not thread-safe.

    Args:
        contract: of the package.
        graphs: its `encode` and `condition`.
    """

    def __init__(self, contract: Contract, graphs: Mapping[str, Network]) -> None:
        self._contract, self._graphs = contract, graphs
        self._shared = SharedSources(2 * contract.max_sources)
        # Of models whose anchor is the target, whose sources' rays differ from target to target.
        self._latents: LruCache[Array] = LruCache(2 * contract.max_sources)
        self._ray_latents: LruCache[tuple[Array, float]] = LruCache(RAY_LATENTS)

    def inputs(
        self, request: ModelRequest, keep: bool, choices: Sequence[Choice] = ()
    ) -> tuple[dict[str, Array], float]:
        """Tensors by the denoiser's names; share of the target's moments that were clamped.

        Args:
            keep: the sources, for other targets.
            choices: of each frame, for a model with composites.
        """
        contract, clips, target = self._contract, request.clips, request.target
        anchor_from_world = conditioning.anchor(
            contract, clips[0].world_from_cam, target.world_from_cam
        )
        anchor_from_cam = anchor_from_world @ target.world_from_cam
        rays, clamped = self._rays(target.camera, anchor_from_cam, request.scene_scale)
        conditions = self._conditions(clips, anchor_from_world, request.scene_scale, keep)
        given = {"rays": rays, **conditions}
        if contract.plane_sweep:
            given["sweep"] = self._sweep(clips, target, request.scene_scale, choices)
        return given, clamped

    def known(self, request: ModelRequest) -> Array | None:
        """(1, C, j + 1, H', W') of the known frames; what follows them does not reach a latent."""
        images = request.known
        if images is None:
            return None
        rest = np.repeat(images[-1:], len(request.clips[0]) - len(images), axis=0)
        latent = self._encode(conditioning.video_tensor(np.concatenate([images, rest])))
        return latent[:, :, : 1 + (len(images) - 1) // self._contract.latent.time]

    def _conditions(
        self,
        clips: Sequence[Clip],
        anchor_from_world: NDArray[np.float64],
        scene_scale: float,
        keep: bool,
    ) -> dict[str, Array]:
        """The sources as the denoiser sees them: opaque tensors, the same for every step.

        With the anchor on the source they are the same for every target too.
        Those of several sources are laid end to end along the axis before the last.
        """
        each = []
        for clip in clips:
            make = partial(self._condition, clip, anchor_from_world, scene_scale)
            shared = partial(self._shared.get, clip, anchor_from_world, scene_scale, make)
            each.append(shared() if keep else make())
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

    def _sweep(
        self, clips: Sequence[Clip], target: View, scene_scale: float, choices: Sequence[Choice]
    ) -> Array:
        """(1, P, C + 2, T', H', W'): latents of the candidates of a plane sweep, then marks.

        Cells that no source sees are 0.
        """
        contract = self._contract
        depths = [scene_scale * depth for depth in contract.plane_sweep]
        candidates = [plane_sweep(clips, target, depths, contract.latent)]
        if contract.composite:
            from anyview_ros.engine.surfaces.composite import composite  # numba, which not all need

            candidates.append(composite(choices, clips, target, contract.latent))
        images = [video for some in candidates for video in some.images]
        marks = np.concatenate([some.marks for some in candidates])
        channels = contract.latent.channels
        sweep = np.zeros((len(marks), channels + MARKS, *marks.shape[2:]), np.float32)
        sweep[:, channels:] = marks
        for plane in np.flatnonzero(marks[:, 0].any(axis=(1, 2, 3))):
            (latent,) = self._encode(conditioning.video_tensor(images[plane]))
            np.multiply(latent, marks[plane, 0], out=sweep[plane, :channels])
        return sweep[None]

    def _rays(
        self, camera: Camera, anchor_from_cam: NDArray[np.float64], scene_scale: float
    ) -> tuple[Array, float]:
        """Rays of a view (1, R, T', H', W') as the contract codes them; share of moments clamped.

        Ray code `autoencoder`: rays and moments are two videos, each coded as images are, and
        kept: cameras that move alike, or stand, have the same.
        """
        contract = self._contract
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

"""Decide small, copy large: colours of the chosen surfaces, from sources at their own size.

The network's answer is enlarged to the size that was asked for. Where a source shows a pixel's
surface (`surface_choice`) its colour is taken from that source instead, by one lookup, so nothing
is doubled where the choice is unsure between planes: it is blended with the answer there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.surfaces.choice import Choice, drawn_up, even_priors, priors
from anyview_ros.engine.surfaces.chooser import Chooser
from anyview_ros.engine.surfaces.colours import surface_colours
from anyview_ros.engine.surfaces.finder import MEASURED, Measure
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.imaging.resize import resize_image

COARSE = 2.0  # pixels of the network's size: what is coarser can be the network's

KNOWN = 0.5  # share of a pixel from which its depth is told
BESIDE_COSTS, BESIDE_NETWORK = 0.5, 0.2  # powers of the sweep's weights, by what finds surfaces

Images = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """A network's answer and what it was asked with, at its own size.

    Args:
        images: (T, h, w, 3).
        weights: (P + 1, T', h', w'), see `Contract.sweep_weights`.
        clips: of the sources.
        target: T poses.
        scene_scale: in 1 / metres.
    """

    images: Images
    weights: Array
    clips: Sequence[Clip]
    target: View
    scene_scale: float


class SourceDetail:
    """Draws answers of a package at the size that is asked for. Not thread-safe.

    Args:
        contract: of a package with `sweep_weights`.
        threads: 0 = one a core.
        measure: see `SurfaceFinder`.
    """

    def __init__(self, contract: Contract, threads: int, measure: Measure | None = None) -> None:
        self._contract = contract
        self._threads = threads or os.cpu_count() or 1
        self._surfaces = contract.surfaces or MEASURED
        self._chooser = Chooser(contract.max_sources, contract.latent.time, self._threads, measure)

    def warm_up(self) -> None:
        """Compile, so that the first clip is not late by that: draw a tiny one."""
        camera, colours = Camera.from_fov(16, 16, 1.0), np.zeros((16, 16, 3), np.uint8)
        poses = np.repeat(np.eye(4)[None], 5, axis=0)
        poses[:, 0, 3] = np.arange(5)
        clip = Clip(tuple(Frame(k, colours, camera, pose) for k, pose in enumerate(poses)))
        clips = [clip, Clip.held(clip.frames[0], len(clip))]
        size = len(self._contract.plane_sweep) + 2, *self._contract.latent.of(5, 16, 16)[1:]
        answer = Answer(clip.images, np.ones(size, np.float32), clips, View(camera, poses), 1.0)
        self.drawn(answer, answer.clips, camera)

    def shown(self, clips: Sequence[Clip], target: View, scene_scale: float) -> list[Choice]:
        """Return which surfaces a target shows, before the model is asked.

        Args:
            clips: of the sources, at the model's size, as the target is.
        """
        prior = even_priors(target.camera, self._surfaces, scene_scale)
        return self._chooser.choices(clips, target, scene_scale, prior)

    def drawn(
        self,
        answer: Answer,
        sources: Sequence[Clip],
        camera: Camera,
        shown: Sequence[Choice] = (),
    ) -> tuple[Images, Array]:
        """Return frames (T, H, W, 3) and depth (T, H, W) in metres, nan where it is not known.

        Args:
            sources: as they came, of any size.
            camera: of the frames.
            shown: what a model with composites was told; without, the model's weights tell.
        """
        choices = self._believed(shown, answer) if shown else self._chosen(answer)

        def draw(k: int) -> tuple[Images, Array]:
            frames = [clip.frames[k] for clip in sources]
            pose = answer.target.world_from_cam[k]
            drawn = with_detail(answer.images[k], frames, camera, pose, choices[k])
            return drawn, depth_of(choices[k], camera)

        with ThreadPoolExecutor(self._threads) as pool:
            frames, depths = zip(*pool.map(draw, range(len(answer.images))), strict=True)
        return np.stack(frames), np.stack(depths)

    def _believed(self, shown: Sequence[Choice], answer: Answer) -> list[Choice]:
        """Return choices with less of a share where the answer shows nothing of its sources."""
        nothing = drawn_up(answer.weights[:1], answer.target.camera)[..., 0]
        groups = [-(-k // self._contract.latent.time) for k in range(len(shown))]
        return [
            replace(choice, share=choice.share * (1 - nothing[group]))
            for choice, group in zip(shown, groups, strict=True)
        ]

    def _chosen(self, answer: Answer) -> list[Choice]:
        """Return the choice of each frame, by the answer's weights too."""
        prior = priors(
            answer.weights,
            self._contract.plane_sweep,
            answer.target.camera,
            self._surfaces,
            answer.scene_scale,
            BESIDE_COSTS if self._contract.surfaces is None else BESIDE_NETWORK,
        )
        return self._chooser.choices(answer.clips, answer.target, answer.scene_scale, prior)


def depth_of(choice: Choice, camera: Camera) -> Array:
    """Return (H, W) metres along the optical axis as REP-118, nan where nothing is known."""
    size = camera.width, camera.height
    inverse_depth, share = (
        cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)
        for values in (choice.inverse_depth, choice.share)
    )
    with np.errstate(divide="ignore"):
        depth = np.where(share >= KNOWN, 1 / np.maximum(inverse_depth, 0), np.nan)
    return np.asarray(depth, np.float32)


def with_detail(
    answer: Images,
    sources: Sequence[Frame],
    camera: Camera,
    world_from_cam: NDArray[np.float64],
    choice: Choice,
) -> Images:
    """Return a frame (H, W, 3) of `camera` with the sources' own colours where they show it.

    Where the choice is the network's alone, coarse colours stay the network's too.

    Args:
        answer: (h, w, 3) the network's, of the size of the choice.
        sources: in the order of `choice.owner`, of any size.
    """
    taken = surface_colours(sources, camera, world_from_cam, choice)
    enlarged = resize_image(answer, (camera.height, camera.width), "area")
    drawn = (1 - taken[..., 3:]) * enlarged + taken[..., :3]
    drawn += taken[..., 3:] * _coarse_change(answer, taken, choice.evidence, camera)
    return np.asarray(np.rint(np.clip(drawn, 0, 255)), np.uint8)


def _coarse_change(answer: Images, taken: Array, evidence: Array, camera: Camera) -> Array:
    """(H, W, 3) what makes the coarse colours of what was taken the answer's."""
    size = answer.shape[1], answer.shape[0]
    small = cv2.GaussianBlur(cv2.resize(taken, size, interpolation=cv2.INTER_AREA), (0, 0), COARSE)
    coarse = small[..., :3] / np.maximum(small[..., 3:], 1e-3)
    change = cv2.GaussianBlur(answer.astype(np.float32), (0, 0), COARSE) - coarse
    change *= (1 - evidence)[..., None]
    full = camera.width, camera.height
    return np.asarray(cv2.resize(change, full, interpolation=cv2.INTER_LINEAR), np.float32)

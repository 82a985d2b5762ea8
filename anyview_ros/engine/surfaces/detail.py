"""Decide small, copy large: colours of the chosen surfaces, from sources at their own size.

The network's answer is enlarged to the size that was asked for. Where a source shows a pixel's
surface (`surface_choice`) its colour is taken from that source instead, by one lookup, so nothing
is doubled where the choice is unsure between planes: it is blended with the answer there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.surfaces.choice import Choice, choose, priors
from anyview_ros.engine.surfaces.colours import surface_colours
from anyview_ros.engine.surfaces.finder import MEASURED, Measure
from anyview_ros.engine.surfaces.plane_scorer import PlaneScorer
from anyview_ros.engine.surfaces.plane_scores import PlaneScores
from anyview_ros.engine.thread_map import thread_map
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.imaging.resize import resize_image

COARSE = 2.0  # pixels of the network's size: what is coarser can be the network's

KNOWN = 0.5  # share of a pixel from which its depth is told
BESIDE_COSTS, BESIDE_NETWORK = 0.5, 0.3  # powers of the sweep's weights, by what finds surfaces

Images = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sight:
    """Hold what the sources show of a target, before the model is asked.

    Args:
        scores: of each frame.
        choices: of each frame, which a model with composites is told; none for others.
    """

    scores: Sequence[PlaneScores]
    choices: Sequence[Choice]


@dataclass(frozen=True)
class Answer:
    """Hold a network's answer, at its own size.

    Args:
        images: (T, h, w, 3).
        weights: (P + 1, T', h', w'), see `Contract.sweep_weights`.
        target: T poses.
    """

    images: Images
    weights: Array
    target: View


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
        self._scorer = PlaneScorer(contract.max_sources, self._threads, measure)

    def warm_up(self) -> None:
        """Compile, so that the first clip is not late by that: draw a tiny one."""
        latent = self._contract.latent
        side, frames = max(16, latent.height, latent.width), 1 + max(4, latent.time)
        camera, colours = Camera.from_fov(side, side, 1.0), np.zeros((side, side, 3), np.uint8)
        poses = np.repeat(np.eye(4)[None], frames, axis=0)
        poses[:, 0, 3] = np.arange(frames)
        clip = Clip(tuple(Frame(k, colours, camera, pose) for k, pose in enumerate(poses)))
        clips, target = [clip, Clip.held(clip.frames[0], len(clip))], View(camera, poses)
        size = len(self._contract.plane_sweep) + 2, *latent.of(frames, side, side)[1:]
        answer = Answer(clip.images, np.ones(size, np.float32), target)
        self.drawn(answer, self.sight(clips, target, 1.0), clips, camera)

    def sight(self, clips: Sequence[Clip], target: View, scene_scale: float) -> Sight:
        """Return which surfaces a target shows, before the model is asked.

        Args:
            clips: of the sources, at the model's size, as the target is.
        """
        scores = self._scorer.scores(clips, target, scene_scale)
        if not self._contract.composite:
            return Sight(scores, [])
        return Sight(scores, thread_map(choose, scores, self._threads))

    def drawn(
        self, answer: Answer, sight: Sight, sources: Sequence[Clip], camera: Camera
    ) -> tuple[Images, Array]:
        """Return frames (T, H, W, 3) and depth (T, H, W) in metres, nan where it is not known.

        Surfaces are chosen once more, now that the network has said what it believes.

        Args:
            sight: what was there before it was asked.
            sources: as they came, of any size.
            camera: of the frames.
        """
        prior = priors(
            answer.weights,
            self._contract.plane_sweep,
            answer.target.camera,
            self._surfaces,
            BESIDE_COSTS if self._contract.surfaces is None else BESIDE_NETWORK,
            self._contract.composite,
        )

        def draw(k: int) -> tuple[Images, Array]:
            frames = [clip.frames[k] for clip in sources]
            pose = answer.target.world_from_cam[k]
            told = sight.choices[k] if sight.choices else None
            choice = choose(sight.scores[k], prior, -(-k // self._contract.latent.time), told)
            drawn = with_detail(answer.images[k], frames, camera, pose, choice)
            return drawn, depth_of(choice, camera)

        made = thread_map(draw, range(len(answer.images)), self._threads)
        frames, depths = zip(*made, strict=True)
        return np.stack(frames), np.stack(depths)


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

"""Decide small, copy large: colours of the chosen surfaces, from sources at their own size.

The network's answer is enlarged to the size that was asked for. Where a source shows a pixel's
surface (`surface_choice`) its colour is taken from that source instead, by one lookup, so nothing
is doubled where the choice is unsure between planes: it is blended with the answer there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.compiled import compiled
from anyview_ros.engine.conditioning import resize_image
from anyview_ros.engine.surface_choice import Choice, choose, priors
from anyview_ros.engine.surfaces import MEASURED, Measure, SurfaceFinder, Surfaces, instants
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import inverse

COARSE = 2.0  # pixels of the network's size: what is coarser can be the network's
EVEN = 1.0  # pixels of the network's size over which shares are evened out
ALIASED = 0.75  # pixels of a target in a source, below which the source is shrunk first
SURFACE, SURFACE_M = 0.1, 0.01  # of an inverse depth, and over the largest: one surface

LIVE_S = 0.5  # age of a source's clip from which it is one of the past
KNOWN = 0.5  # share of a pixel from which its depth is told
BESIDE_COSTS, BESIDE_NETWORK = 0.5, 0.2  # powers of the sweep's weights, by what finds surfaces
ANCHORS = 4  # frames of a source's clip, about, whose surfaces are kept

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
        self._finder = SurfaceFinder(ANCHORS * contract.max_sources, self._threads, measure)

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

    def drawn(
        self, answer: Answer, sources: Sequence[Clip], camera: Camera
    ) -> tuple[Images, Array]:
        """Return frames (T, H, W, 3) and depth (T, H, W) in metres, nan where it is not known.

        Args:
            sources: as they came, of any size.
            camera: of the frames.
        """
        found = self._finder.find(answer.clips, answer.scene_scale)
        prior = priors(
            answer.weights,
            self._contract.plane_sweep,
            answer.target.camera,
            self._contract.surfaces or MEASURED,
            answer.scene_scale,
            BESIDE_COSTS if self._contract.surfaces is None else BESIDE_NETWORK,
        )
        ages = [ages_s(clip, answer.clips[0]) for clip in answer.clips]

        def draw(k: int) -> tuple[Images, Array]:
            group = -(-k // self._contract.latent.time)
            nearest = [
                _nearest(surfaces, clip, k)
                for surfaces, clip in zip(found, answer.clips, strict=True)
            ]
            choice = choose(answer.target, k, prior, group, nearest, [age[k] for age in ages])
            frames = [clip.frames[k] for clip in sources]
            pose = answer.target.world_from_cam[k]
            drawn = with_detail(answer.images[k], frames, camera, pose, choice)
            return drawn, depth_of(choice, camera)

        with ThreadPoolExecutor(self._threads) as pool:
            frames, depths = zip(*pool.map(draw, range(len(answer.images))), strict=True)
        return np.stack(frames), np.stack(depths)


def ages_s(clip: Clip, live: Clip) -> list[float]:
    """Return the age of each frame of a clip, in seconds; 0 for a live one."""
    ages = [(now - then) / 1e9 for now, then in zip(live.stamps_ns, clip.stamps_ns, strict=True)]
    return [age if age >= LIVE_S else 0.0 for age in ages]


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


def _nearest(surfaces: Sequence[Surfaces], clip: Clip, k: int) -> Surfaces:
    """Return those of the frame that is nearest to frame k."""
    places = instants(clip)
    return surfaces[min(range(len(places)), key=lambda place: abs(places[place] - k))]


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
    taken = np.zeros((camera.height, camera.width, 4), np.float32)
    for s, frame in enumerate(sources):
        share = np.where(choice.owner == s, choice.share, np.float32(0))
        if share.any():
            even = np.asarray(cv2.GaussianBlur(share, (0, 0), EVEN), np.float32)
            _copy_from(shrunk(frame, camera), camera, world_from_cam, choice, even, taken)
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


def shrunk(frame: Frame, camera: Camera) -> Frame:
    """Return a frame whose pixels are no finer than the target's, or copies would flicker."""
    scale = min(1.0, camera.fx / frame.camera.fx)
    if scale >= ALIASED:
        return frame
    size = round(frame.camera.width * scale), round(frame.camera.height * scale)
    image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Frame(frame.stamp_ns, image, frame.camera.resized(*size), frame.world_from_cam)


def _copy_from(
    source: Frame,
    camera: Camera,
    world_from_cam: NDArray[np.float64],
    choice: Choice,
    share: Array,
    taken: Array,
) -> None:
    source_from_target = inverse(source.world_from_cam) @ world_from_cam
    turn = source.camera.matrix @ source_from_target[:3, :3] @ np.linalg.inv(camera.matrix)
    shift = source.camera.matrix @ source_from_target[:3, 3]
    places = turn.astype(np.float32), shift.astype(np.float32)
    # One kind of array, or it would be compiled again for another: readable, writable, whole.
    image = np.require(source.image, requirements=("C", "W"))
    _copy(image, places, choice.inverse_depth, share, taken)


@compiled
def _within(place, count):  # type: ignore[no-untyped-def]
    """Return a place among `count` pixels, that of the outermost where it is beyond."""
    return min(max(place, np.float32(0)), np.float32(count - 1))


@compiled
def _copy(image, places, inverse_depth, share, taken):  # type: ignore[no-untyped-def]
    """Add to `taken` (H, W, 4) colours times shares, and shares."""
    turn, shift = places
    height, width, _ = taken.shape
    rows, columns = inverse_depth.shape
    down, across = np.float32(rows / height), np.float32(columns / width)
    right_end, lower_end = image.shape[1] - 1, image.shape[0] - 1
    near = np.float32(SURFACE_M) * inverse_depth.max()
    for y in range(height):
        v = _within((y + np.float32(0.5)) * down - np.float32(0.5), rows)
        i = min(int(v), rows - 2)
        for x in range(width):
            u = _within((x + np.float32(0.5)) * across - np.float32(0.5), columns)
            j = min(int(u), columns - 2)
            below, right = v - i, u - j
            nearest = inverse_depth[int(v + np.float32(0.5)), int(u + np.float32(0.5))]
            weight = total = summed = np.float32(0)
            for a in range(2):
                for b in range(2):
                    part = (below if a else 1 - below) * (right if b else 1 - right)
                    rho = inverse_depth[i + a, j + b]
                    weight += part * share[i + a, j + b]
                    if abs(rho - nearest) <= np.float32(SURFACE) * nearest + near:
                        total += part
                        summed += part * rho
            if weight < np.float32(0.01):
                continue
            rho = summed / total
            z = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] + shift[2] * rho
            if z <= np.float32(1e-4):
                continue
            su = (turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] + shift[0] * rho) / z
            sv = (turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] + shift[1] * rho) / z
            if not (-0.5 <= su <= right_end + 0.5 and -0.5 <= sv <= lower_end + 0.5):
                continue
            su, sv = _within(su, image.shape[1]), _within(sv, image.shape[0])
            m, n = min(int(sv), lower_end - 1), min(int(su), right_end - 1)
            lower, outer = sv - m, su - n
            for c in range(3):
                above = image[m, n, c] * (1 - outer) + image[m, n + 1, c] * outer
                under = image[m + 1, n, c] * (1 - outer) + image[m + 1, n + 1, c] * outer
                taken[y, x, c] += weight * (above * (1 - lower) + under * lower)
            taken[y, x, 3] += weight

"""Which surface each pixel of a target shows, and which source shows that surface.

Planes along a pixel's ray are weighed by what the network said of them and by what each source
knows of its own surfaces (`surfaces`), asked at the point where the plane meets the source's ray.
The best plane of the best source is the pixel's surface; between planes it lies at the mean of
those about it, so that slopes are no stairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.compiled import compiled
from anyview_ros.engine.plane_sweep import GROUND_CLEARANCE
from anyview_ros.engine.surfaces import NATS, Surfaces
from anyview_ros.frames import Camera, View
from anyview_ros.geometry import inverse

FINER = 4  # planes for each of the package's
LEAST = 3e-3  # weight of a plane that the network does not believe in
HELD, AGE = 1.0, 0.1  # nats by which a source counts less that is held, and for each second
CONTRADICTED = 6.0  # nats at most that a live source takes from what it sees through
NOWHERE = -1e9  # score of a plane that no source sees
CLOSE, CLOSE_STEPS = 0.1, 0.8  # of an inverse depth, and in steps: planes of one surface
SHARP = 2.5  # factor on the scores of planes, before they are summed

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """The surface that each pixel of a frame shows.

    Args:
        inverse_depth: (H, W) 1 / metres along the target's optical axis.
        share: (H, W) 0 to 1, how sure it is that the owner shows it there.
        evidence: (H, W) 0 to 1, how much of that is the owner's own knowledge of its surfaces.
        owner: (H, W) number of a source.
    """

    inverse_depth: Array
    share: Array
    evidence: Array
    owner: NDArray[np.int32]


@dataclass(frozen=True)
class Priors:
    """Hold what the network said, finer: (P, T', H, W) log weights of the planes, the ground first;
    (T', H, W) share of what no plane shows; (P - 1,) inverse depths of the planes that face."""

    log_weights: Array
    nothing: Array
    planes: NDArray[np.float64]


def priors(weights: Array, inverse_depths: Sequence[float], camera: Camera) -> Priors:
    """Draw the weights of a sweep up to the pixels of the network's size, with planes between.

    Args:
        weights: (P + 1, T', H', W'), see `Contract.sweep_weights`.
        inverse_depths: P - 1, of the package's planes, 1 / metres.
        camera: at the network's size.
    """
    places = np.linspace(0, len(inverse_depths) - 1, FINER * (len(inverse_depths) - 1) + 1)
    before = np.minimum(places.astype(int), len(inverse_depths) - 2)
    part = (places - before)[:, None, None, None].astype(np.float32)
    nothing, ground, facing = weights[0], weights[1:2], weights[2:]
    between = ((1 - part) * facing[before] + part * facing[before + 1]) / FINER
    planes = np.interp(places, np.arange(len(inverse_depths)), inverse_depths)
    drawn = _drawn_up(np.concatenate([ground, between]), camera)
    return Priors(np.log(drawn + np.float32(LEAST)), _drawn_up(nothing[None], camera)[0], planes)


def _drawn_up(cells: Array, camera: Camera) -> Array:
    """(N, T', H', W') to (N, T', H, W), between cells linearly."""
    size = camera.width, camera.height
    flat = [cv2.resize(cell, size, interpolation=cv2.INTER_LINEAR) for cell in _flat(cells)]
    return np.stack(flat).reshape(*cells.shape[:2], camera.height, camera.width)


def _flat(cells: Array) -> Array:
    return cells.reshape(-1, *cells.shape[2:])


def choose(
    target: View,
    k: int,
    prior: Priors,
    group: int,
    surfaces: Sequence[Surfaces],
    ages_s: Sequence[float],
) -> Choice:
    """Choose the surfaces of frame k.

    Args:
        target: at the network's size.
        group: number of the latent frame that stands for frame k.
        surfaces: of each source, nearest in time to frame k.
        ages_s: of each source's clip; 0 for live ones, which come first.
    """
    camera, pose = target.camera, target.world_from_cam[k]
    pixels = np.asarray(np.linalg.inv(camera.matrix), np.float64)
    sizes = []
    turns, shifts = np.empty((len(surfaces), 3, 3)), np.empty((len(surfaces), 3))
    for s, seen in enumerate(surfaces):
        source_from_target = inverse(seen.frame.world_from_cam) @ pose
        turns[s] = seen.frame.camera.matrix @ source_from_target[:3, :3] @ pixels
        shifts[s] = seen.frame.camera.matrix @ source_from_target[:3, 3]
        sizes.append(seen.costs.shape[:2])
    height, width = np.max(sizes, axis=0)
    costs = np.zeros((len(surfaces), height, width, surfaces[0].costs.shape[-1]), np.uint8)
    likeliest, evidence = np.zeros(costs.shape[:3], np.int32), np.zeros(costs.shape[:3], np.float32)
    for s, seen in enumerate(surfaces):
        inside = s, slice(seen.costs.shape[0]), slice(seen.costs.shape[1])
        costs[inside], likeliest[inside] = seen.costs, seen.likeliest
        evidence[inside] = seen.evidence
    penalties = [HELD + AGE * age if age > 0 else 0.0 for age in ages_s]
    size = camera.height, camera.width
    choice = Choice(
        inverse_depth=np.zeros(size, np.float32),
        share=np.zeros(size, np.float32),
        evidence=np.zeros(size, np.float32),
        owner=np.zeros(size, np.int32),
    )
    _choose(
        (_ground(pose, pixels), prior.planes.astype(np.float32)),
        np.ascontiguousarray(prior.log_weights[:, group].transpose(1, 2, 0)),
        (turns.astype(np.float32), shifts.astype(np.float32)),
        (costs, likeliest, evidence, np.array(sizes), np.float32(surfaces[0].step)),
        np.array(penalties, np.float32),
        (choice.inverse_depth, choice.share, choice.evidence, choice.owner),
    )
    choice.share[:] *= 1 - prior.nothing[group]
    return choice


def _ground(world_from_cam: NDArray[np.float64], pixels: NDArray[np.float64]) -> Array:
    """(3,) whose product with a pixel is the ground's inverse depth there; 0 where it is not."""
    height = world_from_cam[2, 3]
    if abs(height) < GROUND_CLEARANCE:
        return np.zeros(3, np.float32)
    return np.asarray(-world_from_cam[2, :3] @ pixels / height, np.float32)


@compiled
def _choose(planes, log_weights, places, known, penalties, out):  # type: ignore[no-untyped-def]
    ground, facing = planes
    turns, shifts = places
    costs, _, evidence, sizes, step = known
    inverse_depth, share, told, owner = out
    height, width, count = log_weights.shape
    sources, last = len(costs), costs.shape[-1] - 1
    scores = np.empty((sources, count), np.float32)
    for y in range(height):
        for x in range(width):
            on_ground = ground[0] * x + ground[1] * y + ground[2]
            best, best_rho, best_source = np.float32(NOWHERE), np.float32(0), 0
            evident = np.float32(0)
            for s in range(sources):
                turn, shift = turns[s], shifts[s]
                u0 = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2]
                v0 = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2]
                z0 = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2]
                right_end, lower_end = sizes[s, 1] - np.float32(0.5), sizes[s, 0] - np.float32(0.5)
                for p in range(count):
                    rho = on_ground if p == 0 else facing[p - 1]
                    scores[s, p] = NOWHERE
                    z = z0 + shift[2] * rho
                    if rho < 0 or z <= np.float32(1e-4):
                        continue
                    u, v = (u0 + shift[0] * rho) / z, (v0 + shift[1] * rho) / z
                    if not (-0.5 < u < right_end and -0.5 < v < lower_end):
                        continue
                    depth = min(rho / z / step, np.float32(last) - np.float32(1e-3))
                    b = int(depth)
                    part = depth - b
                    i, j = int(v + np.float32(0.5)), int(u + np.float32(0.5))
                    cell = costs[s, i, j]
                    score = log_weights[y, x, p] - penalties[s]
                    score -= np.float32(NATS) * ((1 - part) * cell[b] + part * cell[b + 1])
                    if penalties[s] > 0 and score > best:
                        score -= _seen_through(x, y, rho, places, known, penalties)
                    scores[s, p] = score
                    if score > best:
                        best, best_rho, best_source = score, rho, s
                        evident = evidence[s, i, j]
            if best <= np.float32(0.5 * NOWHERE):
                continue
            reach = np.float32(CLOSE) * best_rho + np.float32(CLOSE_STEPS) * step
            total = close = summed = np.float32(0)
            for s in range(sources):
                for p in range(count):
                    if scores[s, p] > best - 4:
                        weight = np.exp(np.float32(SHARP) * (scores[s, p] - best))
                        rho = on_ground if p == 0 else facing[p - 1]
                        total += weight
                        if abs(rho - best_rho) < reach:
                            close += weight
                            summed += weight * rho
            inverse_depth[y, x] = summed / close
            share[y, x] = close / total
            told[y, x] = evident
            owner[y, x] = best_source


@compiled
def _seen_through(x, y, rho, places, known, penalties):  # type: ignore[no-untyped-def]
    """Return nats by which live sources contradict that something is at a point: where they see
    what lies behind it, it has moved on."""
    turns, shifts = places
    costs, likeliest, _, sizes, step = known
    last, most = costs.shape[-1] - 1, np.float32(0)
    for s in range(len(costs)):
        if penalties[s] > 0:
            continue
        turn, shift = turns[s], shifts[s]
        z = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] + shift[2] * rho
        if z <= np.float32(1e-4):
            continue
        u = (turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] + shift[0] * rho) / z
        v = (turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] + shift[1] * rho) / z
        if not (-0.5 < u < sizes[s, 1] - 0.5 and -0.5 < v < sizes[s, 0] - 0.5):
            continue
        i, j = int(v + np.float32(0.5)), int(u + np.float32(0.5))
        b = min(int(rho / z / step + np.float32(0.5)), last)
        if likeliest[s, i, j] < b:
            doubt = np.float32(NATS) * costs[s, i, j, b]
            most = max(most, min(doubt, np.float32(CONTRADICTED)))
    return most

"""Which surface each pixel of a target shows, and which source shows that surface.

Planes along a pixel's ray are weighed by what each source knows of its own surfaces
(`plane_scores`), and by what the network said of them once it was asked. The best plane of the best
source is the pixel's surface; between planes it lies where the source itself has it, where that is
known, else at the mean of the planes about it, so that slopes are no stairs. Where the source is
sure of another surface there, as behind the edge of a tree, nothing is shown: else its edge would
be there once for each plane, like the teeth of a comb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.engine.surfaces.finder import NATS
from anyview_ros.engine.surfaces.plane_scores import UNSEEN, PlaneScores, facing_planes, seen_at
from anyview_ros.frames import Camera

LEAST = 3e-3  # weight of a plane that the network does not believe in
CLOSE, CLOSE_PIXELS = 0.1, 1.0  # of an inverse depth, and in a source: planes of one surface
SHARP = 2.5  # factor on the scores of planes, before they are summed
UNKNOWN, UNKNOWN_SLOPE = 5.0, 1.0  # nats of the best plane at which its share is halved, and how
KNOWN_STEPS = 6.0  # inverse depths that may be the surface's, for it to be where the source has it
TURNS = 2  # of the search for that place
SLOPE, FLAT = 0.12, 0.02  # of an inverse depth, and over scene_scale: neighbours of one surface
APART, TOGETHER = 0.2, 0.6  # share of the neighbours: below it none of a pixel's share is left; all
NOTHING = 0.5  # power of the share that the network says its sources show

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
    """Hold what the network said, drawn up.

    Args:
        log_weights: (T', H, W, P) of the planes, the ground first.
        log_composite: (T', H, W) of the composite's surfaces; without composites of none.
        something: (T', H, W) share that its sources show.
    """

    log_weights: Array
    log_composite: Array
    something: Array


def priors(
    weights: Array,
    inverse_depths: Sequence[float],
    camera: Camera,
    surfaces: SurfaceRange,
    power: float,
    composite: bool = False,
) -> Priors:
    """Draw the weights of a sweep up to the pixels of the network's size, with planes between.

    Args:
        weights: (P + 1, T', H', W'), see `Contract.sweep_weights`.
        inverse_depths: P - 1, of the package's planes, rising, over scene_scale.
        camera: at the network's size.
        surfaces: whose inverse depths the planes are.
        power: of the weights, less where sources know more of their surfaces.
        composite: whether the last of the weights is a composite's.
    """
    planes = facing_planes(surfaces)
    places, dense = _among(planes, np.asarray(inverse_depths))
    before = np.minimum(places.astype(int), len(inverse_depths) - 2)
    part = (places - before)[:, None, None, None].clip(0, 1).astype(np.float32)
    facing = weights[2 : 2 + len(inverse_depths)]
    between = (1 - part) * facing[before] + part * facing[before + 1]
    between *= dense[:, None, None, None].astype(np.float32)
    told = weights[-1:] if composite else np.zeros_like(weights[:1])
    nothing = drawn_up(weights[:1], camera)[..., 0]
    return Priors(
        log_weights=_logs(drawn_up(np.concatenate([weights[1:2], between]), camera), power),
        log_composite=_logs(drawn_up(told, camera)[..., 0], power),
        something=np.maximum(1 - nothing, 0) ** np.float32(NOTHING),
    )


def _logs(drawn: Array, power: float) -> Array:
    """Turn weights into a power of their logarithms, in place: there are many."""
    drawn += np.float32(LEAST)
    np.log(drawn, out=drawn)
    drawn *= np.float32(power)
    return drawn


def _among(
    planes: NDArray[np.float64], known: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of planes among known ones, and how much of one of those each stands for.

    What is nearer than all known ones shares the nearest one's.
    """
    last = len(known) - 1
    places = np.interp(planes, known, np.arange(last + 1))
    places += np.maximum(planes - known[-1], 0) / (known[-1] - known[-2])
    return places, np.abs(np.gradient(places))


def drawn_up(cells: Array, camera: Camera) -> Array:
    """(N, T', H', W') to (T', H, W, N), between cells linearly."""
    count, frames = cells.shape[:2]
    drawn = np.empty((frames, camera.height, camera.width, count), np.float32)
    for frame, space in zip(cells.transpose(1, 2, 3, 0), drawn, strict=True):
        flat = np.ascontiguousarray(frame)
        size = camera.width, camera.height
        space[:] = cv2.resize(flat, size, interpolation=cv2.INTER_LINEAR).reshape(space.shape)
    return drawn


def choose(
    found: PlaneScores, prior: Priors | None = None, group: int = 0, told: Choice | None = None
) -> Choice:
    """Choose the surfaces of a frame.

    Args:
        found: of that frame.
        prior: what the network said, if it was asked.
        group: number of the latent frame that stands for the frame.
        told: the choice that the network was told of as a composite, if it was.
    """
    size = found.scores.shape[:2]
    choice = Choice(
        inverse_depth=np.zeros(size, np.float32),
        share=np.zeros(size, np.float32),
        evidence=np.zeros(size, np.float32),
        owner=np.zeros(size, np.int32),
    )
    nobody = np.zeros((0, 0), np.float32)
    said = np.zeros((0, 0, 0), np.float32), nobody, nobody
    if prior is not None:
        composite = nobody if told is None else told.inverse_depth
        said = prior.log_weights[group], prior.log_composite[group], composite
    _choose(
        (found.ground, found.planes),
        said,
        (found.scores, found.owners, found.penalties),
        (found.turns, found.shifts),
        (found.evidence, found.spread, found.inverse_depth, found.sizes),
        (choice.inverse_depth, choice.share, choice.evidence, choice.owner),
    )
    if prior is not None:
        choice.share[:] *= prior.something[group]
    _doubt_shards(choice.inverse_depth, np.float32(FLAT * found.scene_scale), choice.share)
    return _evened(choice)


def _evened(choice: Choice) -> Choice:
    """Return the choice with, for each pixel, the one in the middle of the nine about it.

    By inverse depth: where two surfaces are as likely, pixels of one lie strewn among those of the
    other.
    """
    middle = np.empty(choice.owner.shape, np.int64)
    _find_middle(choice.inverse_depth, middle)
    return Choice(
        inverse_depth=choice.inverse_depth.ravel()[middle],
        share=choice.share.ravel()[middle],
        evidence=choice.evidence.ravel()[middle],
        owner=choice.owner.ravel()[middle],
    )


@compiled
def _find_middle(values, middle):  # type: ignore[no-untyped-def]
    """Fill in where the median of the nine values about each pixel lies, at the pixel itself if
    that is it."""
    height, width = values.shape
    nine, places = np.empty(9, np.float32), np.empty(9, np.int64)
    for y in range(height):
        for x in range(width):
            n = 0
            for i in range(y - 1, y + 2):
                for j in range(x - 1, x + 2):
                    row, column = min(max(i, 0), height - 1), min(max(j, 0), width - 1)
                    value, place = values[row, column], row * width + column
                    k = n
                    while k > 0 and nine[k - 1] > value:
                        nine[k], places[k] = nine[k - 1], places[k - 1]
                        k -= 1
                    nine[k], places[k] = value, place
                    n += 1
            middle[y, x] = y * width + x if values[y, x] == nine[4] else places[4]


@compiled
def _choose(planes, said, weighed, places, known, out):  # type: ignore[no-untyped-def]
    ground, facing = planes
    log_weights, log_composite, told_depth = said
    scores, owners, penalties = weighed
    turns, shifts = places
    evidence = known[0]
    inverse_depth, share, told, owner = out
    height, width, count = scores.shape
    ray = np.empty(3, np.float32)
    logs = np.empty(count, np.float32)
    for y in range(height):
        for x in range(width):
            on_ground = ground[0] * x + ground[1] * y + ground[2]
            best, best_p = np.float32(-1e9), -1
            shown = np.float32(-1)
            if len(told_depth):
                shown = told_depth[y, x]
            for p in range(count):
                if scores[y, x, p] == UNSEEN:
                    continue
                log = -np.float32(NATS) * scores[y, x, p]
                if len(log_weights):
                    weight = log_weights[y, x, p]
                    rho = facing[p - 1] if p > 0 else on_ground
                    if shown >= 0 and abs(rho - shown) <= _about(p, rho, facing) / 2:
                        weight = max(weight, log_composite[y, x])
                    log += weight
                logs[p] = log
                if log > best:
                    best, best_p = log, p
            if best_p < 0:
                continue
            s = owners[y, x, best_p]
            rho = facing[best_p - 1] if best_p > 0 else on_ground
            for c in range(3):
                ray[c] = turns[s, c, 0] * x + turns[s, c, 1] * y + turns[s, c, 2]
            shift = shifts[s]
            alike = _alike(ray, shift, rho)
            near = np.float32(CLOSE) * rho
            if best_p > 0:
                near += _about(best_p, rho, facing) / 2
            total = close = weights = summed = np.float32(0)
            for p in range(count):
                if scores[y, x, p] != UNSEEN and logs[p] > best - 4:
                    weight = np.exp(np.float32(SHARP) * (logs[p] - best))
                    total += weight
                    of_p = facing[p - 1] if p > 0 else on_ground
                    apart = abs(of_p - rho)
                    if apart < max(alike, near):
                        close += weight
                    if apart < near:
                        weights += weight
                        summed += weight * of_p
            if weights > 0 and best_p > 0:  # neither at infinity nor on the ground, which is exact
                rho = summed / weights
            place, i, j, agrees = _where(rho, (near, alike), ray, shift, s, known)
            if best_p > 0:
                rho = place
            against = np.float32(NATS) * scores[y, x, best_p] - penalties[s]
            inverse_depth[y, x] = rho
            share[y, x] = close / total if agrees else 0
            share[y, x] /= 1 + np.exp(np.float32(UNKNOWN_SLOPE) * (against - np.float32(UNKNOWN)))
            told[y, x] = evidence[s, i, j]
            owner[y, x] = s


@compiled
def _about(p, rho, facing):  # type: ignore[no-untyped-def]
    """Return how far apart in inverse depth the planes about plane p are."""
    if p == 0:
        return np.float32(CLOSE) * rho
    return facing[max(p - 2, 0)] - facing[min(p, len(facing) - 1)]


@compiled
def _doubt_shards(inverse_depth, flat, share):  # type: ignore[no-untyped-def]
    """Lessen the shares of pixels that lie apart from most of the eight about them."""
    height, width = inverse_depth.shape
    for y in range(height):
        for x in range(width):
            rho, alike = inverse_depth[y, x], 0
            for i in range(y - 1, y + 2):
                for j in range(x - 1, x + 2):
                    beside = inverse_depth[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]
                    alike += abs(beside - rho) <= np.float32(SLOPE) * max(beside, rho) + flat
            part = (np.float32((alike - 1) / 8) - np.float32(APART)) / np.float32(TOGETHER - APART)
            share[y, x] *= min(max(part, np.float32(0)), np.float32(1))


@compiled
def _alike(ray, shift, rho):  # type: ignore[no-untyped-def]
    """Return how far apart in inverse depth a source shows the same, within `CLOSE_PIXELS`."""
    u, v, z = seen_at(ray, shift, rho)
    across, down = (shift[0] - u * shift[2]) / z, (shift[1] - v * shift[2]) / z
    slide = max(np.sqrt(across * across + down * down), np.float32(1e-3))
    return np.float32(CLOSE_PIXELS) / slide


@compiled
def _where(rho, apart, ray, shift, s, known):  # type: ignore[no-untyped-def]
    """Return the inverse depth at which the ray meets the surface that source s has there, the
    source's pixel, and whether s agrees; `rho` where it has none for sure, or another one."""
    _, spread, inverse_depth, sizes = known
    near, alike = apart
    found, half = rho, np.float32(0.5)
    row = column = 0
    for step in range(TURNS + 1):
        u, v, z = seen_at(ray, shift, found)
        inside = -half < u < sizes[s, 1] - half and -half < v < sizes[s, 0] - half
        if z <= np.float32(1e-4) or not inside:
            return rho, row, column, True
        i, j = int(v + half), int(u + half)
        if step == 0:
            row, column = i, j
        if spread[s, i, j] > np.float32(KNOWN_STEPS):
            return rho, row, column, True
        if step < TURNS:
            own = _between(inverse_depth[s], u, v, sizes[s])
            left = 1 - shift[2] * own
            if left < np.float32(1e-3):
                return rho, row, column, True
            found = ray[2] * own / left
            if abs(found - rho) > np.float32(1.5) * near:
                return rho, row, column, abs(found - rho) <= alike
    return found, row, column, True


@compiled
def _between(inverse_depth, u, v, size):  # type: ignore[no-untyped-def]
    """Return the inverse depth of the surface at a place, between pixels, not across an edge."""
    nearest = inverse_depth[int(v + np.float32(0.5)), int(u + np.float32(0.5))]
    u = min(max(u, np.float32(0)), np.float32(size[1] - 1))
    v = min(max(v, np.float32(0)), np.float32(size[0] - 1))
    i, j = min(int(v), size[0] - 2), min(int(u), size[1] - 2)
    below, right = v - i, u - j
    total = summed = np.float32(0)
    for a in range(2):
        for b in range(2):
            part = (below if a else 1 - below) * (right if b else 1 - right)
            rho = inverse_depth[i + a, j + b]
            if abs(rho - nearest) <= np.float32(CLOSE) * nearest + np.float32(1e-4):
                total += part
                summed += part * rho
    return summed / total if total > 0 else nearest

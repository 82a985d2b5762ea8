"""Which surface each pixel of a target shows, and which source shows that surface.

Planes along a pixel's ray are weighed by what the network said of them and by what each source
knows of its own surfaces (`surfaces`), asked at the point where the plane meets the source's ray.
They are walked from near to far, so that things stand in front of things: what lies behind a
surface that the sources see is not seen. The best plane of the best source is the pixel's surface;
between planes it lies where the source itself has it, where that is known, else at the mean of the
planes about it, so that slopes are no stairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.plane_sweep import GROUND_CLEARANCE
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.engine.surfaces.finder import NATS, Surfaces
from anyview_ros.frames import Camera, View
from anyview_ros.geometry import inverse

LEAST = 3e-3  # weight of a plane that the network does not believe in
HELD, AGE = 1.0, 0.1  # nats by which a source counts less that is held, and for each second
CONTRADICTED = 6.0  # nats at most that a live source takes from what it sees through
UNLIKELY = 6.0  # nats from which on nothing hides what is behind it
BEHIND = 0.1  # likelihood of what lies behind surfaces that are seen
NOWHERE = -1e9  # score of a plane that no source sees
CLOSE, CLOSE_PIXELS = 0.1, 1.0  # of an inverse depth, and in a source: planes of one surface
SHARP = 2.5  # factor on the scores of planes, before they are summed
UNKNOWN, UNKNOWN_SLOPE = 5.0, 1.0  # nats of the best plane at which its share is halved, and how
KNOWN_STEPS = 6.0  # inverse depths that may be the surface's, for it to be where the source has it
TURNS = 2  # of the search for that place
SLOPE, FLAT = 0.12, 0.02  # of an inverse depth, and over scene_scale: neighbours of one surface
APART, TOGETHER = 0.2, 0.6  # share of the neighbours: below it none of a pixel's share is left; all
PLACES = 1024  # of a table of `SurfaceRange.places`

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
        nothing: (T', H, W) share of what no plane shows.
        planes: (P - 1,) inverse depths of the planes that face, from near to far, 1 / metres.
    """

    log_weights: Array
    nothing: Array
    planes: NDArray[np.float64]


def priors(
    weights: Array,
    inverse_depths: Sequence[float],
    camera: Camera,
    surfaces: SurfaceRange,
    scene_scale: float,
    power: float,
) -> Priors:
    """Draw the weights of a sweep up to the pixels of the network's size, with planes between.

    Args:
        weights: (P + 1, T', H', W'), see `Contract.sweep_weights`.
        inverse_depths: P - 1, of the package's planes, rising, over scene_scale.
        camera: at the network's size.
        surfaces: whose inverse depths the planes are.
        power: of the weights, less where sources know more of their surfaces.
    """
    planes = surfaces.inverse_depths(np.arange(surfaces.count - 1, -1, -1.0))
    places, dense = _among(planes, np.asarray(inverse_depths))
    before = np.minimum(places.astype(int), len(inverse_depths) - 2)
    part = (places - before)[:, None, None, None].clip(0, 1).astype(np.float32)
    nothing, ground, facing = weights[0], weights[1:2], weights[2:]
    between = (1 - part) * facing[before] + part * facing[before + 1]
    between *= dense[:, None, None, None].astype(np.float32)
    drawn = drawn_up(np.concatenate([ground, between]), camera)
    log_weights = np.float32(power) * np.log(drawn + np.float32(LEAST))
    return Priors(log_weights, drawn_up(nothing[None], camera)[..., 0], scene_scale * planes)


def even_priors(camera: Camera, surfaces: SurfaceRange, scene_scale: float) -> Priors:
    """Return what is known before a network was asked: nothing, of any frame."""
    planes = surfaces.inverse_depths(np.arange(surfaces.count - 1, -1, -1.0))
    size = 1, camera.height, camera.width
    weights = np.zeros((*size, surfaces.count + 1), np.float32)
    return Priors(weights, np.zeros(size, np.float32), scene_scale * planes)


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
    size = camera.width, camera.height
    flat = np.ascontiguousarray(cells.transpose(1, 2, 3, 0))
    drawn = [cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in flat]
    return np.stack(drawn).reshape(len(flat), camera.height, camera.width, len(cells))


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
    known = _together(surfaces, np.array(sizes))
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
        prior.log_weights[min(group, len(prior.log_weights) - 1)],
        (turns.astype(np.float32), shifts.astype(np.float32)),
        known,
        _table(surfaces[0]),
        np.array(penalties, np.float32),
        (choice.inverse_depth, choice.share, choice.evidence, choice.owner),
    )
    choice.share[:] *= 1 - prior.nothing[min(group, len(prior.nothing) - 1)]
    _doubt_shards(choice.inverse_depth, np.float32(FLAT * surfaces[0].scene_scale), choice.share)
    return choice


def _together(surfaces: Sequence[Surfaces], sizes: NDArray[np.int64]) -> tuple[Any, ...]:
    """Return what is known of all sources, each of an array of its own kind: (S, H, W, ...)."""
    height, width = np.max(sizes, axis=0)
    parts = ("costs", "likeliest", "evidence", "spread", "inverse_depth")
    arrays = []
    for part in parts:
        of_each = [getattr(seen, part) for seen in surfaces]
        shape = len(surfaces), height, width, *of_each[0].shape[2:]
        whole = np.ones(shape, of_each[0].dtype)
        for space, found in zip(whole, of_each, strict=True):
            space[: found.shape[0], : found.shape[1]] = found
        arrays.append(whole)
    return *arrays, sizes


def _table(seen: Surfaces) -> tuple[Array, np.float32]:
    """Return places of inverse depths, evenly spaced from 0, and entries for each 1 / metre."""
    nearest = seen.depths.nearest
    table = seen.depths.places(np.linspace(0, nearest, PLACES + 1)).astype(np.float32)
    return table, np.float32(PLACES / (nearest * seen.scene_scale))


def _ground(world_from_cam: NDArray[np.float64], pixels: NDArray[np.float64]) -> Array:
    """(3,) whose product with a pixel is the ground's inverse depth there; 0 where it is not."""
    height = world_from_cam[2, 3]
    if abs(height) < GROUND_CLEARANCE:
        return np.zeros(3, np.float32)
    return np.asarray(-world_from_cam[2, :3] @ pixels / height, np.float32)


@compiled
def _choose(planes, log_weights, places, known, table, penalties, out):  # type: ignore[no-untyped-def]
    ground, facing = planes
    turns, shifts = places
    costs, likeliest, evidence, spread, _, sizes = known
    inverse_depth, share, told, owner = out
    height, width, count = log_weights.shape
    sources, last = len(costs), np.float32(costs.shape[-1] - 1) - np.float32(1e-3)
    half = np.float32(0.5)
    remembers = penalties.max() > 0
    scores = np.empty((sources, count), np.float32)
    rhos = np.empty(count, np.float32)
    before = np.empty(sources, np.float32)  # where the last plane met each source's ray
    rays = np.empty((sources, 3), np.float32)  # the pixel's, as each source sees it
    for y in range(height):
        for x in range(width):
            on_ground = ground[0] * x + ground[1] * y + ground[2]
            best, best_p, best_source = np.float32(NOWHERE), 0, 0
            best_nats = np.float32(0)
            free, behind = np.float32(1), np.float32(0)
            scores[:] = NOWHERE
            rhos[:] = 0
            before[:] = -1
            for s in range(sources):
                for c in range(3):
                    rays[s, c] = turns[s, c, 0] * x + turns[s, c, 1] * y + turns[s, c, 2]
            waits = on_ground > 0  # the ground, for its turn among the planes
            n = 0
            while n < count - 1 or waits:
                if waits and (n == count - 1 or on_ground >= facing[n]):
                    p, rho, waits = 0, on_ground, False
                else:
                    p, rho = n + 1, facing[n]
                    n += 1
                rhos[p] = rho
                here = doubt = np.float32(0)
                for s in range(sources):
                    u, v, z = _seen_at(rays[s], shifts[s], rho)
                    inside = -half < u < sizes[s, 1] - half and -half < v < sizes[s, 0] - half
                    if z <= np.float32(1e-4) or not inside:
                        continue
                    place = min(_looked_up(table, rho / z), last)
                    b = int(place)
                    part = place - b
                    i, j = int(v + half), int(u + half)
                    near, far = costs[s, i, j, b + 1], costs[s, i, j, b]
                    nats = np.float32(NATS) * ((1 - part) * far + part * near)
                    if penalties[s] > 0:  # a point that live sources see through is gone since
                        nats += doubt
                    elif remembers and likeliest[s, i, j] < b:
                        doubt = max(doubt, min(nats, np.float32(CONTRADICTED)))
                    if nats < np.float32(UNLIKELY) and before[s] >= 0:
                        # Where nothing is known all depths are alike, and none hides another.
                        sure = 1 / spread[s, i, j] - 1 / np.float32(costs.shape[-1])
                        here = max(here, abs(place - before[s]) * np.exp(-nats) * sure)
                    if p > 0:
                        before[s] = place
                    score = log_weights[y, x, p] - penalties[s] - nats + behind
                    scores[s, p] = score
                    if score > best:
                        best, best_p, best_source, best_nats = score, p, s, nats
                if here > np.float32(1e-3):
                    free -= min(here, np.float32(1))
                    if free <= np.float32(BEHIND) and best > np.float32(np.log(BEHIND)):
                        break  # whatever lies behind that counts less
                    behind = np.log(max(free, np.float32(BEHIND)))
            if best <= np.float32(0.5 * NOWHERE):
                continue
            rho = rhos[best_p]
            ray, shift = rays[best_source], shifts[best_source]
            alike = _alike(ray, shift, rho)
            near = np.float32(CLOSE) * rho
            if best_p > 0:
                near += abs(facing[max(best_p - 2, 0)] - facing[min(best_p, count - 2)]) / 2
            total = close = weights = summed = np.float32(0)
            for s in range(sources):
                for p in range(count):
                    if scores[s, p] > best - 4:
                        weight = np.exp(np.float32(SHARP) * (scores[s, p] - best))
                        total += weight
                        apart = abs(rhos[p] - rho)
                        if apart < max(alike, near):
                            close += weight
                        if apart < near:
                            weights += weight
                            summed += weight * rhos[p]
            if weights > 0 and best_p > 0:  # neither at infinity nor on the ground, which is exact
                rho = summed / weights
            rho, i, j = _where(rho, near * (best_p > 0), ray, shift, best_source, known)
            inverse_depth[y, x] = rho
            share[y, x] = close / total
            share[y, x] /= 1 + np.exp(np.float32(UNKNOWN_SLOPE) * (best_nats - np.float32(UNKNOWN)))
            told[y, x] = evidence[best_source, i, j]
            owner[y, x] = best_source


@compiled
def _seen_at(ray, shift, rho):  # type: ignore[no-untyped-def]
    """Return where a source sees the point at an inverse depth of a ray, column, row and z: its
    depth over the target's."""
    z = ray[2] + shift[2] * rho
    over = 1 / max(z, np.float32(1e-4))
    return (ray[0] + shift[0] * rho) * over, (ray[1] + shift[1] * rho) * over, z


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
def _looked_up(table, inverse_depth):  # type: ignore[no-untyped-def]
    """Return the place of an inverse depth among those of a `SurfaceRange`."""
    places, per_metre = table
    entry = inverse_depth * per_metre
    if entry >= len(places) - 1:
        return places[-1]
    e = int(entry)
    return places[e] + (entry - e) * (places[e + 1] - places[e])


@compiled
def _alike(ray, shift, rho):  # type: ignore[no-untyped-def]
    """Return how far apart in inverse depth a source shows the same, within `CLOSE_PIXELS`."""
    u, v, z = _seen_at(ray, shift, rho)
    across, down = (shift[0] - u * shift[2]) / z, (shift[1] - v * shift[2]) / z
    slide = max(np.sqrt(across * across + down * down), np.float32(1e-3))
    return np.float32(CLOSE_PIXELS) / slide


@compiled
def _where(rho, near, ray, shift, s, known):  # type: ignore[no-untyped-def]
    """Return the inverse depth at which the ray meets the surface that source s has there, and the
    source's pixel; `rho` where it has none for sure, or another one."""
    _, _, _, spread, inverse_depth, sizes = known
    found, half = rho, np.float32(0.5)
    row = column = 0
    for step in range(TURNS + 1):
        u, v, z = _seen_at(ray, shift, found)
        inside = -half < u < sizes[s, 1] - half and -half < v < sizes[s, 0] - half
        if z <= np.float32(1e-4) or not inside:
            return rho, row, column
        i, j = int(v + half), int(u + half)
        if step == 0:
            row, column = i, j
        if spread[s, i, j] > np.float32(KNOWN_STEPS):
            return rho, row, column
        if step < TURNS:
            own = _between(inverse_depth[s], u, v, sizes[s])
            left = 1 - shift[2] * own
            if left < np.float32(1e-3):
                return rho, row, column
            found = ray[2] * own / left
            if abs(found - rho) > np.float32(1.5) * near:
                return rho, row, column
    return found, row, column


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

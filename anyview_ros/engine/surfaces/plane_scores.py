"""How well the planes along a target's rays agree with what each source knows of its surfaces.

Each plane is asked for at the point where it meets a source's ray. Planes are walked from near to
far, so that things stand in front of things: what lies behind a surface that the sources see is not
seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.plane_sweep import GROUND_CLEARANCE
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.engine.surfaces.finder import NATS, Surfaces
from anyview_ros.frames import View
from anyview_ros.geometry import inverse

HELD, AGE = 1.0, 0.1  # nats by which a source counts less that is held, and for each second
CONTRADICTED = 6.0  # nats at most that a live source takes from what it sees through
UNLIKELY = 6.0  # nats from which on nothing hides what is behind it
BEHIND = 0.1  # likelihood of what lies behind surfaces that are seen
UNSEEN = 255  # score of a plane that no source sees
PLACES = 1024  # of a table of `SurfaceRange.places`

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PlaneScores:
    """Hold what the sources say of the planes along the rays of a frame of a target.

    Args:
        ground: (3,) whose product with a pixel is the ground's inverse depth there.
        planes: (P - 1,) inverse depths of the planes that face, from near to far, 1 / metres.
        scores: (H, W, P) uint8 in NATS, minus: of the source that agrees best; the ground first.
            UNSEEN where no source sees it.
        owners: (H, W, P) uint8, the number of that source.
        turns, shifts: (S, 3, 3) and (S, 3) whose sum, the shift times an inverse depth, applied to
            a pixel is its homogeneous place in each source.
        penalties: (S,) nats by which each source counts less.
        evidence, spread, inverse_depth: (S, H, W) of `Surfaces`.
        sizes: (S, 2) height and width of each source.
        scene_scale: see `Contract`.
    """

    ground: Array
    planes: Array
    scores: NDArray[np.uint8]
    owners: NDArray[np.uint8]
    turns: Array
    shifts: Array
    penalties: Array
    evidence: Array
    spread: Array
    inverse_depth: Array
    sizes: NDArray[np.int64]
    scene_scale: float


def facing_planes(surfaces: SurfaceRange) -> NDArray[np.float64]:
    """Return (P - 1,) inverse depths over scene_scale, from near to far; the last is 0."""
    return np.asarray(surfaces.inverse_depths(np.arange(surfaces.count - 1, -1, -1.0)))


def plane_scores(
    target: View, k: int, surfaces: Sequence[Surfaces], ages_s: Sequence[float]
) -> PlaneScores:
    """Ask the sources for the planes along the rays of frame k.

    Args:
        target: at the network's size.
        surfaces: of each source's frame k.
        ages_s: of each source's clip; 0 for live ones, which come first.
    """
    camera, pose = target.camera, target.world_from_cam[k]
    pixels = np.asarray(np.linalg.inv(camera.matrix), np.float64)
    turns, shifts = np.empty((len(surfaces), 3, 3)), np.empty((len(surfaces), 3))
    for s, seen in enumerate(surfaces):
        source_from_target = inverse(seen.frame.world_from_cam) @ pose
        turns[s] = seen.frame.camera.matrix @ source_from_target[:3, :3] @ pixels
        shifts[s] = seen.frame.camera.matrix @ source_from_target[:3, 3]
    scene_scale, depths = surfaces[0].scene_scale, surfaces[0].depths
    planes = (scene_scale * facing_planes(depths)).astype(np.float32)
    size = camera.height, camera.width, 1 + len(planes)
    costs, likeliest, evidence, spread, inverse_depth = (
        _together([getattr(seen, part) for seen in surfaces])
        for part in ("costs", "likeliest", "evidence", "spread", "inverse_depth")
    )
    found = PlaneScores(
        ground=_ground(pose, pixels),
        planes=planes,
        scores=np.full(size, UNSEEN, np.uint8),
        owners=np.zeros(size, np.uint8),
        turns=turns.astype(np.float32),
        shifts=shifts.astype(np.float32),
        penalties=np.array([HELD + AGE * age if age > 0 else 0.0 for age in ages_s], np.float32),
        evidence=evidence,
        spread=spread,
        inverse_depth=inverse_depth,
        sizes=np.array([seen.costs.shape[:2] for seen in surfaces]),
        scene_scale=scene_scale,
    )
    flat = (len(surfaces), -1)
    # Where nothing is known all depths are alike, and none hides another.
    sure = (1 / spread - np.float32(1 / depths.count)).reshape(flat)
    known = costs.reshape(*flat, depths.count), likeliest.reshape(flat), sure
    _score(
        (found.ground, planes),
        (found.turns, found.shifts, found.sizes, costs.shape[2]),
        known,
        _table(depths, scene_scale),
        found.penalties,
        (found.scores, found.owners),
    )
    return found


def _together(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return what is known of all sources, (S, H, W, ...), those of less size in a corner."""
    height, width = np.max([part.shape[:2] for part in parts], axis=0)
    whole = np.ones((len(parts), height, width, *parts[0].shape[2:]), parts[0].dtype)
    for space, part in zip(whole, parts, strict=True):
        space[: part.shape[0], : part.shape[1]] = part
    return whole


def _table(depths: SurfaceRange, scene_scale: float) -> tuple[Array, np.float32]:
    """Return places of inverse depths, evenly spaced from 0, and entries for each 1 / metre."""
    nearest = depths.nearest
    table = depths.places(np.linspace(0, nearest, PLACES + 1)).astype(np.float32)
    return table, np.float32(PLACES / (nearest * scene_scale))


def _ground(world_from_cam: NDArray[np.float64], pixels: NDArray[np.float64]) -> Array:
    """(3,) whose product with a pixel is the ground's inverse depth there; 0 where it is not."""
    height = world_from_cam[2, 3]
    if abs(height) < GROUND_CLEARANCE:
        return np.zeros(3, np.float32)
    return np.asarray(-world_from_cam[2, :3] @ pixels / height, np.float32)


@compiled
def _score(planes, places, known, table, penalties, out):  # type: ignore[no-untyped-def]
    ground, facing = planes
    turns, shifts, sizes, row = places
    costs, likeliest, sure = known
    scores, owners = out
    height, width, count = scores.shape
    sources, depths = len(costs), costs.shape[-1]
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    nowhere, unlikely = np.float32(1e9), np.float32(UNLIKELY)
    nats_a_step, hardly = np.float32(NATS), np.float32(BEHIND)
    last = np.float32(depths - 1) - np.float32(1e-3)
    remembers = penalties.max() > 0
    before = np.empty(sources, np.float32)  # where the last plane met each source's ray
    pixels = np.empty((sources, count), np.int32)  # of each source: where it sees each plane
    depth_places = np.empty((sources, count), np.float32)  # and at which of its depths
    for y in range(height):
        for x in range(width):
            on_ground = np.float32(ground[0] * x + ground[1] * y + ground[2])
            for s in range(sources):
                ray = np.float32(x), np.float32(y), on_ground
                source = turns[s], shifts[s], sizes[s], np.int32(row)
                _seen(ray, facing, source, table, (pixels[s], depth_places[s]))
            least = nowhere
            free, behind = one, zero
            before[:] = -1
            waits = bool(on_ground > 0)  # the ground, for its turn among the planes
            n = 0
            while n < count - 1 or waits:
                if waits and (n == count - 1 or on_ground >= facing[n]):
                    p = 0
                    waits = False
                else:
                    n += 1
                    p = n
                here = doubt = zero
                here_least, owner = nowhere, 0
                for s in range(sources):
                    pixel = pixels[s, p]
                    if pixel < 0:
                        continue
                    place = min(depth_places[s, p], last)
                    b = int(place)
                    part = place - np.float32(b)
                    near, far = costs[s, pixel, b + 1], costs[s, pixel, b]
                    nats = nats_a_step * ((one - part) * np.float32(far) + part * np.float32(near))
                    if penalties[s] > 0:  # a point that live sources see through is gone since
                        nats += doubt
                    elif remembers and likeliest[s, pixel] < b:
                        doubt = max(doubt, min(nats, np.float32(CONTRADICTED)))
                    if nats < unlikely and before[s] >= 0:
                        passed = abs(place - before[s]) * sure[s, pixel]
                        here = max(here, passed * np.exp(-nats))
                    if p > 0:
                        before[s] = place
                    against = nats + penalties[s] + behind
                    if against < here_least:
                        here_least, owner = against, s
                if here_least < nowhere:
                    scores[y, x, p] = min(int(here_least / nats_a_step + half), UNSEEN - 1)
                    owners[y, x, p] = owner
                    least = min(least, here_least)
                if here > np.float32(1e-3):
                    free -= min(here, one)
                    if free <= hardly and least < -np.float32(np.log(BEHIND)):
                        break  # whatever lies behind that counts less
                    behind = -np.log(max(free, hardly))


@compiled
def _seen(ray, facing, source, table, out):  # type: ignore[no-untyped-def]
    """Fill in where a source sees each plane of a ray, the ground first: its pixel, -1 where it
    sees none, and the place of the depth among its own."""
    x, y, on_ground = ray
    turn, shift, size, row = source
    entries, per_metre = table
    pixels, places = out
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    u0 = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2]
    v0 = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2]
    z0 = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2]
    most = np.float32(len(entries) - 1) - np.float32(1e-3)
    right_end, lower_end = np.float32(size[1]) - one, np.float32(size[0]) - one
    for p in range(len(pixels)):  # no branch: several planes at once
        rho = facing[p - 1] if p > 0 else on_ground
        z = z0 + shift[2] * rho
        over = one / max(z, np.float32(1e-4))
        u, v = (u0 + shift[0] * rho) * over, (v0 + shift[1] * rho) * over
        j, i = min(max(u, -half), right_end + half), min(max(v, -half), lower_end + half)
        inside = (z > np.float32(1e-4)) & (u == j) & (v == i)
        column, line = min(np.int32(j + half), size[1] - 1), min(np.int32(i + half), size[0] - 1)
        pixels[p] = line * row + column if inside else -1
        entry = min(max(rho * over * per_metre, zero), most)
        e = np.int32(entry)
        places[p] = entries[e] + (entry - np.float32(e)) * (entries[e + 1] - entries[e])


@compiled
def seen_at(ray, shift, rho):  # type: ignore[no-untyped-def]
    """Return where a source sees the point at an inverse depth of a ray, column, row and z: its
    depth over the target's."""
    z = ray[2] + shift[2] * rho
    over = 1 / max(z, np.float32(1e-4))
    return (ray[0] + shift[0] * rho) * over, (ray[1] + shift[1] * rho) * over, z

"""How much of what a pixel looks along the sources could have seen. No depth is needed.

An upper bound: a sample inside a source's frustum may be hidden behind something. Where coverage
is 0 no source looked at that instant, nearer than FAR: what the pixel shows of it is invented.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import frustum_sides, inverse, rays

NEAR, FAR = 0.125, 4.0  # metres from the target's centre, in units of 1 / scene_scale
SAMPLES = 16
HALF_LIFE_S = 10.0  # after which what a source saw counts half: things move meanwhile
NOW_S = 0.5  # younger than that is of now: cameras are not triggered together


def distances(scene_scale: float) -> NDArray[np.float64]:
    """(16,) metres along a ray from NEAR to FAR, each the same factor beyond the one before.

    At 1/16, driving, 2 to 64 m; a step nearby changes what is seen more than one far away.
    """
    return np.geomspace(NEAR, FAR, SAMPLES) / scene_scale


def age_weights(sources: Sequence[Frame]) -> list[float]:
    """Return what each source counts at the instant of the first: half as much each 10 s before."""
    ages_s = [(sources[0].stamp_ns - source.stamp_ns) / 1e9 for source in sources]
    return [0.5 ** (age_s / HALF_LIFE_S) if age_s >= NOW_S else 1.0 for age_s in ages_s]


def coverage(
    sources: Sequence[Frame],
    camera: Camera,
    world_from_cam: NDArray[np.float64],
    along_m: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(H, W) share, 0 to 1, of the samples on each target ray that lie in any source's frustum.

    A sample that only sources of before have seen counts by their `age_weights`.

    Args:
        sources: frames for one instant, which is that of the first.
        camera, world_from_cam: the target's, (4, 4).
        along_m: (N,) rising distances of the samples from the target's centre.
    """
    directions = rays(camera).reshape(-1, 3)
    intervals = [_inside(source, directions, world_from_cam) for source in sources]
    weights = age_weights(sources)
    seen = np.zeros(len(directions), np.float32)
    for distance in along_m:
        best = np.zeros(len(directions), np.float32)
        for (first, last), weight in zip(intervals, weights, strict=True):
            inside = (first <= distance) & (distance <= last)
            np.maximum(best, np.float32(weight), out=best, where=inside)
        seen += best
    share = seen.reshape(camera.height, camera.width) / len(along_m)
    return np.asarray(share, np.float32)


def _inside(
    source: Frame, directions: NDArray[np.float64], world_from_cam: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) first and last distance in metres at which rays (N, 3) are inside a source's frustum.

    A frustum is convex, so a ray o + s d is inside of it over one interval: each of its planes n
    through the source's centre, inside where n . x >= 0, bounds s from one side.
    """
    source_from_target = inverse(source.world_from_cam) @ world_from_cam
    normals = np.vstack([frustum_sides(source.camera), (0.0, 0.0, 1.0)])  # and the front
    at_origin = normals @ source_from_target[:3, 3]
    slopes = normals @ source_from_target[:3, :3] @ directions.T
    first = np.zeros(len(directions))
    last = np.full(len(directions), np.inf)
    for offset, slope in zip(at_origin, slopes, strict=True):
        crossing = -offset / np.where(slope == 0, 1.0, slope)
        np.maximum(first, crossing, out=first, where=slope > 0)
        np.minimum(last, crossing, out=last, where=slope < 0)
        if offset < 0:  # a ray that keeps its distance from this plane never comes inside
            last[slope == 0] = -np.inf
    return first, last

"""Which camera a virtual one is synthesized from, when the caller leaves it to the node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, rays

GRID = (8, 6)  # columns, rows of rays through the target's image
DEPTHS = np.array([0.25, 0.5, 1.0, 2.0])  # of the samples on each ray, in units of 1 / scene_scale


@dataclass(frozen=True)
class PosedCamera:
    """Intrinsics, and (4, 4) world_from_cam at one instant."""

    camera: Camera
    world_from_cam: NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A source, and the target at the same instant (with intrinsics that may be the source's)."""

    source: PosedCamera
    target: PosedCamera


def best_first(candidates: Mapping[str, Candidate], scene_scale: float) -> list[str]:
    """Names of the sources, the best one first.

    The best source sees the largest share of what the target looks at: of points on a grid of
    the target's rays at depths 0.25 to 2 over `scene_scale` (4 to 32 m at 1/16). Where shares
    are equal (none sees any), the one whose optical axis is nearest to the target's, then the
    first by name.
    """

    def rank(name: str) -> tuple[float, float, str]:
        candidate = candidates[name]
        return -seen_share(candidate, scene_scale), axis_angle(candidate), name

    return sorted(candidates, key=rank)


def seen_share(candidate: Candidate, scene_scale: float) -> float:
    """Share, 0 to 1, of the target's sample points that lie in the source's image."""
    source, target = candidate.source, candidate.target
    directions = rays(target.camera.resized(*GRID)).reshape(-1, 1, 3)
    points = (directions * (DEPTHS / scene_scale)[:, None]).reshape(-1, 3)
    source_from_target = inverse(source.world_from_cam) @ target.world_from_cam
    x, y, z = source_from_target[:3, :3] @ points.T + source_from_target[:3, 3:]
    camera = source.camera
    in_front = z > 0
    z = np.where(in_front, z, 1.0)
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside_u = (u >= -0.5) & (u <= camera.width - 0.5)
    inside_v = (v >= -0.5) & (v <= camera.height - 0.5)
    return float(np.mean(in_front & inside_u & inside_v))


def axis_angle(candidate: Candidate) -> float:
    """Radians between the two optical axes."""
    source, target = candidate.source.world_from_cam, candidate.target.world_from_cam
    return float(np.arccos(np.clip(source[:3, 2] @ target[:3, 2], -1.0, 1.0)))

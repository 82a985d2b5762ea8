"""Which points that a target looks at lie in a source's image. No depth is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, View
from anyview_ros.geometry import frustum_sides, inside, inverse, project, rays

GRID = (32, 18)  # columns, rows of rays through the target's image: finer than LEAST_GAIN
DEPTHS = np.array([0.25, 0.5, 1.0, 2.0])  # of the samples on each ray, in units of 1 / scene_scale
LEAST_GAIN = 0.05  # of the target's samples: what less than that sees is not worth a source's time

AT_ONCE = 4  # frames whose samples fit into a processor's cache


class Seen(Protocol):
    """A frame, or what is known of one whose image need not be there."""

    @property
    def stamp_ns(self) -> int: ...

    @property
    def camera(self) -> Camera: ...

    @property
    def world_from_cam(self) -> NDArray[np.float64]: ...


def seen_points(source: View, target: View, scene_scale: float) -> NDArray[np.bool_]:
    """Return whether the target's sample points lie in the source's image, (instants, samples).

    Source and target have a pose for each instant; one pose of either stands for all.
    """
    points = _points(target, scene_scale)
    source_from_target = inverse(source.world_from_cam) @ target.world_from_cam
    turned = source_from_target[:, :3, :3] @ points.T + source_from_target[:, :3, 3:]
    return inside(project(np.moveaxis(turned, 1, -1), source.camera), source.camera)


def seen_by_each(frames: Sequence[Seen], target: View, scene_scale: float) -> NDArray[np.bool_]:
    """Return `seen_points` of frames that stand still, (frames, instants, samples).

    By the sides of their frustums: 120 frames at three instants in 3 ms, one by one in 43.
    """
    poses = target.world_from_cam
    origin = poses[0, :3, 3]  # near it float32 is exact enough, wherever in the world it is
    centres = poses[:, :3, 3] - origin
    points = _points(target, scene_scale) @ np.swapaxes(poses[:, :3, :3], 1, 2) + centres[:, None]
    flat = np.ascontiguousarray(points.reshape(-1, 3).T, np.float32)
    seen = np.empty((len(frames), flat.shape[1]), np.bool_)
    for k in range(0, len(frames), AT_ONCE):
        few = frames[k : k + AT_ONCE]
        normals = [frustum_sides(frame.camera) @ frame.world_from_cam[:3, :3].T for frame in few]
        away = [frame.world_from_cam[:3, 3] - origin for frame in few]
        offsets = [n @ a for n, a in zip(normals, away, strict=True)]
        sides = np.concatenate(normals).astype(np.float32) @ flat
        within = sides >= np.concatenate(offsets).astype(np.float32)[:, None]
        np.all(within.reshape(len(few), 4, -1), axis=1, out=seen[k : k + AT_ONCE])
    return seen.reshape(len(frames), *points.shape[:2])


def _points(target: View, scene_scale: float) -> NDArray[np.float64]:
    """(samples, 3) in the target's optical frame."""
    directions = rays(target.camera.resized(*GRID)).reshape(-1, 1, 3)
    return np.asarray((directions * (DEPTHS / scene_scale)[:, None]).reshape(-1, 3))

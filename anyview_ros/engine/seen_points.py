"""Which points that a target looks at lie in a source's image. No depth is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import View
from anyview_ros.geometry import inverse, rays

GRID = (32, 18)  # columns, rows of rays through the target's image: finer than LEAST_GAIN
DEPTHS = np.array([0.25, 0.5, 1.0, 2.0])  # of the samples on each ray, in units of 1 / scene_scale
LEAST_GAIN = 0.05  # of the target's samples: what less than that sees is not worth a source's time


def seen_points(source: View, target: View, scene_scale: float) -> NDArray[np.bool_]:
    """Return whether the target's sample points lie in the source's image, (instants, samples).

    Source and target have a pose for each instant; one pose of either stands for all.
    """
    directions = rays(target.camera.resized(*GRID)).reshape(-1, 1, 3)
    points = (directions * (DEPTHS / scene_scale)[:, None]).reshape(-1, 3)
    source_from_target = inverse(source.world_from_cam) @ target.world_from_cam
    turned = source_from_target[:, :3, :3] @ points.T + source_from_target[:, :3, 3:]
    x, y, z = np.moveaxis(turned, 1, 0)
    camera = source.camera
    in_front = z > 0
    z = np.where(in_front, z, 1.0)
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside_u = (u >= -0.5) & (u <= camera.width - 0.5)
    inside_v = (v >= -0.5) & (v <= camera.height - 0.5)
    return np.asarray(in_front & inside_u & inside_v)

"""2D supervision: one view's frames, and turned or zoomed cuts of them, are views of one scene.

A camera that only turns sees the same image under a homography, exact without depth (Hartley and
Zisserman, section 8.4.2). The cuts pan and zoom smoothly over the clip.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.training.scenes import SceneViews

ZOOM = (1.25, 2.5)
TRIES = 20  # each with 15 % smaller angles: the last ones are hardly turned, and always inside
SHRINK = 0.85


def cut_views(rng: Generator, scene: SceneViews, view: int, cuts: int) -> SceneViews:
    """Return the frames of `view`, then `cuts` cameras that see parts of them."""
    images, cameras, poses = (
        [scene.images[view]],
        [scene.cameras[view]],
        [scene.world_from_cam[view]],
    )
    for _ in range(cuts):
        camera, turns = _inside(rng, scene.cameras[view], len(scene.stamps_ns))
        images.append(_cut(scene.images[view], scene.cameras[view], camera, turns))
        cameras.append(camera)
        poses.append(scene.world_from_cam[view] @ turns)
    return SceneViews(np.stack(images), tuple(cameras), np.stack(poses), scene.stamps_ns)


def _inside(rng: Generator, camera: Camera, frames: int) -> tuple[Camera, NDArray[np.float64]]:
    """Return a longer lens, and (T, 4, 4) full_from_cut turns that keep it inside the full view."""
    zoom = rng.uniform(*ZOOM)
    centre = (camera.width - 1) / 2, (camera.height - 1) / 2
    cut = Camera(camera.width, camera.height, zoom * camera.fx, zoom * camera.fy, *centre)
    reach = np.arctan([0.5 * camera.width / camera.fx, 0.5 * camera.height / camera.fy, 0.3])
    first, last = rng.uniform(-1, 1, (2, 3)) * reach
    along = np.linspace(0, 1, frames)[:, None]
    angles = first + (last - first) * rng.choice([0.0, 1.0]) * along
    for _ in range(TRIES):
        turns = np.stack([rigid(euler2mat(-y, x, z), (0, 0, 0)) for x, y, z in angles])
        if _contained(camera, cut, turns):
            break
        angles = angles * SHRINK
    return cut, turns


def _contained(camera: Camera, cut: Camera, turns: NDArray[np.float64]) -> bool:
    right, bottom = cut.width - 1.0, cut.height - 1.0
    corners = np.array([[0, right, 0, right], [0, 0, bottom, bottom], [1, 1, 1, 1.0]])
    x, y, depth = np.moveaxis(_homographies(camera, cut, turns) @ corners, 1, 0)
    if depth.min() <= 0:
        return False
    columns, rows = x / depth, y / depth
    in_columns = columns.min() >= 0 and columns.max() <= camera.width - 1
    return bool(in_columns and rows.min() >= 0 and rows.max() <= camera.height - 1)


def _cut(
    images: NDArray[np.uint8], camera: Camera, cut: Camera, turns: NDArray[np.float64]
) -> NDArray[np.uint8]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack(
        [
            cv2.warpPerspective(
                image, h, (cut.width, cut.height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
            for image, h in zip(images, _homographies(camera, cut, turns), strict=True)
        ]
    )


def _homographies(camera: Camera, cut: Camera, turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (T, 3, 3) maps from pixels of the cut to pixels of the full view."""
    return camera.matrix @ turns[:, :3, :3] @ np.linalg.inv(cut.matrix)

"""How far the camera of a generated image is from the pose that was requested.

The truth is rendered at places around the requested one, and the place whose picture
matches best is where the generated picture was "taken". The search is Levenberg-Marquardt over
the six degrees of freedom together, for turning and moving sideways look much alike, with
derivatives from renderings to both sides, on blurred pictures first.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from transforms3d.axangles import axangle2mat

from anyview_ros.evaluation.task import Images
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, rigid
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.render.scene import Scene

TURN_RAD, SHIFT = np.radians(1.0), 1 / 64  # units of the search; shifts times 1 / scene_scale
LARGEST_STEP = 5.0  # units
BLURS = (4.0, 1.5)  # pixels, one after the other
STEPS = 5  # at each blur
DAMPINGS = (0.01, 0.3, 10.0)  # tried in this order at each step, until one is better
SHORTER_SIDE = 40  # pixels at which pictures are compared

Pose = NDArray[np.float64]
Pattern = NDArray[np.float64]


def pose_error(
    image: Images, scene: Scene, camera: Camera, world_from_cam: Pose, scene_scale: float
) -> tuple[float, float]:
    """Return rotation in degrees and translation in metres from `world_from_cam` to the best match.

    Args:
        image: (H, W, 3), of the camera's size.
        scene: at the image's instant.
        scene_scale: the world's; its inverse is the length of a view's surroundings in metres.
    """
    small = _reduced(camera)
    seen, pose = _shrunk(image, small), world_from_cam
    for blur in BLURS:

        def pattern(place: Pose, blur: float = blur) -> Pattern:
            return _pattern(render(scene, small, place), blur)

        pose = best_pose(pattern, _pattern(seen, blur), pose, SHIFT / scene_scale)
    error = inverse(world_from_cam) @ pose
    cosine = np.clip((np.trace(error[:3, :3]) - 1) / 2, -1, 1)
    return float(np.degrees(np.arccos(cosine))), float(np.linalg.norm(error[:3, 3]))


def best_pose(
    pattern: Callable[[Pose], Pattern], wanted: Pattern, start: Pose, shift: float
) -> Pose:
    """Return the (4, 4) pose near `start` whose pattern is nearest to `wanted`.

    Args:
        shift: unit of translation, in metres.
    """
    pose, found = start, pattern(start)
    for _ in range(STEPS):
        slopes = np.stack([_slope(pattern, pose, unit, shift) for unit in np.eye(6)], axis=-1)
        before = pose
        for damping in DAMPINGS:
            moved = pose @ _motion(_step(slopes, wanted - found, damping), shift)
            there = pattern(moved)
            if np.sum((there - wanted) ** 2) < np.sum((found - wanted) ** 2):
                pose, found = moved, there
                break
        if pose is before:
            break
    return pose


def _slope(
    pattern: Callable[[Pose], Pattern], pose: Pose, unit: NDArray[np.float64], shift: float
) -> Pattern:
    ahead, behind = (pattern(pose @ _motion(sign * unit, shift)) for sign in (1, -1))
    return (ahead - behind) / 2


def _step(slopes: Pattern, residual: Pattern, damping: float) -> NDArray[np.float64]:
    """Return the damped solution, (6,) in units, of slopes (N, 6) @ step = residual (N,)."""
    normal = slopes.T @ slopes
    damped = normal + damping * np.diag(np.diag(normal) + 1e-12)
    step = np.asarray(np.linalg.solve(damped, slopes.T @ residual), np.float64)
    return step * min(1.0, LARGEST_STEP / max(float(np.abs(step).max()), 1e-12))


def _motion(units: NDArray[np.float64], shift: float) -> Pose:
    """Return the (4, 4) of a rotation vector and a translation, both in units."""
    angle = float(np.linalg.norm(units[:3]))
    if not angle:
        return rigid(np.eye(3), shift * units[3:])
    return rigid(axangle2mat(units[:3], angle * TURN_RAD), shift * units[3:])


def _reduced(camera: Camera) -> Camera:
    scale = min(1.0, SHORTER_SIDE / min(camera.width, camera.height))
    return camera.resized(round(camera.width * scale), round(camera.height * scale))


def _shrunk(image: Images, camera: Camera) -> Images:
    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _pattern(image: Images, blur: float) -> Pattern:
    """Return the image's pattern (N,): blurred, without its mean and of unit length, so that
    contrast does not matter."""
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), blur)
    centred = np.asarray(blurred - blurred.mean(axis=(0, 1)), np.float64).ravel()
    norm = float(np.linalg.norm(centred))
    return centred / norm if norm else centred

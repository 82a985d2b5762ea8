"""What makes more scenes of one: its mirror image, and the light and gains of other cameras."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.training.scenes import SceneViews

GAIN, TINT, GAMMA = 0.15, 0.06, 0.15  # standard deviations of logarithms
MIRROR_CAMERA = np.diag([-1.0, 1.0, 1.0, 1.0])
MIRROR_WORLD = np.diag([1.0, -1.0, 1.0, 1.0])


def augmented(rng: Generator, scene: SceneViews) -> SceneViews:
    """The scene under another light, and every other one mirrored; all views alike."""
    flat = scene.images.reshape(-1, 1, 3)
    images = np.asarray(cv2.LUT(flat, _curve(rng)), np.uint8).reshape(scene.images.shape)
    lit = replace(scene, images=images)
    return mirrored(lit) if rng.random() < 0.5 else lit


def mirrored(scene: SceneViews) -> SceneViews:
    """The scene in a mirror, y of the world reversed: the ground stays where it is."""
    return SceneViews(
        scene.images[:, :, :, ::-1],
        tuple(
            Camera(c.width, c.height, c.fx, c.fy, c.width - 1 - c.cx, c.cy) for c in scene.cameras
        ),
        MIRROR_WORLD @ scene.world_from_cam @ MIRROR_CAMERA,
        scene.stamps_ns,
        None if scene.inverse_depth is None else scene.inverse_depth[..., ::-1],
    )


def _curve(rng: Generator) -> NDArray[np.uint8]:
    """(1, 256, 3): gain, gamma and tint as a table."""
    levels = np.arange(256)[:, None] / 255
    gain = np.exp(rng.normal(0, GAIN) + rng.normal(0, TINT, 3))
    curve = gain * levels ** np.exp(rng.normal(0, GAMMA))
    return np.asarray(np.rint(255 * curve.clip(0, 1)), np.uint8)[None]

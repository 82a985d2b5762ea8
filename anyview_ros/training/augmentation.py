"""What makes more scenes of one: its mirror image, other light, and what cameras do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.frames import Camera
from anyview_ros.training.scenes import SceneViews

GAIN, TINT, GAMMA = 0.15, 0.06, 0.15  # standard deviations of logarithms
CAMERA_GAIN, CAMERA_TINT = 0.05, 0.02  # the same, of one camera beside the scene's others
VIGNETTE = 0.4  # most that the corners lose
BLUR = 0.8  # largest standard deviation, pixels
SHOT_NOISE, READ_NOISE = 3e-3, 6e-3  # largest variance over light, and deviation; white is 1
JPEG_SHARE, JPEG_QUALITY = 0.5, (40, 96)
GREY, RESTYLED = 0.15, 0.35  # shares of images that `restyle` changes
STYLE_KERNELS = (1, 3, 5)  # pixels
MIRROR_CAMERA = np.diag([-1.0, 1.0, 1.0, 1.0])
MIRROR_WORLD = np.diag([1.0, -1.0, 1.0, 1.0])


def augment(rng: Generator, scene: SceneViews) -> SceneViews:
    """Return the scene under another light, every other one mirrored; all views alike."""
    changed = relight(rng, scene)
    return mirror(changed) if rng.random() < 0.5 else changed


def relight(rng: Generator, scene: SceneViews) -> SceneViews:
    """Return the scene under another light; all views alike."""
    flat = scene.images.reshape(-1, 1, 3)
    images = np.asarray(cv2.LUT(flat, draw_light(rng).curve), np.uint8).reshape(scene.images.shape)
    return replace(scene, images=images)


def simulate_cameras(rng: Generator, scene: SceneViews, views: Sequence[int]) -> SceneViews:
    """Return the scene with some of its views, the sources, as real cameras would have taken them.

    In the order of a camera: lens (vignetting, blur), sensor (gain, shot and read noise), image
    (white balance, JPEG). All but the noise stays the same over a clip. The others, targets among
    them, are left alone: they are the truth.
    """
    images = scene.images.copy()
    for view in views:
        images[view] = simulate_camera(rng, scene.images[view])
    return replace(scene, images=images)


def simulate_camera(rng: Generator, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames (T, H, W, 3) as one camera would have taken them, see `simulate_cameras`."""
    _, height, width, _ = frames.shape
    light = np.square(frames.astype(np.float32) / 255)
    light *= _vignette(height, width, rng.uniform(0, VIGNETTE))[..., None]
    light *= np.float32(np.exp(rng.normal(0, CAMERA_GAIN)))
    if (blur := rng.uniform(-BLUR, BLUR)) > 0.2:  # half of all lenses are sharp
        light = np.stack([cv2.GaussianBlur(frame, (0, 0), blur) for frame in light])
    dim = rng.uniform(0, 1) ** 2  # most cameras have little noise
    shot, read = dim * SHOT_NOISE, dim * READ_NOISE
    deviation = np.sqrt(np.float32(shot) * light + np.float32(read**2))
    light += deviation * rng.standard_normal(light.shape, np.float32)
    light *= np.exp(rng.normal(0, CAMERA_TINT, 3)).astype(np.float32)
    images = np.asarray(np.rint(255 * np.sqrt(light.clip(0, 1))), np.uint8)
    if rng.random() < JPEG_SHARE:
        quality = int(rng.integers(*JPEG_QUALITY))
        return np.stack([_compressed(frame, quality) for frame in images])
    return images


def _vignette(height: int, width: int, loss: float) -> NDArray[np.float32]:
    """Return (H, W) share of the light that arrives: all in the middle, 1 - loss in the corners."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    return np.asarray(1 - loss * (x**2 + y**2) / 2, np.float32)


def _compressed(frame: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, content = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR_RGB), np.uint8)


def mirror(scene: SceneViews) -> SceneViews:
    """Return the scene in a mirror, y of the world reversed: the ground stays where it is."""
    return SceneViews(
        scene.images[:, :, :, ::-1],
        tuple(
            Camera(c.width, c.height, c.fx, c.fy, c.width - 1 - c.cx, c.cy) for c in scene.cameras
        ),
        MIRROR_WORLD @ scene.world_from_cam @ MIRROR_CAMERA,
        scene.stamps_ns,
        None if scene.inverse_depth is None else scene.inverse_depth[..., ::-1],
    )


@dataclass(frozen=True)
class Light:
    """Another light: levels in 0..1 become gain * level ** gamma.

    Args:
        gain: (3,), tint and all.
    """

    gain: NDArray[np.float64]
    gamma: float

    @property
    def curve(self) -> NDArray[np.uint8]:
        """Return it as a table, (1, 256, 3)."""
        curve = self.gain * (np.arange(256)[:, None] / 255) ** self.gamma
        return np.asarray(np.rint(255 * curve.clip(0, 1)), np.uint8)[None]


def draw_light(rng: Generator) -> Light:
    gain = np.exp(rng.normal(0, GAIN) + rng.normal(0, TINT, 3))
    return Light(gain, float(np.exp(rng.normal(0, GAMMA))))


def restyle(rng: Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) with the same shapes in other colours and textures, or in grey.

    Most are left alone. A random convolution, mixed with the image and brought to its mean and
    contrast, takes away how things of a world look and leaves where they end (Xu et al., Robust and
    Generalizable Visual Representation Learning via Random Convolutions, arXiv 2007.13003).
    """
    kind = rng.random()
    if kind < GREY:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.asarray(np.broadcast_to(grey[..., None], image.shape))
    if kind > GREY + RESTYLED:
        return image
    size, share = int(rng.choice(STYLE_KERNELS)), rng.uniform(0.3, 1)
    kernels = rng.standard_normal((3, 3, size, size)).astype(np.float32)
    light = image.astype(np.float32)
    filtered = np.stack(
        [sum(cv2.filter2D(light[..., c], -1, kernel[c]) for c in range(3)) for kernel in kernels],
        axis=-1,
    )
    filtered = (filtered - filtered.mean(axis=(0, 1))) / (filtered.std(axis=(0, 1)) + 1e-3)
    alike = light.mean(axis=(0, 1)) + light.std() * filtered
    return np.asarray((light + share * (alike - light)).clip(0, 255), np.uint8)

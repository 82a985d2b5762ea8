"""From frames and poses to the tensors a model sees. Shared by the robot and by training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import RAY_SPACING, Contract
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, plucker


def video_tensor(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, H, W, 3) uint8 -> (1, 3, T, H, W) in [-1, 1]."""
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)[None] / np.float32(127.5) - 1)


def images_of(video: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(1, 3, T, H, W) in [-1, 1] -> (T, H, W, 3) uint8, clipped and rounded."""
    pixels = np.clip(video[0].transpose(1, 2, 3, 0) * 127.5 + 127.5, 0, 255)
    return np.asarray(np.rint(pixels), np.uint8)


def anchor(
    contract: Contract, source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """anchor_from_world: frame 0 of the first source, or of the target, is the origin.

    Args:
        source, target: (T, 4, 4) world_from_cam of the first source and of the target.
    """
    return inverse((source if contract.anchor == "source" else target)[0])


def ray_video(
    camera: Camera, anchor_from_cam: NDArray[np.float64], scene_scale: float
) -> tuple[NDArray[np.float32], float]:
    """Rays and scaled moments of a clip, (T, H, W, 6), and the share of moments out of range.

    Moments are multiplied by `scene_scale` and clamped to [-1, 1]; unit rays never are.
    """
    values = plucker(camera, anchor_from_cam)
    moments = values[..., 3:] * scene_scale
    clamped = float(np.mean(np.abs(moments) > 1.0))
    values[..., 3:] = np.clip(moments, -1.0, 1.0)
    return values.astype(np.float32), clamped


def unshuffle_rays(
    contract: Contract, camera: Camera, anchor_from_cam: NDArray[np.float64], scene_scale: float
) -> tuple[NDArray[np.float32], float]:
    """Ray code `unshuffle`: Plücker coordinates laid out as channels of the latent's cells.

    Sampled every 4 pixels, for rays are smooth. The first frame stands for a whole group in time,
    as in the causal latent.

    Args:
        camera: at the model's size.
        anchor_from_cam: (T, 4, 4).

    Returns:
        (1, 6 * time * height/4 * width/4, T', H', W') float32 for a cell of (time, height, width),
        channels ordered (coordinate, frame, row, column), and the share of moments clamped.
    """
    latent = contract.latent
    _, groups, rows, columns = latent.of(len(anchor_from_cam), camera.height, camera.width)
    down, across = latent.height // RAY_SPACING, latent.width // RAY_SPACING
    grid = camera.resized(columns * across, rows * down)
    values, clamped = ray_video(grid, anchor_from_cam, scene_scale)
    values = np.concatenate([np.repeat(values[:1], latent.time - 1, axis=0), values])
    cells = values.reshape(groups, latent.time, rows, down, columns, across, 6)
    channels = cells.transpose(6, 1, 3, 5, 0, 2, 4).reshape(1, -1, groups, rows, columns)
    return np.ascontiguousarray(channels), clamped

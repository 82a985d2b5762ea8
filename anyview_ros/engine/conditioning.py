"""From frames and poses to the tensors a model sees. Shared by the robot and by training."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.geometry import inverse, plucker

RAY_SPACING = 4  # pixels between the rays of ray code `unshuffle`


def model_size(contract: Contract, camera: Camera) -> tuple[int, int]:
    """The allowed (H, W) nearest to a camera's: by aspect ratio, then by area."""

    def distance(size: tuple[int, int]) -> tuple[float, float]:
        height, width = size
        aspect = np.log(width / height) - np.log(camera.width / camera.height)
        area = np.log(width * height) - np.log(camera.width * camera.height)
        return abs(float(aspect)), abs(float(area))

    return min(contract.sizes, key=distance)


def resize_image(
    image: NDArray[np.uint8], size: tuple[int, int], resampler: str
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of another size. Both resamplers anti-alias when they shrink."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    if resampler == "pillow_lanczos":
        from PIL import Image  # only packages that ask for it need Pillow

        resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(resized)
    shrinks = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def resize_camera(camera: Camera, size: tuple[int, int], pixel_rule: str) -> Camera:
    """Intrinsics at another size; `integer_grid` scales them as the AnyView release does."""
    height, width = size
    if pixel_rule == "pixel_centre":
        return camera.resized(width, height)
    sx, sy = width / camera.width, height / camera.height
    return Camera(width, height, camera.fx * sx, camera.fy * sy, camera.cx * sx, camera.cy * sy)


def resize_frame(frame: Frame, contract: Contract) -> Frame:
    """A frame at the model's size, as the frame buffer keeps it."""
    size = model_size(contract, frame.camera)
    return Frame(
        frame.stamp_ns,
        resize_image(frame.image, size, contract.resampler),
        resize_camera(frame.camera, size, contract.pixel_rule),
        frame.world_from_cam,
    )


def resize_clip(clip: Clip, contract: Contract) -> Clip:
    """A clip at the model's size; one that has it already is returned as it is."""
    camera = clip.frames[0].camera
    if (camera.height, camera.width) == model_size(contract, camera):
        return clip
    return clip.changed(lambda frame: resize_frame(frame, contract))


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

"""Frames and cameras at another size, by the rules of a contract. Shared by robot and training."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract, PixelRule, Resampler
from anyview_ros.frames import Camera, Clip, Frame


class HasSizes(Protocol):
    """A contract, or what was taken from it."""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The allowed (H, W)."""


def model_size(model: HasSizes, camera: Camera) -> tuple[int, int]:
    """The allowed (H, W) nearest to a camera's: by aspect ratio, then by area."""

    def distance(size: tuple[int, int]) -> tuple[float, float]:
        height, width = size
        aspect = np.log(width / height) - np.log(camera.width / camera.height)
        area = np.log(width * height) - np.log(camera.width * camera.height)
        return abs(float(aspect)), abs(float(area))

    return min(model.sizes, key=distance)


def resize_image(
    image: NDArray[np.uint8], size: tuple[int, int], resampler: Resampler
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


def resize_camera(camera: Camera, size: tuple[int, int], pixel_rule: PixelRule) -> Camera:
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

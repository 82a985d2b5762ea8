"""What tells people how far to trust a synthesized frame: coverage, and a mark that says so."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.trust.coverage import coverage, distances
from anyview_ros.frames import Clip, View
from anyview_ros.imaging.resize import model_size, resize_camera

WATERMARK = "SYNTHETIC"
MARK_SHARE, MARK_LEAST = 0.3, 56  # width of the word: of the image's, and in pixels to be legible
LETTERS = cv2.FONT_HERSHEY_SIMPLEX


def coverage_image(
    sources: Sequence[Clip], target: View, k: int, contract: Contract, scene_scale: float
) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of the target's size: 255 if all of a ray lies in source frustums.

    Computed at the size at which the model makes the frame, and enlarged as the frame is.
    """
    full = target.camera
    camera = resize_camera(full, model_size(contract, full), contract.pixel_rule)
    frames = [clip.frames[k] for clip in sources]
    pose = target.world_from_cam[k]
    share = coverage(frames, camera, pose, distances(scene_scale))
    # Linear: cubic interpolation would make values between the shares that are there up again.
    sized = cv2.resize(share, (full.width, full.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(255 * sized), np.uint8)


def watermarked(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of (T, H, W, 3) with the word SYNTHETIC on a dark band, bottom left."""
    marked = images.copy()
    width = images.shape[2]
    (unit_width, _), _ = cv2.getTextSize(WATERMARK, LETTERS, 1.0, 1)
    scale = min(max(MARK_SHARE * width, MARK_LEAST), 0.9 * width) / unit_width
    stroke = max(1, round(1.5 * scale))
    (text_width, height), below = cv2.getTextSize(WATERMARK, LETTERS, scale, stroke)
    margin = max(1, height // 3)
    band = marked[:, -(height + below + 2 * margin) :, : text_width + 2 * margin]
    band[:] = band // 4
    for image in marked:
        place = (margin, image.shape[0] - below - margin)
        cv2.putText(image, WATERMARK, place, LETTERS, scale, (255,) * 3, stroke, cv2.LINE_AA)
    return marked

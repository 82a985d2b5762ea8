"""How far frames are from all that sources saw along each pixel's ray. No depth is needed.

What a source saw of a pixel's surface lies somewhere along the pixel's ray, with the colours of
the pixel. Where nothing on the ray has them the model has made the pixel up, or wrongly, and its
seeds may well agree on that. The other way round nothing is certain: things look alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.plane_sweep import planes_of, warp
from anyview_ros.engine.trust.coverage import age_weights, distances
from anyview_ros.frames import Clip, Frame, View

SIDE = 3  # pixels of the patches that are compared: one pixel's colour is found too easily
INVENTED = 32.0  # grey levels: about the mean error, on the worlds, where no source looked
VALUES = 3 * SIDE**2
UNSEEN = 255 * VALUES + 1  # more than any sum of differences over a patch


def photo_consistency_error(
    frames: NDArray[np.uint8], sources: Sequence[Clip], target: View, scene_scale: float
) -> NDArray[np.float32]:
    """(T, H, W) grey levels from the patch about a pixel to the nearest that any source saw.

    The mean difference over patch and colours; least of all sources, over planes at the
    distances of `coverage` and the ground. INVENTED where no source sees the patch on any, and
    what a source saw before is the nearer to it the less its age counts (`age_weights`).

    Args:
        frames: (T, H, W, 3) RGB of the target.
        sources: clips of T frames each, for the same instants; the first is of them.
    """
    views = [View(target.camera, pose[None]) for pose in target.world_from_cam]
    levels = [
        _levels(frame, [clip.frames[t] for clip in sources], views[t], scene_scale)
        for t, frame in enumerate(frames)
    ]
    return np.stack(levels)


def _levels(
    frame: NDArray[np.uint8], sources: Sequence[Frame], view: View, scene_scale: float
) -> NDArray[np.float32]:
    """Return (H, W) grey levels of one frame, see `photo_consistency_error`."""
    planes = planes_of(view.world_from_cam, list(1 / distances(scene_scale)))
    nearest = np.full(frame.shape[:2], np.inf, np.float32)
    for source, weight in zip(sources, age_weights(sources), strict=True):
        least = _least(frame, warp(Clip((source,)), view, planes)[:, 0])
        off = np.where(least < UNSEEN, least / np.float32(VALUES), np.float32(np.inf))
        if weight < 1:
            off = np.float32(weight) * off + np.float32((1 - weight) * INVENTED)
        np.minimum(nearest, off, out=nearest)
    return np.where(np.isinf(nearest), np.float32(INVENTED), nearest)


def _least(frame: NDArray[np.uint8], seen: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(H, W) least sum of differences over a patch; UNSEEN or more where none is seen whole."""
    wanted = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
    # A mark below 255 anywhere in the patch outweighs all colours; 16 bits saturate.
    weights = np.array([[1, 1, 1, UNSEEN]], np.float32)
    least = np.full(frame.shape[:2], np.iinfo(np.uint16).max, np.uint16)
    for image in seen:
        sums = cv2.boxFilter(cv2.absdiff(wanted, image), cv2.CV_16U, (SIDE, SIDE), normalize=False)
        np.minimum(least, cv2.transform(sums, weights), out=least)
    return least

"""Colours of the chosen surfaces, taken from the sources that show them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.surfaces.choice import Choice
from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse

EVEN = 1.0  # pixels of the choice's size over which shares are evened out
ALIASED = 0.75  # pixels of a target in a source, below which the source is shrunk first
SURFACE, SURFACE_M = 0.1, 0.01  # of an inverse depth, and over the largest: one surface

Array = NDArray[np.float32]


def surface_colours(
    sources: Sequence[Frame], camera: Camera, world_from_cam: NDArray[np.float64], choice: Choice
) -> Array:
    """Return (H, W, 4) of `camera`: colours times shares, and the shares.

    Each pixel has one lookup in the source that owns it, so nothing is doubled.

    Args:
        sources: in the order of `choice.owner`, of any size.
    """
    taken = np.zeros((camera.height, camera.width, 4), np.float32)
    for s, frame in enumerate(sources):
        share = np.where(choice.owner == s, choice.share, np.float32(0))
        if share.any():
            even = np.asarray(cv2.GaussianBlur(share, (0, 0), EVEN), np.float32)
            _copy_from(shrunk(frame, camera), camera, world_from_cam, choice, even, taken)
    return taken


def shrunk(frame: Frame, camera: Camera) -> Frame:
    """Return a frame whose pixels are no finer than the target's, or copies would flicker."""
    wide, high = frame.camera.width, frame.camera.height
    scales = min(1.0, camera.fx / frame.camera.fx), min(1.0, camera.fy / frame.camera.fy)
    if min(scales) >= ALIASED:
        return frame
    size = max(1, round(wide * scales[0])), max(1, round(high * scales[1]))
    image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Frame(frame.stamp_ns, image, frame.camera.resized(*size), frame.world_from_cam)


def _copy_from(
    source: Frame,
    camera: Camera,
    world_from_cam: NDArray[np.float64],
    choice: Choice,
    share: Array,
    taken: Array,
) -> None:
    source_from_target = inverse(source.world_from_cam) @ world_from_cam
    turn = source.camera.matrix @ source_from_target[:3, :3] @ np.linalg.inv(camera.matrix)
    shift = source.camera.matrix @ source_from_target[:3, 3]
    places = turn.astype(np.float32), shift.astype(np.float32)
    # One kind of array, or it would be compiled again for another: readable, writable, whole.
    image = np.require(source.image, requirements=("C", "W"))
    _copy(image, places, choice.inverse_depth, share, taken)


@compiled
def _within(place, count):  # type: ignore[no-untyped-def]
    """Return a place among `count` pixels, that of the outermost where it is beyond."""
    return min(max(place, np.float32(0)), np.float32(count - 1))


@compiled
def _copy(image, places, inverse_depth, share, taken):  # type: ignore[no-untyped-def]
    """Add to `taken` (H, W, 4) colours times shares, and shares."""
    turn, shift = places
    height, width, _ = taken.shape
    rows, columns = inverse_depth.shape
    down, across = np.float32(rows / height), np.float32(columns / width)
    right_end, lower_end = image.shape[1] - 1, image.shape[0] - 1
    near = np.float32(SURFACE_M) * inverse_depth.max()
    for y in range(height):
        v = _within((y + np.float32(0.5)) * down - np.float32(0.5), rows)
        i = min(int(v), rows - 2)
        for x in range(width):
            u = _within((x + np.float32(0.5)) * across - np.float32(0.5), columns)
            j = min(int(u), columns - 2)
            below, right = v - i, u - j
            nearest = inverse_depth[int(v + np.float32(0.5)), int(u + np.float32(0.5))]
            weight = total = summed = np.float32(0)
            for a in range(2):
                for b in range(2):
                    part = (below if a else 1 - below) * (right if b else 1 - right)
                    rho = inverse_depth[i + a, j + b]
                    weight += part * share[i + a, j + b]
                    if abs(rho - nearest) <= np.float32(SURFACE) * nearest + near:
                        total += part
                        summed += part * rho
            if weight < np.float32(0.01):
                continue
            rho = summed / total
            z = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] + shift[2] * rho
            if z <= np.float32(1e-4):
                continue
            su = (turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] + shift[0] * rho) / z
            sv = (turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] + shift[1] * rho) / z
            if not (-0.5 <= su <= right_end + 0.5 and -0.5 <= sv <= lower_end + 0.5):
                continue
            su, sv = _within(su, image.shape[1]), _within(sv, image.shape[0])
            m, n = min(int(sv), lower_end - 1), min(int(su), right_end - 1)
            lower, outer = sv - m, su - n
            for c in range(3):
                above = image[m, n, c] * (1 - outer) + image[m, n + 1, c] * outer
                under = image[m + 1, n, c] * (1 - outer) + image[m + 1, n + 1, c] * outer
                taken[y, x, c] += weight * (above * (1 - lower) + under * lower)
            taken[y, x, 3] += weight

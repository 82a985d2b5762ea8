"""Photo-consistency: which depth of a source's pixel other frames agree with. No learning.

Collins' space sweep (CVPR 1996) over planes that face a source frame: at the right depth the
other frames show the same colours and edges. Costs are then smoothed along four paths through the
image, as in semi-global matching (Hirschmüller, PAMI 2008), so that neighbours agree where there
is little texture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.surfaces.compiled import compiled
from anyview_ros.frames import Frame
from anyview_ros.geometry import inverse

EDGES = 4.0  # weight of gradients beside colours: they do not change with the light
MOST = 40.0  # grey levels: a difference above it says no more
STEP, JUMP = 1.0, 12.0  # costs of a neighbour one inverse depth, and more than one, away
AXES = ((1, 0), (0, 1))
EDGE_LEVELS = 8.0  # grey levels between neighbours that halve the cost of a jump
CHANNELS = 4  # luma, red against blue, and the gradients of luma

OFFSETS = (1, -1, 2, -2, 4, -4, 6, -6, 3, -3)  # of frames that help, the most useful first
SUPPORTS = 4  # frames at most: more tell nothing new, and chance agrees too often

Costs = NDArray[np.float32]


def supporting(frames: Sequence[Frame], k: int) -> list[Frame]:
    """Return those frames of a clip that say most of frame k's depths: near ones and far ones."""
    places = [k + offset for offset in OFFSETS if 0 <= k + offset < len(frames)]
    return [frames[place] for place in places[:SUPPORTS]]


def matching_costs(
    frame: Frame, others: Sequence[Frame], inverse_depths: NDArray[np.float64]
) -> Costs:
    """Return (H, W, B) mean differences, in grey levels, to the two frames that agree best.

    Two and not all, because a point may be hidden from the frames on one side.

    Args:
        frame: whose pixels are asked for.
        others: two or more, of any camera.
        inverse_depths: (B,) 1 / metres along the frame's optical axis.
    """
    wanted = _features(frame.image)
    turns, shifts = _epipolar(frame, others, inverse_depths)
    seen = [_doubled(_features(other.image)) for other in others]
    grids = np.array([features.shape[:2] for features in seen])
    flat = np.zeros((len(seen), grids.prod(axis=1).max(), CHANNELS), np.float32)
    for space, features in zip(flat, seen, strict=True):
        space[: features[..., 0].size] = features.reshape(-1, CHANNELS)
    costs = np.empty((*wanted.shape[:2], len(inverse_depths)), np.float32)
    _match(wanted, flat, grids, turns, shifts, costs)
    return _averaged(costs)


def smoothed(costs: Costs, image: NDArray[np.uint8]) -> Costs:
    """Return (H, W, B) costs to which their neighbours' have been added, 0 for each pixel's best.

    Args:
        image: (H, W, 3), across whose edges neighbours may differ.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    total = np.zeros_like(costs)
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        _add_path(costs, luma, down, right, total)
    total /= 4
    total -= total.min(axis=-1, keepdims=True)
    return total


def _features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W, 4) whose absolute differences add up to one in grey levels."""
    colours = cv2.GaussianBlur(image, (0, 0), 0.6).astype(np.float32)
    luma = colours.mean(axis=-1)
    right, down = (cv2.Sobel(luma, cv2.CV_32F, *axis, ksize=3, scale=0.25) for axis in AXES)
    parts = [2 * luma, colours[..., 0] - colours[..., 2], EDGES * right, EDGES * down]
    return np.ascontiguousarray(np.dstack(parts) / 5, np.float32)


def _doubled(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (2 H - 1, 2 W - 1, 4), what lies halfway between pixels too."""
    height, width = features.shape[:2]
    halved = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    drawn = cv2.warpAffine(features, halved, (2 * width - 1, 2 * height - 1), flags=how)
    return np.asarray(drawn, np.float32)


def _epipolar(
    frame: Frame, others: Sequence[Frame], inverse_depths: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 3, 3) and (N, 3, B) whose sum, applied to a pixel, is its homogeneous place in each."""
    pixels = np.linalg.inv(frame.camera.matrix)
    turns, shifts = [], []
    for other in others:
        other_from_frame = inverse(other.world_from_cam) @ frame.world_from_cam
        turns.append(other.camera.matrix @ other_from_frame[:3, :3] @ pixels)
        shifts.append(np.outer(other.camera.matrix @ other_from_frame[:3, 3], inverse_depths))
    return np.stack(turns).astype(np.float32), np.stack(shifts).astype(np.float32)


@compiled
def _match(wanted, seen, grids, turns, shifts, costs):  # type: ignore[no-untyped-def]
    """Fill in costs; the features of `seen` lie half a pixel apart, the nearest are taken."""
    height, width, depths = costs.shape
    first, second = np.empty(depths, np.float32), np.empty(depths, np.float32)
    places = np.empty(depths, np.int32)
    zero, half, one, two = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
    least, most = np.float32(1e-6), np.float32(MOST)
    for y in range(height):
        for x in range(width):
            first[:] = most
            second[:] = most
            for n in range(len(seen)):
                turn = turns[n]
                u0 = np.float32(turn[0, 0] * x + turn[0, 1] * y + turn[0, 2])
                v0 = np.float32(turn[1, 0] * x + turn[1, 1] * y + turn[1, 2])
                z0 = np.float32(turn[2, 0] * x + turn[2, 1] * y + turn[2, 2])
                row = np.int32(grids[n, 1])
                right_end = half * np.float32(grids[n, 1] - 1)
                lower_end = half * np.float32(grids[n, 0] - 1)
                for b in range(depths):  # no branch: several depths at once
                    z = z0 + shifts[n, 2, b]
                    over = one / max(z, least)
                    u, v = (u0 + shifts[n, 0, b]) * over, (v0 + shifts[n, 1, b]) * over
                    j, i = min(max(u, zero), right_end), min(max(v, zero), lower_end)
                    place = np.int32(two * i + half) * row + np.int32(two * j + half)
                    inside = (z > least) & (u == j) & (v == i)
                    places[b] = place if inside else np.int32(-1)
                shown, pixel = seen[n], wanted[y, x]
                for b in range(depths):
                    if places[b] >= 0:
                        apart = zero
                        for c in range(CHANNELS):
                            apart += abs(shown[places[b], c] - pixel[c])
                        apart = min(apart, most)
                        second[b] = min(second[b], max(first[b], apart))
                        first[b] = min(first[b], apart)
            for b in range(depths):
                costs[y, x, b] = half * (first[b] + second[b])


def _averaged(costs: Costs) -> Costs:
    """Means over 3 x 3 pixels."""
    padded = np.pad(costs, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: Costs = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return mean


@compiled
def _add_path(costs, luma, down, right, total):  # type: ignore[no-untyped-def]
    """Add to `total` the costs of the cheapest way to each pixel from one side."""
    height, width, depths = costs.shape
    way = np.empty((height, width, depths), np.float32)
    step, jump = np.float32(STEP), np.float32(JUMP)
    for i in range(height):
        y = i if down >= 0 else height - 1 - i
        for j in range(width):
            x = j if right >= 0 else width - 1 - j
            y0, x0 = y - down, x - right
            if not (0 <= y0 < height and 0 <= x0 < width):
                for b in range(depths):
                    way[y, x, b] = costs[y, x, b]
            else:
                before = way[y0, x0]
                least = before[0]
                for b in range(1, depths):
                    least = min(least, before[b])
                edge = abs(luma[y, x] - luma[y0, x0]) / np.float32(EDGE_LEVELS)
                most = least + max(np.float32(1.5) * step, jump / (1 + edge))
                for b in range(depths):
                    best = min(before[b], most)
                    if b > 0:
                        best = min(best, before[b - 1] + step)
                    if b < depths - 1:
                        best = min(best, before[b + 1] + step)
                    way[y, x, b] = costs[y, x, b] + best - least
            for b in range(depths):
                total[y, x, b] += way[y, x, b]

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
PATHS = 4  # through each pixel
AXES = ((1, 0), (0, 1))
EDGE_LEVELS = 8.0  # grey levels between neighbours that halve the cost of a jump
CHANNELS = 4  # luma, red against blue, and the gradients of luma
# Of their differences luma is worth 2 in 5, red against blue 1, and gradients EDGES in 5.
COLOURS = np.array([[2 / 3, 2 / 3, 2 / 3], [1, 0, -1]], np.float32) / 5
SLOPES = EDGES / 2 / 4  # of that luma, in a Sobel filter whose weights add up to 4

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
    return np.asarray(cv2.blur(costs, (3, 3), borderType=cv2.BORDER_REPLICATE), np.float32)


def smoothed(costs: Costs, image: NDArray[np.uint8]) -> Costs:
    """Return (H, W, B) costs to which their neighbours' have been added, 0 for each pixel's best.

    Args:
        image: (H, W, 3), across whose edges neighbours may differ.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    total = costs * np.float32(PATHS)
    _smooth(costs, luma, total)
    return total


def _features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W, 4) whose absolute differences add up to one in grey levels."""
    colours = cv2.GaussianBlur(image, (0, 0), 0.6).astype(np.float32)
    luma, red_to_blue = cv2.split(cv2.transform(colours, COLOURS))
    gradients = (cv2.Sobel(luma, cv2.CV_32F, *axis, ksize=3, scale=SLOPES) for axis in AXES)
    return np.asarray(cv2.merge([luma, red_to_blue, *gradients]), np.float32)


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


@compiled
def _smooth(costs, luma, total):  # type: ignore[no-untyped-def]
    """Add to four times the costs what it takes to come to each pixel along four paths, and make
    of that the mean over the paths, 0 for each pixel's best."""
    height, width, depths = costs.shape
    # Costs of the cheapest ways to pixels before and to these; beyond the ends of depth none is.
    old = np.full((width, depths + 2), np.float32(1e9), np.float32)
    new = old.copy()
    for k in range(2):  # down, and up again
        for i in range(height):
            y = i if k == 0 else height - 1 - i
            before = -1 if i == 0 else (y - 1 if k == 0 else y + 1)
            for x in range(width):
                _step(old, new, x, costs, luma, (y, x), (before, x), total)
            old, new = new, old
    for y in range(height):
        for k in range(2):  # right, and left again
            for j in range(width):
                x = j if k == 0 else width - 1 - j
                before = -1 if j == 0 else (x - 1 if k == 0 else x + 1)
                _step(old, new, 0, costs, luma, (y, x), (y, before), total)
                old, new = new, old
        for x in range(width):
            least = total[y, x, 0]
            for b in range(1, depths):
                least = min(least, total[y, x, b])
            for b in range(depths):
                total[y, x, b] = (total[y, x, b] - least) / np.float32(PATHS)


@compiled
def _step(old, new, path, costs, luma, pixel, before, total):  # type: ignore[no-untyped-def]
    """Go on to a pixel of a path, from the one before, or from none where that is below 0."""
    depths = costs.shape[-1]
    y, x = pixel
    if min(before) < 0:
        for b in range(depths):
            new[path, b + 1] = costs[y, x, b]
        return
    least = old[path, 1]
    for b in range(1, depths):
        least = min(least, old[path, b + 1])
    edge = abs(luma[y, x] - luma[before]) / np.float32(EDGE_LEVELS)
    step = np.float32(STEP)
    most = least + max(np.float32(1.5) * step, np.float32(JUMP) / (1 + edge))
    for b in range(depths):
        moved = min(old[path, b], old[path, b + 2]) + step
        added = min(min(old[path, b + 1], most), moved) - least
        total[y, x, b] += added
        new[path, b + 1] = costs[y, x, b] + added

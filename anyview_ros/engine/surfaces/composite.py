"""The composite: what the sources show of a target, as one more candidate of its plane sweep.

A candidate of a plane is right where the plane lies on a surface. The composite is made of the
surfaces that were chosen (`surface_choice`), so it is right wherever they are; between them it is
filled in from around, and its marks say how much of a cell it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import LatentShape
from anyview_ros.engine.plane_sweep import EMPTY, MARKS, Candidates
from anyview_ros.engine.surfaces.choice import Choice
from anyview_ros.engine.surfaces.colours import surface_colours
from anyview_ros.frames import Clip, View

THIN = 0.02  # share from which a pixel's own colour is all that counts
Array = NDArray[np.float32]


def composite(
    choices: Sequence[Choice], sources: Sequence[Clip], target: View, latent: LatentShape
) -> Candidates:
    """Return one candidate of T frames: colours, and marks.

    The marks of a cell are 1, for all of it has colours, and the share that no source shows.

    Args:
        choices: of each of the T frames, at the target's size.
        sources: clips of T frames each, in the order of the choices' owners.
    """
    camera = target.camera
    shown = [
        surface_colours([clip.frames[k] for clip in sources], camera, pose, choice)
        for k, (pose, choice) in enumerate(zip(target.world_from_cam, choices, strict=True))
    ]
    images = np.stack([filled(frame) for frame in shown])
    _, groups, rows, columns = latent.of(len(shown), camera.height, camera.width)
    shares = np.stack(
        [cv2.resize(f[..., 3], (columns, rows), interpolation=cv2.INTER_AREA) for f in shown]
    )
    marks = np.ones((1, MARKS, groups, rows, columns), np.float32)
    marks[0, 1, 0] -= shares[0]
    marks[0, 1, 1:] -= shares[1:].reshape(groups - 1, latent.time, rows, columns).mean(axis=1)
    return Candidates(images[None], marks)


def filled(taken: Array) -> NDArray[np.uint8]:
    """Return (H, W, 3) of colours times shares and shares (H, W, 4); gaps take what is around.

    Coarser and coarser means fill what finer ones leave open, as in Burt's pyramids; where nothing
    is shown at all it is grey.
    """
    levels = [taken]
    while min(levels[-1].shape[:2]) > 1:
        height, width = levels[-1].shape[:2]
        size = (width + 1) // 2, (height + 1) // 2
        levels.append(np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)))
    colours = np.full((*levels[-1].shape[:2], 3), EMPTY, np.float32)
    for level in reversed(levels):
        height, width = level.shape[:2]
        below = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
        share = level[..., 3:]
        own = np.minimum(share / np.float32(THIN), 1)
        mean = level[..., :3] / np.maximum(share, np.float32(1e-6))
        colours = np.asarray(below.reshape(mean.shape) + own * (mean - below.reshape(mean.shape)))
    return np.asarray(np.rint(colours.clip(0, 255)), np.uint8)

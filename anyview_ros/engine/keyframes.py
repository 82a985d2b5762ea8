"""The choice of keyframes: frames of the past that show a target what no camera shows it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from anyview_ros.engine.seen_points import LEAST_GAIN, Seen, seen_by_each, seen_points
from anyview_ros.frames import Clip, View

DOUBTFUL_AGE_S = 10.0  # an age that halves a frame's worth, as the next two do
DOUBTFUL_ANGLE = 1.0  # radians between the optical axes
DOUBTFUL_DISTANCE = 1.0  # between the cameras, in units of 1 / scene_scale

Keyframe = TypeVar("Keyframe", bound=Seen)


def choose_keyframes(
    target: View,
    live: Sequence[Clip],
    history: Sequence[Keyframe],
    scene_scale: float,
    count: int,
) -> list[Keyframe]:
    """Return at most `count` frames of the history, the one that adds most first.

    A frame adds the share of the target's sample points (`seen_points`) that lie in its image and
    in none of the live clips' or of those chosen before it, at the begin, middle and end of the
    clip. One that adds less than LEAST_GAIN is not taken: a camera that stands still gains
    nothing. Of frames that add as much, the younger one counts more, and the one that looks more
    like the target; see `likeness`.

    Args:
        target: T poses.
        live: clips of the same T instants, at least one; the last stamp is now.
        history: frames of any cameras, at any poses, in any order.
    """
    if not history or count < 1:
        return []
    now_ns = max(clip.stamps_ns[-1] for clip in live)
    instants = [0, (len(target.world_from_cam) - 1) // 2, -1]
    glance = View(target.camera, target.world_from_cam[instants])
    views = [View(clip.frames[0].camera, clip.world_from_cam[instants]) for clip in live]
    shown = np.any([seen_points(view, glance, scene_scale) for view in views], axis=0)
    missing = ~shown.reshape(-1)
    seen = seen_by_each(history, glance, scene_scale).reshape(len(history), len(missing))
    worth = np.ones(len(history))
    chosen: list[int] = []
    while len(chosen) < count:
        gains = np.count_nonzero(seen & missing, axis=1) / len(missing)
        useful = np.flatnonzero(gains >= LEAST_GAIN)
        if not len(useful):
            break
        if not chosen:
            for k in useful.tolist():
                worth[k] = likeness(history[k], target, now_ns, scene_scale)
        best = int(useful[np.argmax(gains[useful] * worth[useful])])
        chosen.append(best)
        missing &= ~seen[best]
    return [history[k] for k in chosen]


def likeness(frame: Seen, target: View, now_ns: int, scene_scale: float) -> float:
    """Return 1 for the target's own view of now, less the older, farther and more turned it is."""
    poses = target.world_from_cam
    distance = np.linalg.norm(poses[:, :3, 3] - frame.world_from_cam[:3, 3], axis=1).mean()
    cosines = poses[:, :3, 2] @ frame.world_from_cam[:3, 2]
    angle = np.arccos(np.clip(cosines, -1.0, 1.0)).mean()
    doubt = abs(now_ns - frame.stamp_ns) / 1e9 / DOUBTFUL_AGE_S + angle / DOUBTFUL_ANGLE
    doubt += distance * scene_scale / DOUBTFUL_DISTANCE
    return float(1 / (1 + doubt))

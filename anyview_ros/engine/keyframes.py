"""The choice of keyframes: frames of the past that show a target what no camera shows it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.seen_points import LEAST_GAIN, seen_points
from anyview_ros.frames import Camera, Clip, View

DOUBTFUL_AGE_S = 10.0  # an age that halves a frame's worth, as the next two do
DOUBTFUL_ANGLE = 1.0  # radians between the optical axes
DOUBTFUL_DISTANCE = 1.0  # between the cameras, in units of 1 / scene_scale


class Seen(Protocol):
    """A frame, or what is known of one whose image need not be there to choose it."""

    @property
    def stamp_ns(self) -> int: ...

    @property
    def camera(self) -> Camera: ...

    @property
    def world_from_cam(self) -> NDArray[np.float64]: ...


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
    in none of the live clips' or of those chosen before it. One that adds less than LEAST_GAIN
    is not taken: a camera that stands still gains nothing. Of frames that add as much, the
    younger one counts more, and the one that looks more like the target; see `likeness`.

    Args:
        target: T poses.
        live: clips of the same T instants, at least one; the last stamp is now.
        history: frames of any cameras, at any poses, in any order.
    """
    now_ns = max(clip.stamps_ns[-1] for clip in live)
    missing = ~np.any([seen_points(_view(clip), target, scene_scale) for clip in live], axis=0)
    seen = [seen_points(_standing(frame), target, scene_scale) for frame in history]
    worth = [likeness(frame, target, now_ns, scene_scale) for frame in history]
    chosen: list[int] = []
    while len(chosen) < min(count, len(history)):
        gains = np.array([np.mean(points & missing) for points in seen])
        best = int(np.argmax(np.where(gains >= LEAST_GAIN, gains * worth, 0.0)))
        if gains[best] < LEAST_GAIN:
            break
        chosen.append(best)
        missing &= ~seen[best]
    return [history[k] for k in chosen]


def likeness(frame: Seen, target: View, now_ns: int, scene_scale: float) -> float:
    """Return 1 for the target's own view of now, less the older, farther and more turned it is."""
    poses = target.world_from_cam
    distance = np.linalg.norm(poses[:, :3, 3] - frame.world_from_cam[:3, 3], axis=1).mean()
    cosines = poses[:, :3, 2] @ frame.world_from_cam[:3, 2]
    angle = np.arccos(np.clip(cosines, -1.0, 1.0)).mean()
    doubt = (now_ns - frame.stamp_ns) / 1e9 / DOUBTFUL_AGE_S + angle / DOUBTFUL_ANGLE
    doubt += distance * scene_scale / DOUBTFUL_DISTANCE
    return float(1 / (1 + doubt))


def _view(clip: Clip) -> View:
    return View(clip.frames[0].camera, clip.world_from_cam)


def _standing(frame: Seen) -> View:
    return View(frame.camera, frame.world_from_cam[None])

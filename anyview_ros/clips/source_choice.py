"""Which cameras a virtual one is synthesized from, when the caller leaves it to the node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.keyframes import likeness
from anyview_ros.engine.seen_points import LEAST_GAIN, seen_by_each, seen_points
from anyview_ros.frames import Camera, Frame, View


@dataclass(frozen=True)
class Candidate:
    """A source and the target at the same instants, one pose each.

    The target may have intrinsics that are the source's.
    """

    source: View
    target: View


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What a camera saw before."""

    name: str
    frame: Frame

    @property
    def stamp_ns(self) -> int:
        return self.frame.stamp_ns

    @property
    def camera(self) -> Camera:
        return self.frame.camera

    @property
    def world_from_cam(self) -> NDArray[np.float64]:
        return self.frame.world_from_cam

    def words(self, now_ns: int) -> str:
        """Return its camera's name and its distance in time."""
        age_ns = now_ns - self.stamp_ns
        side = "before" if age_ns >= 0 else "after"
        return f"'{self.name}' {abs(age_ns) / 1e9:.1f} s {side}"


@dataclass(frozen=True, eq=False)
class Past:
    """The keyframes that a clip may use, and the stamp of its end."""

    keyframes: Sequence[Keyframe]
    now_ns: int


NO_PAST = Past((), 0)


@dataclass(frozen=True)
class Choice:
    """The sources of a virtual camera, the first one's stamps count, and why these."""

    names: tuple[str, ...]
    reason: str


def rank_sources(
    candidates: Mapping[str, Candidate], scene_scale: float, keep: str = ""
) -> list[str]:
    """Return the names of the sources, the best one first.

    The best source sees the largest share of what the target looks at: of points on a grid of
    the target's rays at depths 0.25 to 2 over `scene_scale` (4 to 32 m at 1/16), over all
    instants. Where shares are equal (none sees any), the one whose optical axis is nearest to the
    target's, then the first by name.

    Args:
        keep: a source that stays the best unless another sees LEAST_GAIN more, so that of two
            that see as much a stream does not take one and the other in turn.
    """

    def rank(name: str) -> tuple[float, float, str]:
        candidate = candidates[name]
        share = seen_share(candidate, scene_scale) + (LEAST_GAIN if name == keep else 0.0)
        return -share, axis_angle(candidate), name

    return sorted(candidates, key=rank)


def select_complementary(
    first: str,
    candidates: Mapping[str, Candidate],
    scene_scale: float,
    most: int,
    past: Past = NO_PAST,
) -> Choice:
    """Return a source with those that see most of what it does not: `most` with keyframes.

    One after the other the source is taken that adds the largest share; one that adds less than
    LEAST_GAIN is not. A keyframe takes its place where it adds more than that source, though what
    it adds counts the less the older and the less like the target's view it is (`likeness`). The
    target's intrinsics are those beside the first source.

    Args:
        candidates: the first one among them, all with the same number of instants.
        past: what they compete with; only sources of now are in the choice.
    """
    target = candidates[first].target
    seen = {
        name: seen_points(c.source, View(target.camera, c.target.world_from_cam), scene_scale)
        for name, c in candidates.items()
    }
    keyframes = past.keyframes if len(seen) > 1 and most > 1 else ()  # else there is no choice
    before = seen_by_each(keyframes, target, scene_scale)
    worth = [likeness(key, target, past.now_ns, scene_scale) for key in keyframes]
    names, union, free = [first], seen.pop(first), most - 1
    reasons = [f"'{first}' sees {_percent(union)}"]
    while seen:
        name = max(sorted(seen), key=lambda name: np.mean(seen[name] & ~union))
        gain = seen[name] & ~union
        if not free or np.mean(gain) < LEAST_GAIN:
            reasons.append(f"'{name}' would add {_percent(gain)}")
            break
        free -= 1
        gains = np.mean(before & ~union, axis=(1, 2)) * worth
        if len(gains) and np.max(gains) > np.mean(gain):
            k = int(np.argmax(gains))
            added = f"{keyframes[k].words(past.now_ns)} adds {_percent(before[k] & ~union)}"
            reasons.append(added)
            union |= before[k]
            continue
        reasons.append(f"'{name}' adds {_percent(gain)}")
        names.append(name)
        union |= seen.pop(name)
    return Choice(tuple(names), ", ".join(reasons))


def seen_share(candidate: Candidate, scene_scale: float) -> float:
    """Return the share, 0 to 1, of the target's sample points that lie in the source's image."""
    return float(np.mean(seen_points(candidate.source, candidate.target, scene_scale)))


def axis_angle(candidate: Candidate) -> float:
    """Return the angle between the two optical axes in radians, the mean over the instants."""
    source, target = candidate.source.world_from_cam, candidate.target.world_from_cam
    cosines = np.sum(source[:, :3, 2] * target[:, :3, 2], axis=1)
    return float(np.mean(np.arccos(np.clip(cosines, -1.0, 1.0))))


def _percent(seen: NDArray[np.bool_]) -> str:
    return f"{100 * np.mean(seen):.0f} %"

"""Which recorded frames make scenes: all cameras on one time grid, without a gap."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.lenses import Lens


@dataclass(frozen=True)
class Shot:
    """A recorded frame whose camera and pose are known; its pixels are still in the recording.

    Args:
        stamp_ns: of the image.
        lens: of the image.
        world_from_cam: (4, 4) of the rectified camera.
    """

    stamp_ns: int
    lens: Lens
    world_from_cam: NDArray[np.float64]


class Timeline(Protocol):
    """A recorded camera."""

    @property
    def stamps_ns(self) -> Sequence[int]:
        """Of its images, increasing."""
        ...

    def shot(self, stamp_ns: int) -> Shot:
        """Raises AnyviewError for an image that cannot be used."""
        ...


Instant = Mapping[str, Shot]  # by camera
EVER_NS = 2**63


@dataclass(frozen=True)
class Reason:
    """Why an instant is left out: the code of an error, and the camera it concerns."""

    code: str
    camera: str


@dataclass
class Plan:
    """What to convert.

    Args:
        num_frames: of each scene.
        scenes: as many instants each.
        instants: of the time grid.
        left_out: instants that have no frame of every camera, by reason.
        examples: the first error of each reason.
        short: instants that are good, in runs that are too short or at the end of one.
    """

    num_frames: int
    scenes: list[list[Instant]] = field(default_factory=list)
    instants: int = 0
    left_out: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, AnyviewError] = field(default_factory=dict)
    short: int = 0

    def shots(self) -> Iterator[tuple[int, int, str, Shot]]:
        """Scene, place in time, camera and frame of everything that is to be converted."""
        for number, instants in enumerate(self.scenes):
            for index, instant in enumerate(instants):
                for camera, shot in instant.items():
                    yield number, index, camera, shot

    def reasons(self) -> list[str]:
        """A line for each reason why instants are left out, the most frequent first."""
        lines = [
            f"{count} instants: {reason.code} ({reason.camera}), e.g. {self.examples[reason]}"
            for reason, count in self.left_out.most_common()
        ]
        if self.short:
            lines.append(f"{self.short} instants: in runs too short for {self.num_frames} frames")
        return lines


def plan_scenes(cameras: Mapping[str, Timeline], num_frames: int, period_ns: int) -> Plan:
    """Cut a recording into scenes of `num_frames` consecutive instants of a time grid.

    An instant has of every camera the frame nearest to it, within half a period, and none twice:
    the rule by which the node cuts clips. A scene is of one calibration.

    Raises:
        AnyviewError: `no_common_time` when there is no time at which all cameras were recorded.
    """
    plan, run = Plan(num_frames), list[Instant]()
    instants, place = grid(cameras, period_ns), 0
    while place < len(instants):
        at_ns = instants[place]
        try:
            instant = _instant(cameras, at_ns, period_ns, run[-1] if run else {})
        except _LeftOutError as left_out:
            # A gap is passed at once: stamps may claim years.
            empty = max(1, (left_out.until_ns - at_ns) // period_ns)
            empty = min(empty, len(instants) - place)
            plan.instants += empty
            place += empty
            plan.left_out[left_out.reason] += empty
            plan.examples.setdefault(left_out.reason, left_out.error)
            plan.short += len(run)
            run = []
            continue
        plan.instants += 1
        place += 1
        if run and not _same_lenses(run[-1], instant):
            plan.short += len(run)
            run = []
        run.append(instant)
        if len(run) == num_frames:
            plan.scenes.append(run)
            run = []
    plan.short += len(run)
    return plan


def grid(cameras: Mapping[str, Timeline], period_ns: int) -> range:
    """Instants one period apart while all cameras were recorded, from a frame of the first on."""
    reach = reach_ns(period_ns)
    start = max(camera.stamps_ns[0] for camera in cameras.values()) - reach
    end = min(camera.stamps_ns[-1] for camera in cameras.values()) + reach
    leader = next(iter(cameras.values())).stamps_ns
    first = bisect_left(leader, start)
    if first == len(leader) or leader[first] > end:
        spans = {
            name: f"{camera.stamps_ns[0] / 1e9:.3f} to {camera.stamps_ns[-1] / 1e9:.3f} s"
            for name, camera in cameras.items()
        }
        raise AnyviewError(
            "no_common_time",
            f"all cameras must have been recorded at one time, got {spans}; choose cameras that "
            "were",
        )
    return range(leader[first], end + 1, period_ns)


def reach_ns(period_ns: int) -> int:
    """Half a period, and a hundredth for the rounding of stamps, as in the frame buffer."""
    return period_ns * 51 // 100


class _LeftOutError(Exception):
    """An instant is of no use, nor is any before `until_ns`."""

    def __init__(self, camera: str, error: AnyviewError, until_ns: int) -> None:
        super().__init__(str(error))
        self.reason, self.error, self.until_ns = Reason(error.code, camera), error, until_ns


def _instant(
    cameras: Mapping[str, Timeline], at_ns: int, period_ns: int, before: Instant
) -> Instant:
    shots = {}
    for name, camera in cameras.items():
        try:
            shots[name] = camera.shot(_nearest(camera, at_ns, period_ns))
            if name in before and before[name].stamp_ns == shots[name].stamp_ns:
                raise AnyviewError(
                    "clip_duplicate",
                    f"the frame of {shots[name].stamp_ns / 1e9:.3f} s is the nearest to two "
                    "instants; frames come more slowly than the period",
                )
        except AnyviewError as error:
            ends_ns = at_ns if error.code != "clip_gap" else _gap_end(camera, at_ns, period_ns)
            raise _LeftOutError(name, error, ends_ns) from None
    return shots


def _gap_end(camera: Timeline, at_ns: int, period_ns: int) -> int:
    """The time from which on a camera's next frame is near."""
    stamps = camera.stamps_ns
    after = bisect_left(stamps, at_ns)
    return (stamps[after] if after < len(stamps) else EVER_NS) - reach_ns(period_ns)


def _nearest(camera: Timeline, at_ns: int, period_ns: int) -> int:
    """Stamp of the frame nearest to a time, the earlier where two are equally near."""
    stamps = camera.stamps_ns
    i = bisect_left(stamps, at_ns)
    nearest = min(stamps[max(i - 1, 0) : i + 1], key=lambda stamp: abs(stamp - at_ns))
    if abs(nearest - at_ns) > reach_ns(period_ns):
        raise AnyviewError(
            "clip_gap",
            f"no frame within half a period of {at_ns / 1e9:.3f} s, the nearest is of "
            f"{nearest / 1e9:.3f} s",
        )
    return nearest


def _same_lenses(before: Instant, after: Instant) -> bool:
    return all(before[name].lens == after[name].lens for name in after)

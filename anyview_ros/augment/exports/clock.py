"""When a data set takes its samples, and how far from them the frames were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import stamp_ns

NS = 1_000_000_000
ROUNDING = 1.02  # of stamps, as `scene_plan.reach_ns`


@dataclass(frozen=True)
class Clock:
    """Which instants are sampled: so many a second, or those of a topic's messages.

    Args:
        fps: samples a second; 0 = by the topic.
        topic: whose messages give the instants; empty = by fps.
        tolerance_ns: from a sample to its frame at most; 0 = half a period.

    Raises:
        AnyviewError: `invalid_parameter`.
    """

    fps: int = 0
    topic: str = ""
    tolerance_ns: int = 0

    def __post_init__(self) -> None:
        if bool(self.topic) == bool(self.fps):
            raise AnyviewError(
                "invalid_parameter",
                "an export takes its samples by one clock: pass --fps N or --clock TOPIC",
            )
        if self.fps < 0 or self.tolerance_ns < 0:
            raise AnyviewError(
                "invalid_parameter",
                f"fps and tolerance must be positive, got {self.fps} and "
                f"{self.tolerance_ns / NS:g} s",
            )

    def __str__(self) -> str:
        return f"{self.fps} a second" if self.fps else f"messages of {self.topic}"


@dataclass(frozen=True)
class Samples:
    """The instants of a data set, and the frame of every camera that is nearest to each.

    Args:
        clock: by which they were taken.
        times_ns: (N,) int64, increasing.
        stamps_ns: (N,) int64 of the frames, by camera.
        period_ns: between two samples, the median.
    """

    clock: Clock
    times_ns: NDArray[np.int64]
    stamps_ns: Mapping[str, NDArray[np.int64]]
    period_ns: int

    def __len__(self) -> int:
        return len(self.times_ns)

    @property
    def distances_ns(self) -> Mapping[str, NDArray[np.int64]]:
        """Return |stamp - time| by camera."""
        return {name: np.abs(stamps - self.times_ns) for name, stamps in self.stamps_ns.items()}

    @property
    def mean_s(self) -> float:
        """Return the mean distance over all cameras, in seconds."""
        return float(np.mean([found.mean() for found in self.distances_ns.values()])) / NS

    @property
    def worst_s(self) -> float:
        """Return the largest distance of any camera, in seconds."""
        return max(int(found.max()) for found in self.distances_ns.values()) / NS

    def line(self) -> str:
        """Return how well the frames fit, for people."""
        distances = self.distances_ns
        worst = max(distances, key=lambda name: int(distances[name].max()))
        return (
            f"{len(self)} samples, {self.clock}: their frames are {self.mean_s:.4f} s away on "
            f"average, {self.worst_s:.4f} s at worst ({worst})"
        )


def recorded_times(bag: Bag, topic: str) -> list[int]:
    """Return the instants of a topic's messages: header stamps, else times of recording.

    Raises:
        AnyviewError: `unknown_topic`, `invalid_message`.
    """
    times: list[int] = []
    has_header: bool | None = None
    for recorded in bag.recorded({topic}):
        if has_header is None:
            header = getattr(bag.message(recorded), "header", None)
            has_header = header is not None and stamp_ns(header.stamp) > 0
        times.append(recorded.stamp_ns if has_header else recorded.time_ns)
    if not times:
        raise AnyviewError(
            "unknown_topic",
            f"nothing was recorded on '{topic}'; take another topic as the clock (--clock), or "
            "--fps N",
        )
    return sorted(set(times))


def sample(
    clock: Clock, stamps_ns: Mapping[str, Sequence[int]], times_ns: Sequence[int] = ()
) -> Samples:
    """Return the samples in the time that all cameras share.

    Args:
        stamps_ns: increasing, by camera.
        times_ns: increasing, of the clock's topic, where it has one.

    Raises:
        AnyviewError: `no_common_time`, `clock_mismatch`.
    """
    start = max(stamps[0] for stamps in stamps_ns.values())
    end = min(stamps[-1] for stamps in stamps_ns.values())
    if clock.fps:
        period_ns = round(NS / clock.fps)
        count = max(0, (end - start) * clock.fps // NS + 1)
        # From the index each time, so that nothing adds up.
        times = np.array([start + round(k * NS / clock.fps) for k in range(count)], np.int64)
    else:
        given = np.asarray(times_ns, np.int64)
        times = given[(given >= start) & (given <= end)]
        period_ns = int(np.median(np.diff(given))) if len(given) > 1 else NS
    if not len(times):
        raise AnyviewError(
            "no_common_time",
            f"no sample ({clock}) lies in the time that all cameras share, {start / NS:.3f} to "
            f"{end / NS:.3f} s; take cameras that were on at one time (--sources), or another "
            "clock",
        )
    found = {name: _nearest(np.asarray(s, np.int64), times) for name, s in stamps_ns.items()}
    samples = Samples(clock, times, found, period_ns)
    _check(samples, stamps_ns)
    return samples


def check_rate(clock: Clock, period_ns: int, camera: str) -> None:
    """Refuse a clock that a camera which is not made yet cannot follow, whatever its stamps.

    Args:
        period_ns: between two of its frames. Somewhere a sample lies within half a period of the
            clock from the midst between two frames.

    Raises:
        AnyviewError: `clock_mismatch`.
    """
    if not clock.fps:
        return
    own_ns = NS // clock.fps
    least_ns = (period_ns - own_ns) / 2
    if least_ns > _tolerance_ns(clock, own_ns):
        raise AnyviewError(
            "clock_mismatch",
            f"camera '{camera}' has a frame every {period_ns / NS:.3f} s, and {clock.fps} samples "
            f"a second want one every {own_ns / NS:.3f} s; pass --fps {max(1, NS // period_ns)} "
            "or lower",
        )


def _tolerance_ns(clock: Clock, period_ns: int) -> int:
    return clock.tolerance_ns or int(period_ns / 2 * ROUNDING)


def _nearest(stamps: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each time the nearest stamp, the earlier where two are equally near."""
    after = np.clip(np.searchsorted(stamps, times), 1, max(1, len(stamps) - 1))
    if len(stamps) == 1:
        return np.full(len(times), stamps[0])
    before, behind = stamps[after - 1], stamps[after]
    return np.where(times - before <= behind - times, before, behind)


def _check(samples: Samples, stamps_ns: Mapping[str, Sequence[int]]) -> None:
    allowed_ns = _tolerance_ns(samples.clock, samples.period_ns)
    distances = samples.distances_ns
    name = max(distances, key=lambda camera: int(distances[camera].max()))
    place = int(distances[name].argmax())
    worst_ns = int(distances[name][place])
    if worst_ns <= allowed_ns:
        return
    periods = np.diff(np.asarray(stamps_ns[name], np.int64))
    rate = f"{NS / float(np.median(periods)):.3g} Hz" if len(periods) else "one frame"
    raise AnyviewError(
        "clock_mismatch",
        f"the frame of '{name}' ({rate}) nearest to the sample of "
        f"{samples.times_ns[place] / NS:.3f} s is {worst_ns / NS:.4f} s away, "
        f"{allowed_ns / NS:.4f} s are allowed (mean {samples.mean_s:.4f} s); pass a lower --fps, "
        f"or allow it: --tolerance {np.ceil(worst_ns / 1e5) / 1e4:.4f}",
    )


def constant_rate(samples: Samples) -> int:
    """Return the whole number of samples a second, for formats that know no other time.

    Raises:
        AnyviewError: `clock_mismatch` where the clock is further from that than its tolerance.
    """
    fps = samples.clock.fps or max(1, round(NS / samples.period_ns))
    grid = samples.times_ns[0] + np.rint(np.arange(len(samples)) * NS / fps).astype(np.int64)
    away = np.abs(samples.times_ns - grid)
    allowed_ns = _tolerance_ns(samples.clock, samples.period_ns)
    if int(away.max()) > allowed_ns:
        raise AnyviewError(
            "clock_mismatch",
            f"LeRobot has {fps} samples a second and no other time; sample {int(away.argmax())} of "
            f"the {samples.clock} is {away.max() / NS:.4f} s away, {allowed_ns / NS:.4f} s are "
            "allowed; pass --fps N in place of --clock",
        )
    return fps

"""Problems of one camera's stream, for diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median, median_high

from anyview_ros.clips.ledger import LedgerSnapshot

REMEMBERED_STAMPS = 64
OTHER_CLOCK_NS = 1_000_000_000  # cameras of one robot differ by transport, which takes less
FAR_S = 60.0  # between stamps and a clock that cannot be the same
SILENT_NS = 2_000_000_000  # a camera that sends nothing for so long has stopped
PAUSE_NS = 500_000_000  # without a frame of any camera; what is longer is a pause of all
FRESH_NS = 5_000_000_000  # a trouble not seen for this long is over

LARGE_IMAGE_REMEDY = (
    "if they are large raw images, the default shared-memory segment of Fast DDS loses them "
    "silently: start the camera driver with FASTRTPS_DEFAULT_PROFILES_FILE (Jazzy) or "
    "FASTDDS_DEFAULT_PROFILES_FILE (Kilted and later) set to anyview_ros's config/fastdds.xml, "
    "give a container a larger /dev/shm, or set the camera's reliability to 'reliable'"
)


class Activity:
    """A clock that goes while frames come: a pause of all cameras makes none silent.

    Not thread-safe. Its times begin at 1.
    """

    def __init__(self) -> None:
        self._noted_at: int | None = None
        self._time_ns = 1

    def note(self, now_ns: int) -> int:
        """Note that a frame of some camera came; return the time by this clock.

        Args:
            now_ns: of a steady clock.
        """
        if self._noted_at is not None:
            self._time_ns += min(max(now_ns - self._noted_at, 0), PAUSE_NS)
        self._noted_at = now_ns
        return self._time_ns


@dataclass(frozen=True)
class Problem:
    """A trouble with its remedy, ready for diagnostics; the code is stable."""

    code: str
    text: str


@dataclass(frozen=True)
class SourceStatus:
    """One instant of a stream, for diagnostics.

    Args:
        ledger: where its frames went.
        rate_hz: of header stamps, 0 when unknown.
        newest_stamp_ns: of the images received in this epoch.
        problems: what is wrong now, each with its remedy.
        keyframes: single frames that are remembered, some of them in the buffer too.
    """

    name: str
    topic: str
    ledger: LedgerSnapshot
    rate_hz: float
    newest_stamp_ns: int | None
    problems: tuple[Problem, ...]
    keyframes: int = 0


def with_clock_problems(statuses: Sequence[SourceStatus]) -> list[SourceStatus]:
    """Return the statuses, with a problem for each camera whose clock is far from the others'.

    Clocks are compared by the newest stamps of cameras that send, with their median (of two, the
    later).
    """
    silent = {"no_images", "no_publisher"}
    sending = {
        status.newest_stamp_ns: status
        for status in statuses
        if status.newest_stamp_ns and silent.isdisjoint(p.code for p in status.problems)
    }
    if len(sending) < 2:
        return list(statuses)
    usual_ns = median_high(sending)
    return [_with_clock_problem(status, usual_ns, sending[usual_ns]) for status in statuses]


def _with_clock_problem(status: SourceStatus, usual_ns: int, usual: SourceStatus) -> SourceStatus:
    late_ns = usual_ns - (status.newest_stamp_ns or usual_ns)
    if abs(late_ns) <= OTHER_CLOCK_NS:
        return status
    problem = Problem(
        "other_clock",
        f"the newest stamp of '{status.topic}' is {abs(late_ns) / 1e9:.3f} s "
        f"{'before' if late_ns > 0 else 'after'} that of '{usual.topic}': synchronise their clocks "
        f"(PTP, chrony), or set {status.name}.clock_offset_s to about {late_ns / 1e9:.3f} more",
    )
    return replace(status, problems=(*status.problems, problem))


class SourceHealth:
    """Rate and gaps by header stamps, and the problems of the last seconds. Not thread-safe.

    Args:
        topic: of the images, begins every text.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._stamps: deque[int] = deque(maxlen=REMEMBERED_STAMPS)
        self._notes: dict[str, tuple[int, Problem]] = {}

    def add_stamp(self, stamp_ns: int) -> None:
        """Add the stamp of an image; stamps increase within an epoch."""
        self._stamps.append(stamp_ns)

    def note(self, code: str, text: str, now_ns: int) -> None:
        """Remember a problem, in place of an older one of its code.

        Args:
            now_ns: of a steady clock.
        """
        self._notes[code] = (now_ns, Problem(code, f"'{self._topic}': {text}"))

    def noted(self) -> list[Problem]:
        """Return every problem that was noted, however long ago; the newest of each code."""
        return [problem for _, problem in self._notes.values()]

    def new_epoch(self) -> None:
        self._stamps.clear()

    @property
    def rate_hz(self) -> float:
        """Return the rate by the median interval of header stamps; 0 before the second image."""
        interval = self._interval_ns()
        return 1e9 / interval if interval else 0.0

    def problems(self, now_ns: int) -> Iterator[Problem]:
        """Yield the problems of the last seconds, and the share of images that never came."""
        yield from (problem for at_ns, problem in self._notes.values() if now_ns - at_ns < FRESH_NS)
        missing = self._missing()
        if missing:
            yield Problem(
                "stamp_gaps",
                f"'{self._topic}': header stamps show {missing} images missing among the last "
                f"{len(self._stamps) + missing} at {self.rate_hz:.1f} Hz; {LARGE_IMAGE_REMEDY}",
            )

    def _interval_ns(self) -> float:
        intervals = [b - a for a, b in pairwise(self._stamps)]
        return float(median(intervals)) if intervals else 0.0

    def _missing(self) -> int:
        interval = self._interval_ns()
        if not interval:
            return 0
        return sum(max(round((b - a) / interval) - 1, 0) for a, b in pairwise(self._stamps))

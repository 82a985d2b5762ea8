"""Whether something grew in hours of work, and in which order faults come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeVar

import numpy as np

from anyview_ros.chaos.fault import Fault

Named = TypeVar("Named", bound=Fault)
Life = Sequence[tuple[float, float]]

WARM_SHARE = 0.25  # of the run: so long a process is, until it has met what is asked at random
ENDS_WORKER = ("worker_", "model_damaged")  # how their names begin


class Limit(NamedTuple):
    """How much a measure may grow.

    Args:
        per_hour: in its unit.
        rise: in its unit, that comes and goes: less, over the longest life, is no growth.
    """

    per_hour: float
    rise: float


# By reason, not by what was measured. A node may work for a day before somebody starts it again: it
# may take half a gigabyte more by then. And for a week before it meets the usual limit of 1024 open
# files. Ten seconds of three cameras, 33 MB, are sometimes half there: while images are dropped.
MEMORY_MB = Limit(24.0, 16.0)
HANDLES = Limit(6.0, 4.0)


class Growth(NamedTuple):
    """How a measure went.

    Args:
        per_hour: slope of a line through each life, one slope for all.
        longest_h: hours of the longest life.
    """

    per_hour: float
    longest_h: float

    def exceeds(self, limit: Limit) -> bool:
        """Return whether it grew faster than it may, and by more than what comes and goes."""
        return self.per_hour > limit.per_hour and self.per_hour * self.longest_h > limit.rise


def lives(
    samples: Iterable[tuple[float, int | None, float]], warm_s: float
) -> Mapping[int, list[tuple[float, float]]]:
    """Return (hours, value) by process, once it is warm.

    Args:
        samples: in order: seconds since the begin, id of the process, value.
        warm_s: seconds that are left out of each life.
    """
    began_s, found = dict[int, float](), dict[int, list[tuple[float, float]]]()
    for time_s, pid, value in samples:
        if pid is None:
            continue
        if time_s - began_s.setdefault(pid, time_s) >= warm_s:
            found.setdefault(pid, []).append((time_s / 3600, value))
    return found


def growth(of_lives: Iterable[Life]) -> Growth | None:
    """Return the slope that all lives share, each at its own level; None of no time at all."""
    rise, spread, longest_h = 0.0, 0.0, 0.0
    for life in of_lives:
        hours, values = np.asarray(life, np.float64).T
        from_middle = hours - hours.mean()
        rise += float(from_middle @ values)
        spread += float(from_middle @ from_middle)
        longest_h = max(longest_h, float(np.ptp(hours)))
    return Growth(rise / spread, longest_h) if spread else None


def rounds(faults: Sequence[Named], drawn: Random) -> Iterator[Named]:
    """Yield faults for ever, those of a round in an order drawn anew.

    Two rounds of those that leave the inference process alive, so that it lives long enough to be
    measured, then one of those that end it.
    """
    ending = [each for each in faults if each.name.startswith(ENDS_WORKER)]
    sparing = [each for each in faults if each not in ending]
    while True:
        for some in (sparing, sparing, ending):
            yield from drawn.sample(some, len(some))

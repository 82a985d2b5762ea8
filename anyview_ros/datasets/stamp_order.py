"""Which stamps of a recorded stream belong to it: a driver's wrong ones are left out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import JUMP_NS, seconds

FEW = 2  # images that are no run, wherever their stamps are
FAR_NS = 3600 * 1_000_000_000  # from the rest of the stream


@dataclass(frozen=True)
class Run:
    """Images in the order of recording, with no step of more than `JUMP_NS` between two.

    Args:
        places: of them among the stream's images.
        first_ns, last_ns: their smallest and largest stamp.
    """

    places: range
    first_ns: int
    last_ns: int


def stray_places(stamps_ns: Sequence[int], topic: str) -> list[int]:
    """Return places of the images whose stamps are not the stream's, in recorded order.

    The stream is the longest row of runs that goes on in time. What is left of it inside, and one
    or two images anywhere, are wrong stamps; more is a second recording of the same time.

    Raises:
        AnyviewError: `clock_jump` for a recorded loop or restart.
    """
    runs = _runs(stamps_ns)
    stream = _without_far(_longest_row(runs))
    inside = range(stream[0].places.start, stream[-1].places.stop) if stream else range(0)
    belongs = set(stream)
    stray = [run for run in runs if run not in belongs]
    if any(len(run.places) > FEW and run.places.start not in inside for run in stray):
        before, after = _first_step_back(stamps_ns)
        raise AnyviewError(
            "clock_jump",
            f"stamps of '{topic}' jump back from {seconds(before)} to {seconds(after)}: a loop or "
            "a restart was recorded; split the bag there",
        )
    return [place for run in stray for place in run.places]


def _first_step_back(stamps_ns: Sequence[int]) -> tuple[int, int]:
    newest = 0
    for stamp in stamps_ns:
        if stamp < newest - JUMP_NS:
            return newest, stamp
        newest = max(newest, stamp)
    raise AssertionError("runs overlap, so stamps step back")


def _runs(stamps_ns: Sequence[int]) -> list[Run]:
    runs: list[Run] = []
    for place, stamp in enumerate(stamps_ns):
        last = runs[-1] if runs else None
        if last is not None and abs(stamp - last.last_ns) <= JUMP_NS:
            places = range(last.places.start, place + 1)
            first, newest = min(last.first_ns, stamp), max(last.last_ns, stamp)
            runs[-1] = Run(places, first, newest)
        else:
            runs.append(Run(range(place, place + 1), stamp, stamp))
    return runs


def _longest_row(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with most images, each beginning where the one before ended or later."""
    ends: list[int] = []  # increasing, and so are the counts of what ends there
    rows: list[tuple[int, int, int]] = []  # count, last run, place in `links`
    links: list[tuple[int, int]] = []  # run, link before it or -1
    for number, run in enumerate(runs):
        at = bisect_right(ends, run.first_ns + JUMP_NS)
        count, _, before = rows[at - 1] if at else (0, 0, -1)
        count += len(run.places)
        links.append((number, before))
        place = bisect_right(ends, run.last_ns)
        if place and rows[place - 1][0] >= count:
            continue  # a row that ends no later has as many
        while place < len(rows) and rows[place][0] <= count:
            del ends[place], rows[place]
        ends.insert(place, run.last_ns)
        rows.insert(place, (count, number, len(links) - 1))
    row: list[Run] = []
    link = rows[-1][2] if rows else -1
    while link >= 0:
        number, link = links[link]
        row.append(runs[number])
    return row[::-1]


def _without_far(row: list[Run]) -> list[Run]:
    """Leave out one or two images that are an hour from all others, where there are more."""
    if all(len(run.places) <= FEW for run in row):
        return row
    kept = []
    for before, run, after in zip([None, *row], row, [*row[1:], None], strict=False):
        near = (before and run.first_ns - before.last_ns <= FAR_NS) or (
            after and after.first_ns - run.last_ns <= FAR_NS
        )
        if near or len(run.places) > FEW:
            kept.append(run)
    return kept

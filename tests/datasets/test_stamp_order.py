"""Which stamps of a stream are its own, against every way to choose among its runs."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.datasets.stamp_order import FEW, _longest_row, _runs, stray_places
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import JUMP_NS

S = 1_000_000_000
YEARS = 47 * 365 * 86400 * S


def stamps(*seconds: float) -> list[int]:
    return [round(second * S) for second in seconds]


def steady(start_s: float, count: int) -> list[int]:
    return [round((start_s + k / 10) * S) for k in range(count)]


@pytest.mark.parametrize(
    ("recorded", "stray"),
    [
        (steady(20, 30), []),
        ([*steady(20, 12), 20 * S + YEARS, *steady(21.3, 17)], [12]),  # one of the future
        ([*steady(20, 29), 20 * S + YEARS], [29]),  # the last
        ([20 * S + YEARS, *steady(20, 29)], [0]),  # the first
        ([*steady(20, 12), S, *steady(21.3, 17)], [12]),  # one of 1970
        ([*steady(20, 10), *steady(25.4, 4), *steady(21.4, 16)], [10, 11, 12, 13]),  # and back
        ([*steady(20, 10), *steady(25, 10)], []),  # a pause
        ([*steady(20, 30), *steady(1_700_000_000, 30)], []),  # a clock that was set
        (stamps(20, 20.1, 20.0, 20.2), []),  # reordered
        (stamps(0.1, 4000, 8000), []),  # all far apart: nothing is the rest
        ([], []),
    ],
)
def test_wrong_stamps_are_found(recorded: list[int], stray: list[int]) -> None:
    assert stray_places(recorded, "/front") == stray


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ([*steady(20, 15), *steady(20, 5)], "from 21.400 s to 20.000 s"),  # a loop
        ([*steady(20, 5), *steady(20, 15)], "from 20.400 s to 20.000 s|nothing"),
        ([*steady(20, 30), *steady(0.1, 10)], "from 22.900 s to 0.100 s"),  # a restart
    ],
)
def test_a_loop_and_a_restart_are_refused(recorded: list[int], text: str) -> None:
    if "nothing" in text:
        assert stray_places(recorded, "/front") == []  # stepped back by less than `JUMP_NS`
        return
    with pytest.raises(AnyviewError, match=f"'/front' jump back {text}") as refused:
        stray_places(recorded, "/front")
    assert refused.value.code == "clock_jump"


@given(st.lists(st.integers(1, 12).map(lambda second: second * S), max_size=9))
def test_the_longest_row_is_the_best_of_all(recorded: list[int]) -> None:
    runs = _runs(recorded)
    row = _longest_row(runs)
    assert all(b.first_ns + JUMP_NS >= a.last_ns for a, b in pairwise(row))
    best = max(
        sum(len(run.places) for run in some)
        for count in range(len(runs) + 1)
        for some in combinations(runs, count)
        if all(b.first_ns + JUMP_NS >= a.last_ns for a, b in pairwise(some))
    )
    assert sum(len(run.places) for run in row) == best


@pytest.mark.timeout(20)
def test_a_hundred_thousand_jumps_are_no_work() -> None:
    recorded = [((k * 7919) % 100_003) * 3600 * S + 1 for k in range(100_000)]
    places = [*recorded, *steady(10**9, FEW + 1)]
    assert len(stray_places(places, "/front")) < len(places)

"""Which frames make the next clip: every law of a stream, over stamps alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.clips.clip_windows import (
    ClipShape,
    RateDecimator,
    Window,
    live_window,
    lossless_window,
)
from anyview_ros.packages import load_package
from tests.packages import make_package

MS = 1_000_000
PERIOD = 100 * MS
SHAPE = ClipShape(frames=9, overlap=1, period_ns=PERIOD)


def grid(*numbers: int) -> tuple[int, ...]:
    return tuple(10**9 + k * PERIOD for k in numbers)


def lossless(stamps: list[int], ended: bool = True) -> list[Window]:
    """All windows of a stream that is answered one after the other."""
    waiting, answered, found = list(stamps), tuple[int, ...](), []
    while (window := lossless_window(waiting, answered, SHAPE, ended)) is not None:
        assert window.fresh
        if not window.continues:
            answered = ()
        answered = (*answered, *window.fresh)[-SHAPE.frames :]
        waiting = [stamp for stamp in waiting if stamp > window.fresh[-1]]
        found.append(window)
    return found


@given(rate_hz=st.floats(5.0, 30.0), count=st.integers(1, 60))
def test_at_the_end_no_frame_is_left_at_any_rate(rate_hz: float, count: int) -> None:
    """The last one may come long before the time of the grid that it is nearest to."""
    stamps = [10**9 + round(k * 1e9 / rate_hz) for k in range(count)]
    assert lossless(stamps)[-1].fresh[-1] == stamps[-1]


@pytest.mark.parametrize(("frames", "overlap"), [(5, 1), (9, 1), (41, 5), (81, 9)])
def test_clips_overlap_by_what_a_model_can_be_given(
    frames: int, overlap: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    contract = load_package(make_package(folder, frames=(1, frames))).contract
    assert ClipShape.of(contract) == ClipShape(frames, overlap, PERIOD)


def test_a_model_of_single_frames_has_no_overlap(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "one", frames=(1,))).contract
    assert ClipShape.of(contract) == ClipShape(1, 0, PERIOD)


def test_a_live_stream_begins_with_what_is_newest() -> None:
    assert live_window(grid(8)[0], (), SHAPE, stride=8) == Window(grid(8)[0])


def test_a_live_clip_continues_the_one_before_once_its_frames_are_there() -> None:
    answered = grid(*range(9))
    assert live_window(grid(15)[0], answered, SHAPE, stride=8) is None
    [due, late, next_due] = grid(16, 20, 24)
    assert live_window(due, answered, SHAPE, stride=8) == Window(due, continues=True)
    assert live_window(late, answered, SHAPE, stride=8) == Window(due, continues=True)
    assert live_window(next_due, answered, SHAPE, stride=8) == Window(next_due)


def test_a_late_camera_joins_the_clip_of_the_others() -> None:
    """It shares what was computed of it, if no whole clip has come since."""
    newest, others, long_ago = grid(30, 25, 22)
    assert live_window(newest, (), SHAPE, 8, others) == Window(others)
    assert live_window(newest, (), SHAPE, 8, long_ago) == Window(newest)
    assert live_window(newest, (), SHAPE, 8, long_ago, turns=2) == Window(long_ago)
    assert live_window(newest, grid(*range(5, 14)), SHAPE, 8, long_ago, turns=2) == Window(long_ago)
    assert live_window(newest, grid(*range(5, 14)), SHAPE, 8, grid(13)[0], 9) == Window(newest)
    assert live_window(newest, grid(*range(9)), SHAPE, 8, others) == Window(others)
    assert live_window(newest, grid(*range(17, 26)), SHAPE, 8, others) is None


def test_a_rare_camera_makes_no_clip_that_it_does_not_publish() -> None:
    answered = grid(*range(9))
    assert live_window(grid(37)[0], answered, SHAPE, stride=30) is None
    assert live_window(grid(38)[0], answered, SHAPE, stride=30) == Window(grid(38)[0])


def test_a_lossless_stream_waits_for_whole_clips() -> None:
    assert lossless(list(grid(*range(8))), ended=False) == []
    windows = lossless(list(grid(*range(20))), ended=False)
    assert windows == [
        Window(grid(8)[0], fresh=grid(*range(9))),
        Window(grid(16)[0], fresh=grid(*range(9, 17)), continues=True),
    ]


def test_what_is_left_at_the_end_is_answered_by_a_clip_that_reaches_back() -> None:
    windows = lossless(list(grid(*range(20))))
    assert windows[2:] == [Window(grid(19)[0], fresh=grid(17, 18, 19), continues=True)]


def test_where_nothing_was_before_the_first_frame_stands_still() -> None:
    assert lossless(list(grid(4, 5, 6))) == [Window(grid(6)[0], grid(4)[0], grid(4, 5, 6))]


def test_a_gap_ends_a_clip_and_begins_another() -> None:
    windows = lossless([*grid(*range(12)), *grid(*range(20, 31))], ended=False)
    assert [window.fresh for window in windows] == [
        grid(*range(9)),
        grid(9, 10, 11),
        grid(*range(20, 29)),
    ]
    assert [window.continues for window in windows] == [False, True, False]


def test_a_frame_that_may_be_bettered_is_waited_for() -> None:
    late = [*grid(*range(8)), grid(8)[0] - 20 * MS]
    assert lossless(late, ended=False) == []
    assert len(lossless([*late, grid(8)[0] + 30 * MS], ended=False)) == 1


@given(
    rate_hz=st.floats(9.8, 10.2),
    jitter=st.lists(st.integers(-4 * MS, 4 * MS), min_size=60, max_size=60),
    gaps=st.sets(st.integers(0, 59), max_size=12),
)
def test_every_frame_is_answered_exactly_once_in_order(
    rate_hz: float, jitter: list[int], gaps: set[int]
) -> None:
    stamps = [round(1e9 * (1 + k / rate_hz)) + jitter[k] for k in range(60) if k not in gaps]
    answered = [stamp for window in lossless(stamps) for stamp in window.fresh or ()]
    assert answered == stamps


@given(
    st.lists(st.integers(50 * MS, 150 * MS), min_size=1, max_size=80),
    st.lists(st.integers(1, 9), min_size=1, max_size=80),
)
def test_when_frames_arrive_does_not_matter(steps: list[int], bursts: list[int]) -> None:
    """The same stamps, one at a time or many: the same clips, so the same bytes."""
    stamps = [10**9 + sum(steps[:k]) for k in range(len(steps))]
    waiting, answered, found, arrived = list[int](), tuple[int, ...](), [], 0
    for burst in [*bursts, len(stamps)]:
        waiting += stamps[arrived : arrived + burst]
        arrived += burst
        ended = arrived >= len(stamps)
        while (window := lossless_window(waiting, answered, SHAPE, ended)) is not None:
            assert window.fresh
            answered = (*(answered if window.continues else ()), *window.fresh)[-SHAPE.frames :]
            waiting = [stamp for stamp in waiting if stamp > window.fresh[-1]]
            found.append(window)
        if ended:
            break
    assert found == lossless(stamps)


@pytest.mark.parametrize(("rate_hz", "share"), [(10.0, 1), (5.0, 1 / 2), (4.0, 0.4), (1.0, 0.1)])
def test_published_frames_come_at_the_rate(rate_hz: float, share: float) -> None:
    decimator, stamps, chosen = RateDecimator(rate_hz, PERIOD), grid(*range(1000)), list[int]()
    for k in range(0, 1000, 8):
        chosen += decimator.select(stamps[k : k + 8])
    assert len(chosen) == pytest.approx(1000 * share, abs=2)
    assert chosen == sorted(set(chosen))


def test_a_full_rate_passes_every_frame_of_a_clock_that_drifts() -> None:
    stamps = [10**9 + k * 99_900_000 for k in range(3000)]
    assert RateDecimator(10.0, PERIOD).select(stamps) == tuple(stamps)


def test_after_a_gap_no_frames_are_made_up_for() -> None:
    decimator = RateDecimator(5.0, PERIOD)
    decimator.select(grid(*range(8)))
    assert len(decimator.select(grid(*range(100, 108)))) == 4


def test_after_a_restart_the_newest_frame_is_one_that_is_published() -> None:
    decimator = RateDecimator(1.0, PERIOD)
    decimator.select(grid(*range(9)))
    late = grid(*range(33, 42))
    decimator.restart(late)
    assert decimator.select(late) == late[-1:]


def test_a_low_rate_makes_clips_further_apart() -> None:
    assert [RateDecimator(hz, PERIOD).stride(SHAPE) for hz in (10.0, 2.0, 1.0, 0.5)] == [
        8,
        8,
        10,
        20,
    ]


def test_clips_of_one_frame_do_not_overlap_and_answer_each_frame_once() -> None:
    shape = ClipShape(frames=1, overlap=0, period_ns=PERIOD)
    waiting, answered = list(grid(*range(5))), ()
    for stamp in grid(*range(5)):
        window = lossless_window(waiting, answered, shape, ended=False)
        assert window == Window(stamp, fresh=(stamp,))
        waiting.remove(stamp)
        answered = (stamp,)
    assert lossless_window(waiting, answered, shape, ended=True) is None
    assert live_window(grid(3)[0], (), shape, 1) == Window(grid(3)[0])
    assert live_window(grid(4)[0], grid(3), shape, 1) == Window(grid(4)[0])
    assert live_window(grid(7)[0], grid(3), shape, 5) is None, "of 2 Hz"
    assert live_window(grid(8)[0], grid(3), shape, 5) == Window(grid(8)[0])

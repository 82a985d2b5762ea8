"""Frames that wait for their answer: none twice, none from before, not without end."""

from __future__ import annotations

import pytest

from anyview_ros.clips.streaming.pending_frames import (
    LATE,
    MAX_WAITING,
    SUPERSEDED,
    PendingFrames,
)

SECOND = 10**9


@pytest.fixture
def frames() -> PendingFrames:
    """1 s to 4 s of two sources."""
    frames = PendingFrames()
    for source in ("front", "left"):
        assert [frames.add(source, k * SECOND, k == 3) for k in range(1, 5)] == [""] * 4
    return frames


def test_what_was_answered_or_waits_already_does_not_wait(frames: PendingFrames) -> None:
    assert frames.drop_until("front", 2 * SECOND) == [SECOND, 2 * SECOND]
    for source in ("front", "left"):  # another one may be chosen, and goes on from there
        assert frames.stamps(source) == [3 * SECOND, 4 * SECOND]
        assert frames.add(source, 2 * SECOND, False) == LATE
        assert frames.add(source, 4 * SECOND, False) == LATE
    assert frames.add("right", 2 * SECOND, False) == LATE
    assert frames.add("front", 5 * SECOND, False) == ""


def test_a_change_is_told_until_it_was_answered(frames: PendingFrames) -> None:
    assert frames.changes("front") == [3 * SECOND]
    frames.drop_until("front", 2 * SECOND)
    assert frames.changes("front") == [3 * SECOND]
    frames.drop_until("front", 3 * SECOND)
    assert frames.changes("front") == []


def test_the_oldest_gives_way_where_nobody_fetches_them(frames: PendingFrames) -> None:
    reasons = [frames.add("front", (5 + k) * SECOND, False) for k in range(MAX_WAITING)]
    assert reasons == [""] * (MAX_WAITING - 4) + [SUPERSEDED] * 4
    assert len(frames.stamps("front")) == MAX_WAITING
    assert frames.stamps("front")[0] == 5 * SECOND


def test_the_clock_of_one_camera_is_its_own(frames: PendingFrames) -> None:
    frames.forget("front")
    assert (frames.stamps("front"), frames.newest_ns("front"), frames.changes("front")) == (
        [],
        0,
        [],
    )
    assert len(frames.stamps("left")) == 4


def test_stamps_far_back_are_of_another_epoch(frames: PendingFrames) -> None:
    assert not frames.jumps("front", 3 * SECOND)
    assert frames.jumps("front", 3 * SECOND - 1)
    frames.clear()
    assert frames.is_empty()
    assert (frames.newest_ns("front"), frames.changes("front")) == (0, [])
    assert frames.add("front", SECOND, False) == ""

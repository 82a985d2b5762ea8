"""Whose turn it is: shares by priority, over simulated time."""

from __future__ import annotations

from collections import Counter

import pytest

from anyview_ros.node.clips.fair_queue import FairQueue


def served(priorities: dict[str, int], costs: dict[str, float], turns: int) -> Counter[str]:
    """Seconds of the model that each got, where all always wait."""
    shares, seconds = FairQueue(), Counter[str]()
    for _ in range(turns):
        name = shares.choose(priorities)
        shares.charge(name, priorities[name], costs[name])
        seconds[name] += costs[name]
    return seconds


def test_equals_get_the_same_time_whatever_their_clips_cost() -> None:
    seconds = served({"a": 0, "b": 0, "c": 0}, {"a": 1.0, "b": 0.1, "c": 0.5}, 1600)
    assert seconds["a"] == pytest.approx(seconds["b"], rel=0.02)
    assert seconds["a"] == pytest.approx(seconds["c"], rel=0.02)


def test_a_priority_is_a_share() -> None:
    seconds = served({"a": 0, "b": 3}, {"a": 1.0, "b": 1.0}, 1000)
    assert seconds["b"] == pytest.approx(4 * seconds["a"], rel=0.01)


def test_of_those_that_wait_equally_long_the_higher_priority_is_first() -> None:
    assert FairQueue().choose({"a": 0, "b": 5, "c": 2}) == "b"


def test_nobody_waits_longer_than_a_turn_of_each_of_its_equals() -> None:
    shares, gaps = FairQueue(), list[int]()
    last = dict.fromkeys("abcd", 0)
    for turn in range(1, 400):
        name = shares.choose(dict.fromkeys("abcd", 0))
        shares.charge(name, 0, 1.0)
        gaps.append(turn - last[name])
        last[name] = turn
    assert max(gaps) == 4


def test_who_was_idle_gets_no_credit_for_it() -> None:
    shares = FairQueue()
    for _ in range(100):
        shares.charge("busy", 0, 1.0)
    turns = []
    for _ in range(10):
        turns.append(shares.choose({"busy": 0, "new": 0}))
        shares.charge(turns[-1], 0, 1.0)
    assert turns.count("new") in (5, 6)

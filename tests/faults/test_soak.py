"""Twenty minutes of the soak, and what it counts as growth.

The minutes: python -m pytest -n 0 -m long tests/faults/test_soak.py
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from anyview_ros.chaos.lab import LabPlan
from anyview_ros.chaos.live_faults import LIVE_FAULTS
from anyview_ros.packages import DEFAULT_MODEL
from benchmarks.soak import MEASURES, Record, judged, picture, soak, summary
from benchmarks.soak_growth import (
    ENDS_WORKER,
    Growth,
    Limit,
    growth,
    lives,
    rounds,
)

DOMAIN = 230
MINUTES = 20.0


@pytest.mark.graph
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_was_promised_holds_for_long_and_nothing_grows(tmp_path: Path) -> None:
    plan = LabPlan(tmp_path / "out", DEFAULT_MODEL, DOMAIN, rate=0.5)
    assert soak(plan, MINUTES, seed=0) == 0
    lines = [json.loads(line) for line in (plan.out / "soak.jsonl").read_text().splitlines()]
    faults = [line["fault"] for line in lines if line["kind"] == "fault"]
    assert len(set(faults)) > MINUTES / 2
    assert (plan.out / "soak.png").exists()


def test_the_slope_is_that_within_lives() -> None:
    """A new process begins lower: that is no shrinking, and hides no growth."""
    first = [(hour / 10, 500.0 + 30.0 * hour / 10) for hour in range(10)]
    second = [(1 + hour / 10, 100.0 + 30.0 * hour / 10) for hour in range(6)]
    found = growth([first, second])
    assert found is not None
    assert found.per_hour == pytest.approx(30.0)
    assert found.longest_h == pytest.approx(0.9)
    assert growth([[(1.0, 7.0)]]) is None


@pytest.mark.parametrize(
    ("per_hour", "longest_h", "exceeds"), [(7, 1, True), (7, 0.5, False), (5, 2, False)]
)
def test_growth_is_fast_and_more_than_what_comes_and_goes(
    per_hour: float, longest_h: float, exceeds: bool
) -> None:
    assert Growth(per_hour, longest_h).exceeds(Limit(per_hour=6, rise=4)) == exceeds


def test_a_process_is_measured_once_it_is_warm() -> None:
    warm_s, second_s = 600.0, 3600.0
    samples = [(0.0, 1, 5.0), (599.0, 1, 5.0), (600.0, 1, 6.0), (second_s, None, 0.0)]
    samples += [(second_s, 2, 7.0), (second_s + 599.0, 2, 7.0), (second_s + warm_s, 2, 8.0)]
    assert lives(samples, warm_s) == {1: [(1 / 6, 6.0)], 2: [((second_s + warm_s) / 3600, 8.0)]}


def test_the_worker_lives_for_two_rounds_of_the_faults_that_leave_it_alive() -> None:
    ending = sorted(fault.name for fault in LIVE_FAULTS if fault.name.startswith(ENDS_WORKER))
    sparing = sorted({fault.name for fault in LIVE_FAULTS} - set(ending))
    assert len(ending) > 4
    drawn = [fault.name for fault in islice(rounds(LIVE_FAULTS, Random(0)), 3 * len(LIVE_FAULTS))]
    first, second = drawn[: len(sparing)], drawn[len(sparing) : 2 * len(sparing)]
    assert sorted(first) == sorted(second) == sparing
    assert first != second
    rest = drawn[2 * len(sparing) :]
    assert sorted(rest[: len(ending)]) == ending
    again = [fault.name for fault in islice(rounds(LIVE_FAULTS, Random(0)), len(drawn))]
    assert drawn == again


@pytest.mark.parametrize("grows", [None, *(m for m in MEASURES if m.limit)])
def test_what_grew_and_what_broke_is_found(tmp_path: Path, grows: object) -> None:
    """An hour of samples in which one measure grows by twice what it may."""
    record = Record(tmp_path / "soak.jsonl")
    for minute in range(61):
        line: dict[str, object] = {"ledger": dict.fromkeys(("received", "seen"), minute)}
        line["ledger"] |= {"published": 0, "skipped": 0}  # type: ignore[operator]
        line["machine"] = {"load": 1.0}
        for measure in MEASURES:
            assert measure.limit is None or measure.limit.per_hour > 0
            rise = measure.limit.per_hour * minute / 30 if measure.limit else 0.0
            part = line.setdefault(measure.process, {"pid": 7})
            part[measure.key] = 50.0 + (rise if measure == grows else 0.0)  # type: ignore[index]
        record.add("sample", line)
        record.lines[-1]["time_s"] = 60.0 * minute
    assert bool(list(judged(record))) == (grows is not None)
    record.add(
        "fault",
        {"fault": "nothing", "verdict": "red", "broken": ["a promise"], "recovery_s": None}
        | {"undisturbed_s": 1.0},
    )
    assert "nothing: a promise" in list(judged(record))
    assert "BROKEN nothing: a promise" in summary(record)
    assert picture(record).shape[1:] == (900, 3)

"""The table of `anyview chaos`, what programs get, and which faults are done."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from anyview_ros.chaos import faults, lab
from anyview_ros.chaos.fault import Fault, Outcome
from anyview_ros.chaos.outcome_text import content, listing, table
from anyview_ros.cli.__main__ import main
from anyview_ros.cli.chaos import chosen, sequence
from anyview_ros.demo import subprocesses
from anyview_ros.errors import AnyviewError

FAULTS = tuple(Fault(name, f"does {name}", lambda lab: nullcontext()) for name in ("one", "two"))
OUTCOMES = (
    Outcome("one", "does one", named=("clip_gap",), recovery_s=1.25, allowed_s=5.0),
    Outcome("two", "does two", broken=("a stamp twice",), allowed_s=5.0),
    Outcome("three", "does three", skipped="no rig"),
)


def test_a_table_says_what_was_broken_and_why_something_was_left_out() -> None:
    lines = table(OUTCOMES).splitlines()
    assert lines[0].split() == ["FAULT", "PROMISES", "BACK", "AFTER", "ALLOWED", "NAMED", "BY"]
    assert lines[1].split() == ["one", "held", "1.2", "s", "5.0", "s", "clip_gap"]
    assert lines[2].split() == ["two", "red", "-", "5.0", "s", "-"]
    assert "two: a stamp twice" in lines
    assert "three: no rig" in lines
    assert lines[-1] == "1 held, 1 red, 1 skipped"


def test_programs_get_the_same() -> None:
    got = content(OUTCOMES, 2.0)
    assert got["undisturbed_s"] == 2.0
    assert [each["verdict"] for each in got["outcomes"]] == ["held", "red", "skipped"]


def test_faults_are_chosen_by_name() -> None:
    assert chosen(FAULTS, []) == list(FAULTS)
    assert [fault.name for fault in chosen(FAULTS, ["two"])] == ["two"]
    with pytest.raises(AnyviewError, match="there is no fault 'tow'; did you mean 'two'") as error:
        chosen(FAULTS, ["tow"])
    assert error.value.code == "unknown_fault"
    assert listing(FAULTS).splitlines() == ["one  does one", "two  does two"]


def test_without_a_time_each_fault_is_done_once() -> None:
    assert [fault.name for fault in sequence(FAULTS, 0.0)] == ["one", "two"]
    assert {fault.name for fault in sequence(FAULTS, 0.001)} == {"one", "two"}


@pytest.mark.parametrize(
    ("done", "status"), [((OUTCOMES[0],), 130), (OUTCOMES[:2], 1), ((), 130)], ids=str
)
def test_interrupted_it_says_so_to_programs(
    done: tuple[Outcome, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A script must not take half of the faults for all of them."""
    left = list(done)

    def outcome_of(*_: object) -> Outcome:
        if not left:
            raise KeyboardInterrupt
        return left.pop(0)

    monkeypatch.setattr(subprocesses, "interrupt_once", lambda: None)
    monkeypatch.setattr(faults, "outcome_of", outcome_of)
    opened = nullcontext(SimpleNamespace(undisturbed_s=1.0))
    monkeypatch.setattr(lab, "laboratory", lambda *_: opened)
    assert main(["chaos"]) == status
    said = capsys.readouterr()
    assert (said.out == table(done) + "\n") == bool(done)
    assert ("interrupted; these were done:" in said.err) == bool(done)

"""`python -m tests.field` names tests that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field import HELD, Outcomes, now

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("test", sorted({test for held in HELD.values() for test in held}))
def test_what_holds_a_fault_is_there(test: str) -> None:
    file, _, function = test.partition("::")
    assert not function or f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_a_fault_holds_when_each_of_its_tests_has_passed() -> None:
    outcomes = Outcomes()
    outcomes.passed = {"a.py::test_a[1]", "a.py::test_a[2]", "b.py::test_b"}
    assert now(outcomes, ("a.py::test_a", "b.py")) == "holds"
    assert now(outcomes, ("a.py::test",)) == "not run: a.py::test"
    outcomes.failed = {"a.py::test_a[2]"}
    assert now(outcomes, ("b.py", "a.py::test_a")) == "FAILED: a.py::test_a[2]"

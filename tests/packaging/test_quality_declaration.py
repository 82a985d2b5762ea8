"""QUALITY_DECLARATION.md: its level follows from its tables, and what it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

import anyview_ros
from tests.packaging.pins import ROOT

PAGE = (ROOT / "QUALITY_DECLARATION.md").read_text(encoding="utf-8")
TOLD = " ".join(PAGE.split())  # wherever lines are broken
# The chart of REP-2004: what each level requires, recommendations and options aside.
LEVEL_4 = {"3.iii", "3.iv"}
LEVEL_3 = LEVEL_4 | {"1.i", "1.ii", "1.iv", "1.v", "2.i", "2.iv", "3.v.a", "3.v.c", "6.i"}
LEVEL_2 = LEVEL_3 | {
    *("1.iii", "1.vi", "2.ii", "3.i", "3.v", "4.i", "4.iii.a", "4.v.a", "4.v.b"),
    *("5.i", "5.iii", "7.i"),
}
LEVEL_1 = LEVEL_2 | {"2.iii", "2.v", "3.ii", "4.ii", "4.iii.b", "4.iv.a", "4.iv.b"}
NEVER_REQUIRED = {"3.v.b", "5.ii"}
LEVELS = {4: LEVEL_4, 3: LEVEL_3, 2: LEVEL_2, 1: LEVEL_1}
STATES = dict(re.findall(r"^\| (\d\.[ivabc.]+) \| [^|]+ \| (met|partly|not met) \| \S", PAGE, re.M))
MET = {number for number, state in STATES.items() if state == "met"}


def missing(level: int) -> set[str]:
    return LEVELS[level] - MET


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d\.[ivabc]+(?:\.[abc])?", text))


def listed(begin: str) -> set[str]:
    """Numbers in the sentence of the page that begins so."""
    return numbers(TOLD.partition(begin)[2].partition(". ")[0])


def reached(levels: Iterable[int]) -> list[int]:
    return list(takewhile(lambda level: not missing(level), levels))


def test_every_requirement_is_answered_once() -> None:
    rows = re.findall(r"^\| (\d\.\S+) \|", PAGE, re.M)
    assert sorted(rows) == sorted(STATES)
    assert set(rows) == LEVEL_1 | NEVER_REQUIRED


def test_the_level_is_the_highest_whose_requirements_are_met() -> None:
    (claimed,) = re.findall(r"\*\*Quality Level (\d)\*\*", PAGE)
    assert reached(LEVELS)[-1] == int(claimed)


def test_what_is_missing_for_the_next_levels_is_listed() -> None:
    assert listed("For Quality Level 3 these are missing:") == missing(3)
    assert listed("For Quality Level 2, besides:") == missing(2) - missing(3)


def test_what_it_names_is_there() -> None:
    named = re.findall(r"`((?:tests|scripts|\.ci)/[\w./]+|\w+\.rst|benchmarks)`", PAGE)
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path
    for module in re.findall(r"`python -m ([\w.]+)", PAGE):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module


def test_the_version_is_the_one_of_package_xml() -> None:
    assert set(re.findall(r"\b\d\.\d\.\d\b", PAGE)) == {anyview_ros.__version__}
    stable = int(anyview_ros.__version__.partition(".")[0]) >= 1
    assert (STATES["1.ii"] == "met") == stable


def test_nothing_promised_that_other_pages_take_back() -> None:
    """Compare what stands elsewhere and would have to change here, too."""
    assert ("no promised time of answer" in (ROOT / "SECURITY.md").read_text()) == (
        "7.i" not in MET
    )
    reports = (ROOT / "SECURITY.md").read_text().partition("## What is trusted")[0]
    assert ("no private way" in reports) == ("receives no mail yet" in TOLD)
    assert ("Write to the maintainers" in reports) != ("no private way" in reports)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert ("has no public address yet" in contributing) == ("no public address" in TOLD)
    assert ("Signed-off-by" in contributing) == ("2.ii" in MET)
    sources = {file.suffix for file in (ROOT / "anyview_ros").rglob("*")}
    assert ("1.v" in MET) == (not sources & {".c", ".cpp", ".h", ".hpp", ".pyx"})

"""Who waits is told what for: by a line that moves on a terminal, by one now and then elsewhere."""

from __future__ import annotations

import re
import sys
import time

import pytest

from anyview_ros.cli import waiting as module
from anyview_ros.cli.waiting import waiting


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECOND_S", 0.05)
    monkeypatch.setattr(module, "PERIOD_S", 0.05)


def test_a_line_now_and_then_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    with waiting("comparing with torch"):
        time.sleep(0.4)
    out, said = capfd.readouterr()
    assert out == ""
    assert len(said.splitlines()) >= 2
    assert all(re.fullmatch(r"comparing with torch: \d+ s \.\.\.", x) for x in said.splitlines())


def test_a_line_that_moves_and_goes_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with waiting("comparing with torch"):
        time.sleep(0.4)
    said = capfd.readouterr().err
    assert said.count("\r\x1b[Kcomparing with torch: 0 s") >= 2
    assert "\n" not in said
    assert said.endswith("\r\x1b[K")


def test_nothing_is_said_behind_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    with waiting("the first step") as end:
        end()
        time.sleep(0.3)
    assert capfd.readouterr() == ("", "")


def test_what_fails_ends_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), waiting("what fails"):
        raise ValueError("no")
    time.sleep(0.2)
    assert capfd.readouterr() == ("", "")

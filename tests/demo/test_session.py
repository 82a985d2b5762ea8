"""What a program says while it waits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anyview_ros.demo import session
from anyview_ros.demo.session import Session
from anyview_ros.errors import AnyviewError


def test_a_long_wait_says_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every 15 s of at most 300."""
    now = iter(range(0, 1000, 2))  # two looks at the clock a round
    monkeypatch.setattr(session.time, "monotonic", lambda: float(next(now)))
    waiting: Any = SimpleNamespace(check=lambda: None)
    with pytest.raises(AnyviewError, match="images of 'front' did not come in 300 s; see the log"):
        Session.wait(waiting, lambda limit_s: False, 300.0, "images of 'front'", "see the log")
    said = capsys.readouterr().err.splitlines()
    seconds = [
        int(line.removeprefix("waiting for images of 'front': ").split()[0]) for line in said
    ]
    assert all(15 * k <= told < 15 * k + 6 for k, told in enumerate(seconds, 1))
    assert len(seconds) == 19
    assert all(line.startswith("waiting for images of 'front': ") for line in said)
    assert all(line.endswith(" s, at most 300 s; see the log") for line in said)


def test_a_short_wait_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    waiting: Any = SimpleNamespace(check=lambda: None)
    Session.wait(waiting, lambda limit_s: True, 300.0, "images", "see the log")
    assert capsys.readouterr().err == ""

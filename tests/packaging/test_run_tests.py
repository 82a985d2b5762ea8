"""`./anyview test`: what runs, in which order and beside what, and what it says at the end."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import graph as live_graph
from tests.graph import child, claim

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "run_tests.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    specification = importlib.util.spec_from_file_location("run_tests", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.delenv("ANYVIEW_ROS", raising=False)
    for name, value in module.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)  # `main` sets them; here they end with the test
    return module


@pytest.fixture
def ran(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Statuses by words of the command, to be set, and the commands that ran."""
    seen: dict[str, Any] = {"statuses": {}, "commands": []}

    def run(*command: str, **environment: str) -> int:
        line = " ".join(command)
        seen["commands"].append(line)
        return next((code for words, code in seen["statuses"].items() if words in line), 0)

    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(script, "compile_kernels", lambda: Compiler(seen))
    return seen


class Compiler:
    """The process that compiles, as far as `main` knows it."""

    def __init__(self, seen: dict[str, Any]) -> None:
        self._seen = seen
        seen["compiler"] = []

    def wait(self) -> None:
        self._seen["compiler"].append(f"awaited after {len(self._seen['commands'])} commands")

    def kill(self) -> None:
        self._seen["compiler"].append("killed")


@pytest.mark.parametrize(
    ("statuses", "end", "said"),
    [
        ({}, 0, "graph: passed; all others: passed"),
        ({"not graph": 1}, 1, "graph: passed; all others: failed"),
        ({"graph and not alone and not long": 1}, 1, "graph: failed; all others: passed"),
        ({"graph and alone and not long": 1}, 1, "graph: failed; all others: passed"),
    ],
)
def test_tests_over_a_graph_run_after_the_others_even_if_those_fail(
    script: ModuleType,
    ran: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    statuses: dict[str, int],
    end: int,
    said: str,
) -> None:
    ran["statuses"] = statuses
    assert script.main([]) == end
    *checks, others, live, alone = ran["commands"]
    assert [check.split()[0] for check in checks] == ["ruff", "ruff", "mypy"]
    assert ran["compiler"] == ["awaited after 3 commands", "killed"]
    assert "-n" in others.split()
    assert "-m graph and not alone and not long -n" in live
    assert "--dist loadfile" in live  # a module's tests share its domain
    assert "-n" not in alone.split()
    assert live.partition(" tests/")[2] == alone.partition(" tests/")[2]
    assert said in capsys.readouterr().out


def test_nothing_goes_on_after_bad_style_or_an_interrupt(
    script: ModuleType, ran: dict[str, Any]
) -> None:
    ran["statuses"] = {"not graph": script.INTERRUPTED}
    assert script.main([]) == script.INTERRUPTED
    assert "-m graph" not in ran["commands"][-1]
    ran.update(statuses={"graph and not alone and not long": script.INTERRUPTED}, commands=[])
    assert script.main([]) == script.INTERRUPTED
    assert "graph and alone and not long" not in ran["commands"][-1]
    ran.update(statuses={"mypy": 1}, commands=[])
    assert script.main([]) == 1
    assert ran["commands"][-1] == "mypy"
    assert ran["compiler"] == ["killed"]


def test_what_takes_minutes_runs_when_it_is_asked_for(
    script: ModuleType, ran: dict[str, Any]
) -> None:
    assert script.main(["--long"]) == 0
    assert script.main(["tests/augment", "--long", "-s"]) == 0
    assert ran["commands"] == ["pytest -m long -n 0", "pytest -m long -n 0 tests/augment -s"]


def test_arguments_are_those_of_one_pytest(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReplacedError(Exception):
        pass

    def replace(python: str, command: list[str]) -> None:
        raise ReplacedError(*command[1:])

    monkeypatch.setattr(script.os, "execv", replace)
    with pytest.raises(ReplacedError) as call:
        script.main(["tests/engine", "-k", "sampler"])
    assert call.value.args == ("-m", "pytest", "tests/engine", "-k", "sampler")


def test_another_distribution_runs_what_ros_has_a_part_in(
    script: ModuleType, ran: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYVIEW_ROS", "kilted")
    assert script.main([]) == 0
    assert "compiler" not in ran
    others, *live = ran["commands"]
    assert others.endswith(" ".join(script.ROS_TESTS))
    for line in live:
        modules = [word for word in line.split() if word.startswith("tests/")]
        assert "tests/node/test_node.py" in modules
        assert all(module.startswith(script.ROS_TESTS) for module in modules)


def test_modules_over_a_live_graph_are_found_by_their_mark(script: ModuleType) -> None:
    every = script.live_modules(())
    assert {"tests/node/test_node.py", "tests/faults/test_full_disk.py"} <= set(every)
    assert "tests/engine/test_pipeline.py" not in every
    assert script.live_modules(["tests/engine", "tests/node/test_node.py"]) == [
        "tests/node/test_node.py"
    ]


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As in a worker of a run side by side."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(live_graph, "_claimed", set())
    monkeypatch.setattr(live_graph.atexit, "register", lambda *_: None)
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "this-run")
    monkeypatch.delenv("ANYVIEW_LIVE_TESTS", raising=False)
    return monkeypatch


def test_a_graph_is_not_opened_beside_tests_that_compute(beside: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match=r"pytestmark = pytest\.mark\.graph"), child([], 0):
        pass


def test_two_modules_beside_each_other_have_no_domain_in_common(
    beside: pytest.MonkeyPatch,
) -> None:
    beside.setenv("ANYVIEW_LIVE_TESTS", "1")
    claim(0)
    claim(0)
    beside.setattr(live_graph, "_claimed", set())  # as another worker
    claim(1)
    with pytest.raises(AssertionError, match="another module has domain 0: take a free one"):
        claim(0)

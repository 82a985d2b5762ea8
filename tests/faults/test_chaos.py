"""The faults of `anyview chaos`, about a robot of the test's own: what was promised holds.

Most are marked `long`: python -m pytest -n 0 -m long tests/faults/test_chaos.py
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anyview_ros.chaos.command_faults import COMMAND_FAULTS
from anyview_ros.chaos.effects import Kind, Passed
from anyview_ros.chaos.fault import Fault
from anyview_ros.chaos.faults import FAULTS, outcome_of
from anyview_ros.chaos.lab import ANSWER_S, Lab
from anyview_ros.chaos.live_faults import with_effect
from anyview_ros.cli.__main__ import main
from anyview_ros.demo.subprocesses import STOP_SIGNALS
from tests.faults.driving import disturbed
from tests.graph import child
from tests.packages import make_package

pytestmark = [pytest.mark.graph, pytest.mark.timeout(3600)]

DOMAIN, OWN_ROBOT = 228, 231
# One of each kind, worth a minute altogether.
ALWAYS = ("images_damaged", "clock_back", "tf_contradicting", "worker_killed_denoise")
BY_NAME = {fault.name: fault for fault in FAULTS}
SOME = [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.long) for name in BY_NAME]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny", work=10)


@pytest.fixture(scope="module")
def lab(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with disturbed(DOMAIN, model, tmp_path_factory.mktemp("chaos") / "out") as opened:
        yield opened


@pytest.mark.parametrize("name", SOME)
def test_what_was_promised_holds(lab: Lab, name: str) -> None:
    outcome = outcome_of(BY_NAME[name], lab)
    if outcome.skipped:
        assert name in ("robot_killed", "train_killed"), outcome.skipped
        pytest.skip(outcome.skipped)
    assert outcome.broken == ()


def test_what_does_not_hold_is_seen(lab: Lab) -> None:
    """A node that published what it was never sent, and a fault that nobody names."""

    def secret(kind: Kind, camera: str, message: Any) -> Iterator[Passed]:
        yield Passed(message, is_whole=False)

    @contextmanager
    def inject(lab: Lab) -> Iterator[None]:
        with with_effect(lambda: secret)(lab):
            lab.watcher.wait(lambda: bool(lab.watcher.broken()), ANSWER_S)
            yield

    lie = Fault("lie", "", inject, named_by=("a word that never comes",), lasts_s=0.0)
    outcome = lab.run(lie)
    assert outcome.verdict == "red"
    assert any("never sent" in text for text in outcome.broken)
    assert "diagnostics named it by none of a word that never comes" in outcome.broken


@pytest.mark.long
def test_the_command_has_a_robot_of_its_own_and_ends_by_ctrl_c(model: Path, tmp_path: Path) -> None:
    options = ["--model", str(model), "--domain", str(OWN_ROBOT), "--json"]
    chaos = ["anyview_ros.cli", "chaos", *options, "--out", str(tmp_path / "out")]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    faults = ["--faults", "robot_killed", "camera_gone"]
    with child([*chaos, *faults], OWN_ROBOT, **piped) as process:
        said, progress = process.communicate()
    assert process.returncode == 0, said + progress
    assert [each["verdict"] for each in json.loads(said)["outcomes"]] == ["held", "held"]
    assert "camera_gone: the publishers of a camera end" in progress
    with child([*chaos, "--minutes", "60"], OWN_ROBOT, **piped) as process:
        assert process.stderr is not None
        while "nothing at all" not in (line := process.stderr.readline()):
            assert line, "it ended before its first fault"
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130


def test_faults_are_listed_and_others_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chaos", "--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(BY_NAME)
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    assert main(["chaos", "--faults", "everything"]) == 1
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == handlers
    assert "error [unknown_fault]: there is no fault 'everything'" in capsys.readouterr().err


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(FAULTS)
    assert set(ALWAYS) <= BY_NAME.keys()
    assert {fault.name for fault in COMMAND_FAULTS} <= BY_NAME.keys()

"""What goes wrong in an episode stays there; what kills a process is named."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.evaluation import Outcome, SamplingOptions
from anyview_ros.evaluation.root_suite import RootSuite
from anyview_ros.evaluation.run import Failure, Plan, begin, evaluate_missing, evaluate_or_fail
from anyview_ros.evaluation.seal import identity, seal
from anyview_ros.evaluation.suite import Episode
from anyview_ros.evaluation.task import Task
from anyview_ros.packages import load_package
from tests.evaluation.scenes import world_suite, write_root
from tests.packages import make_package
from tests.packages import seal as seal_as_it_is

EPISODE = Episode("s", "s_ep0")


class Odd:
    """An evaluator with a fault that nobody thought of."""

    def evaluate(self, episode: Episode, folder: Path) -> None:
        raise ZeroDivisionError("of what?")


@dataclass(frozen=True)
class DeadlySuite:
    """A suite whose only episode kills the process that reads it, as a lack of memory does."""

    settings = {"suite": "deadly"}  # noqa: RUF012
    groups = {"s": ("s",)}  # noqa: RUF012
    left_out = ()

    def episodes(self) -> tuple[Episode, ...]:
        return (EPISODE,)

    def task(self, episode: Episode) -> Task:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def plan(tmp_path: Path, suite: Any) -> Plan:
    package = load_package(make_package(tmp_path / "tiny"))
    return Plan(suite, package, SamplingOptions(("exact",)), "none", "cpu", tmp_path / "out")


def test_an_episode_with_an_unknown_fault_is_one_failure(capsys: Any, tmp_path: Path) -> None:
    odd: Any = Odd()
    failure = evaluate_or_fail(odd, EPISODE, tmp_path)
    assert failure == Failure("s", "s_ep0", "unexpected", "ZeroDivisionError: of what?")
    assert "Traceback" in capsys.readouterr().err


def test_a_killed_worker_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match="a worker process ended before its episode") as e:
        evaluate_missing(plan(tmp_path, DeadlySuite()), 1, lambda result: None)
    assert e.value.code == "worker_died"


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling": SamplingOptions(("exact",), seed=1)},
        {"sampling": SamplingOptions(("draft",))},
        {"metric": "ST-LPIPS (AlexNet)"},
        {"suite": world_suite((7, 10))},
        {"suite": replace(world_suite(), size=(96, 160))},
    ],
)
def test_a_folder_belongs_to_one_run(tmp_path: Path, changes: dict[str, Any]) -> None:
    first = plan(tmp_path, world_suite())
    begin(first)
    begin(first)
    with pytest.raises(AnyviewError) as e:
        begin(replace(first, **changes))
    assert e.value.code == "other_run"


def test_an_episode_whose_files_changed_is_not_done(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    contract = load_package(make_package(tmp_path / "other", pixel_rule="integer_grid")).contract
    wanted = plan(tmp_path, RootSuite.of(contract, root, ("alone",)))
    (episode,) = wanted.suite.episodes()
    file = wanted.folder(episode) / f"{episode.name}.json"
    file.parent.mkdir(parents=True)
    Outcome(episode.split, episode.name, {}, {}, 1).write(file)
    assert list(wanted.done()) == [episode]
    changed = next((root / "alone").rglob("*.json"))
    os.utime(changed, (file.stat().st_mtime + 1,) * 2)
    assert not wanted.done()


def test_a_run_goes_on_after_its_package_got_its_scores(tmp_path: Path) -> None:
    before = plan(tmp_path, world_suite())
    folder = before.package.path
    (folder / "README.md").write_text("the card")
    (folder / "sheet.png").touch()
    seal(before.package, {"kinds": {}})
    published = load_package(folder)
    assert published.sha256 != before.package.sha256
    assert identity(published) == identity(before.package)
    (folder / "denoise.onnx").write_bytes(b"other weights")
    assert identity(load_package(seal_as_it_is(folder))) != identity(before.package)


def test_scores_vouch_for_no_weights_that_were_not_measured(tmp_path: Path) -> None:
    measured = plan(tmp_path, world_suite()).package
    (measured.path / "denoise.onnx").write_bytes(b"other weights, put there during the run")
    (measured.path / "notes.txt").touch()
    seal(measured, {"kinds": {}})
    with pytest.raises(AnyviewError, match=r"'denoise\.onnx' in .* has sha256"):
        load_package(measured.path)
    assert load_package(measured.path, check_files=False).contract.files == measured.contract.files

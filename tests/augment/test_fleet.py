"""Many recordings: the ledger, retries and quarantine; over Ray in the long form.

    python -m pytest -n 0 -m long tests/augment/test_fleet.py

needs Ray (`pip install anyview_ros[ray]`) and takes minutes. Without it workers are a fake that
ends as a process of Ray's does: with no outcome.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyview_ros.augment.cutting import Target
from anyview_ros.augment.fleet import Fleet, InProcess, Outcome, Task, Worker
from anyview_ros.augment.ledger import LEDGER, WORK, Entry, Ledger
from anyview_ros.augment.recordings import recordings
from anyview_ros.cli.__main__ import main
from anyview_ros.errors import AnyviewError
from tests.augment.bags import RAISED, arguments, cameras_file, digests
from tests.datasets.rig_bag import RigRecording, stamps
from tests.packages import make_package

POISON = "poison"
IDENTITY = {"model": "tiny"}


class FakeWorkers:
    """Two workers; one that gets a recording called so ends with it."""

    count = 2

    def __init__(self, worker: Callable[[Task], Outcome], poisonous: str = POISON) -> None:
        self._worker, self._poisonous = worker, poisonous
        self._running: list[Task] = []
        self.began: list[str] = []

    def start(self, task: Task) -> None:
        self._running.append(task)
        self.began.append(task.name)
        assert len(self._running) <= self.count

    def finished(self) -> tuple[Task, Outcome | None]:
        task = self._running.pop()  # the newest: the order of ends is not that of begins
        return task, None if self._poisonous in task.name else self._worker(task)


def made(task: Task) -> Outcome:
    """What a worker does, without a model."""
    task.output.mkdir(parents=True)
    return Outcome(answered=3)


def fleet(
    folder: Path, names: str, worker: Callable[[Task], Outcome] = made, resume: bool = False
) -> tuple[Fleet, FakeWorkers, list[str]]:
    workers, said = FakeWorkers(worker), list[str]()
    ledger = Ledger(folder / "out", IDENTITY, resume)
    found = {name: folder / name for name in names.split()}
    return Fleet(found, ledger, workers, said.append), workers, said


def test_a_recording_that_ends_its_worker_twice_is_quarantined(tmp_path: Path) -> None:
    run, workers, said = fleet(tmp_path, "a poison b c")
    assert run.run() == [
        "a: done",
        "poison: quarantined: [worker_died] the process ended 2 times with it",
        "b: done",
        "c: done",
    ]
    assert workers.began.count(POISON) == 2
    assert run.states() == {"done": 3, "quarantined": 1}
    assert said[-1].startswith("[4/4] ")
    again, workers, said = fleet(tmp_path, "a poison b c d", resume=True)
    assert again.run()[1].startswith("poison: quarantined: ")
    assert workers.began == ["d"]
    assert said[:2] == ["a: done before", "poison: quarantined before"]
    (tmp_path / "out" / POISON).mkdir()  # augmented alone, by hand
    assert fleet(tmp_path, "a poison", resume=True)[0].run() == ["a: done", "poison: done"]


def test_what_fails_by_name_is_not_tried_again_in_the_same_run(tmp_path: Path) -> None:
    def fails(task: Task) -> Outcome:
        return Outcome(code="no_cameras", text="none") if task.name == "b" else made(task)

    run, workers, _ = fleet(tmp_path, "a b", fails)
    assert run.run() == ["a: done", "b: failed: [no_cameras] none"]
    assert sorted(workers.began) == ["a", "b"]
    again, workers, _ = fleet(tmp_path, "a b", resume=True)  # it was mended
    assert again.run() == ["a: done", "b: done"]
    assert workers.began == ["b"]


def test_what_fails_as_nobody_foresaw_is_tried_once_more(tmp_path: Path) -> None:
    left = {"a": 1, "b": 5}

    def fails(task: Task) -> Outcome:
        left[task.name] -= 1
        if left[task.name] >= 0:
            return Outcome(code="unexpected_error", text="OSError: gone")
        return made(task)

    run, workers, said = fleet(tmp_path, "a b", fails)
    assert run.run() == ["a: done", "b: failed: [unexpected_error] OSError: gone"]
    assert sorted(workers.began) == ["a", "a", "b", "b"]
    assert "b: OSError: gone; it is tried again" in said


def test_what_fails_again_and_again_ends_no_process(tmp_path: Path) -> None:
    """As while a store does not answer: a later call tries it again."""

    class Unanswered:
        def augment(self, task: Task) -> Outcome:
            return Outcome(code="store_failed", text="it does not answer")

    worker: Any = Unanswered()
    for resume in (False, True, True):
        ledger = Ledger(tmp_path / "out", IDENTITY, resume)
        lines = Fleet({"a": tmp_path / "a"}, ledger, InProcess(worker, ledger), print).run()
        assert lines == ["a: failed: [store_failed] it does not answer"]


def test_a_recording_that_ends_this_process_twice_is_quarantined_too(tmp_path: Path) -> None:
    """Without Ray the ledger alone survives."""

    class Ended(BaseException):
        pass

    class Poisonous:
        def augment(self, task: Task) -> Outcome:
            if task.name == POISON:
                raise Ended
            return made(task)

    worker: Any = Poisonous()
    found = {name: tmp_path / name for name in ("a", POISON, "z")}
    for resume in (False, True):
        ledger = Ledger(tmp_path / "out", IDENTITY, resume)
        with pytest.raises(Ended):
            Fleet(found, ledger, InProcess(worker, ledger), print).run()
    ledger = Ledger(tmp_path / "out", IDENTITY, resume=True)
    lines = Fleet(found, ledger, InProcess(worker, ledger), print).run()
    assert [line.partition(":")[2][:12] for line in lines] == [" done", " quarantined", " done"]


def test_interrupted_again_and_again_a_recording_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Ctrl-C says nothing against a recording."""
    folder, model = drives(tmp_path / "drives", 1), make_package(tmp_path / "tiny")

    def interrupted(worker: Worker, task: Task) -> Outcome:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "augment", interrupted)
        for more in ([], ["--resume"], ["--resume"]):
            assert many(folder, tmp_path / "out", model, "--workers", "0", *more) == 130
            said = capsys.readouterr().err
            assert said == "interrupted; what was made is kept, --resume goes on\n"
    assert many(folder, tmp_path / "out", model, "--workers", "0", "--resume") == 0
    assert capsys.readouterr().out.endswith("1 done\n")


def test_a_line_of_the_ledger_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path / "out", IDENTITY, resume=False).add(Entry("a", "failed", "no_cameras", "none"))
    file = tmp_path / "out" / LEDGER
    with file.open("ab") as stream:
        stream.write(b'{"recording": "b", "eve')
    ledger = Ledger(tmp_path / "out", IDENTITY, resume=True)
    assert [(ledger.state(name)) for name in "ab"] == ["failed", "left"]
    ledger.add(Entry("b", "failed"))
    assert Ledger(tmp_path / "out", IDENTITY, resume=True).state("b") == "failed"


def test_an_output_that_is_there_and_one_of_other_options(tmp_path: Path) -> None:
    fleet(tmp_path, "a")[0].run()
    with pytest.raises(AnyviewError, match="give another OUT, or go on in it with --resume"):
        Ledger(tmp_path / "out", IDENTITY, resume=False)
    with pytest.raises(AnyviewError, match="model changed; ask for the same, or give another OUT"):
        Ledger(tmp_path / "out", {"model": "large"}, resume=True)
    Ledger(tmp_path / "out", IDENTITY, resume=True)
    Ledger(tmp_path / "other", {"model": "large"}, resume=False)


def test_recordings_of_a_folder_and_of_a_list(tmp_path: Path) -> None:
    for bag in ("monday/drive", "tuesday/drive"):
        (tmp_path / bag).mkdir(parents=True)
        (tmp_path / bag / "metadata.yaml").touch()
        (tmp_path / bag / "drive_0.mcap").touch()
    (tmp_path / "old.bag").touch()
    (tmp_path / "notes.md").touch()
    found = recordings(tmp_path)
    assert list(found) == ["monday/drive", "old", "tuesday/drive"]
    assert found["old"] == tmp_path / "old.bag"
    file = tmp_path / "list.txt"
    file.write_text("# what rained\nmonday/drive\n\nold.bag\n")
    assert recordings(file) == {"drive": tmp_path / "monday/drive", "old": tmp_path / "old.bag"}
    (tmp_path / "monday.mcap").touch()
    with pytest.raises(AnyviewError, match=r"monday/drive' would lie inside that of '.*monday\.mc"):
        recordings(tmp_path)
    file.write_text("monday/drive\ntuesday/drive\n")
    with pytest.raises(AnyviewError, match="two recordings would be called 'drive'") as raised:
        recordings(file)
    assert raised.value.code == "name_taken"
    (tmp_path / "tuesday/drive").rename(tmp_path / "tuesday/another")
    file.write_text("monday/drive\ntuesday/another\n")
    assert list(recordings(file)) == ["another", "drive"]
    for nothing in (tmp_path / "nowhere", tmp_path / "monday/drive/drive_0.mcap"):
        with pytest.raises(AnyviewError, match="has no recording; give a folder"):
            recordings(nothing)


def drives(folder: Path, count: int) -> Path:
    """Small recordings that differ."""
    for k in range(count):
        rig = RigRecording()
        rig.front.stamps_ns, rig.left.stamps_ns = stamps(5 + k % 5), []
        rig.write(folder / f"drive_{k:02d}")
    return folder


def many(folder: Path, out: Path, model: Path, *more: str) -> int:
    cameras = cameras_file(folder.parent, RAISED)
    return main(arguments(folder, out, model, *more, cameras=cameras))


def exported(folder: Path) -> list[str]:
    return ["--fps", "10", "--export", f"nuscenes={folder}"]


def outputs(out: Path) -> dict[str, str]:
    return {name: d for name, d in digests(out).items() if name not in (LEDGER, WORK)}


def test_workers_make_what_one_after_the_other_makes(tmp_path: Path, capsys: Any) -> None:
    """Three bags, one of them damaged; in this process, and by a worker that had others before."""
    folder, model = drives(tmp_path / "drives", 3), make_package(tmp_path / "tiny")
    file = folder / "drive_01" / "drive_01.mcap"
    file.write_bytes(file.read_bytes()[:-3000])
    more = exported(tmp_path / "sets")
    assert many(folder, tmp_path / "serial", model, "--workers", "0", *more) == 1
    said = capsys.readouterr().out
    assert "drive_01: failed: [unreadable_bag] '" in said
    assert said.endswith("2 done, 1 failed\n")
    alone, own = tmp_path / "alone", exported(tmp_path / "own")
    assert many(folder / "drive_02", alone / "drive_02", model, *own) == 0
    assert sorted(set_.name for set_ in (tmp_path / "sets").iterdir()) == ["drive_00", "drive_02"]
    assert digests(tmp_path / "sets" / "drive_02") == digests(tmp_path / "own")
    before = outputs(tmp_path / "serial")
    assert {n: d for n, d in before.items() if not n.startswith("drive_00")} == outputs(alone)
    assert many(folder, tmp_path / "serial", model, "--workers", "0", "--resume", *more) == 1
    assert "drive_00: done before" in capsys.readouterr().out
    assert outputs(tmp_path / "serial") == before


def test_data_sets_that_are_there_or_would_lack_what_is_done(tmp_path: Path, capsys: Any) -> None:
    folder, model = drives(tmp_path / "drives", 1), make_package(tmp_path / "tiny")
    out, more = tmp_path / "out", exported(tmp_path / "sets")
    (tmp_path / "sets").mkdir()
    assert many(folder, out, model, "--workers", "0", *more) == 1
    assert "give another folder to --export" in capsys.readouterr().err
    assert not out.exists()
    assert many(folder, out, model, "--workers", "0") == 0
    (tmp_path / "sets").rmdir()
    assert many(folder, out, model, "--workers", "0", "--resume", *more) == 1
    assert "exports changed; ask for the same, or give another OUT" in capsys.readouterr().err
    assert many(folder, tmp_path / "another", model, "--workers", "0", *more) == 0


def test_without_ray_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    folder, model = tmp_path / "drives", make_package(tmp_path / "tiny")
    (folder / "drive").mkdir(parents=True)
    (folder / "drive" / "metadata.yaml").touch()
    assert many(folder, tmp_path / "out", model, "--workers", "2") == 1
    said = capsys.readouterr().err
    assert "error [no_ray]: workers are Ray's" in said
    assert "pass --workers 0" in said
    assert not (tmp_path / "out").exists()
    assert many(folder, tmp_path / "out", model, "--workers", "-1") == 1
    assert "error [invalid_parameter]: --workers and --gpu-share" in capsys.readouterr().err


class PoisonedWorker(Worker):
    """Ends its process with one recording, when a part of it was made."""

    def augment(self, task: Task) -> Outcome:
        if POISON in task.name:
            end = Target._answer

            def dies(target: Target, *given: Any) -> None:
                end(target, *given)
                os.kill(os.getpid(), signal.SIGKILL)

            Target._answer = dies  # type: ignore[method-assign]
        return super().augment(task)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_bags_over_ray_with_a_poisonous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    folder, model = drives(tmp_path / "drives", 20), make_package(tmp_path / "tiny")
    sets = exported(tmp_path / "serial-sets")
    assert many(folder, tmp_path / "serial", model, "--workers", "0", *sets) == 0
    (folder / "drive_07").rename(folder / POISON)
    monkeypatch.setattr("anyview_ros.cli.augment_many._worker", poisoned)
    capsys.readouterr()
    sets = exported(tmp_path / "sets")
    assert many(folder, tmp_path / "out", model, "--workers", "2", *sets) == 1
    said = capsys.readouterr().out
    assert "poison: quarantined: [worker_died] the process ended 2 times with it" in said
    assert said.endswith("19 done, 1 quarantined\n")
    for made, whole in (("out", "serial"), ("sets", "serial-sets")):
        found, wanted = outputs(tmp_path / made), outputs(tmp_path / whole)
        assert {n: d for n, d in found.items() if not n.startswith(POISON)} == {
            n: d for n, d in wanted.items() if not n.startswith("drive_07")
        }
    assert many(folder, tmp_path / "out", model, "--workers", "2", "--resume", *sets) == 1
    assert "poison: quarantined before" in capsys.readouterr().out


def poisoned(work: Any, model: str, provider: Any) -> Worker:
    from anyview_ros.augment.model import find_model

    return PoisonedWorker(work, find_model(model, provider))

"""An augmentation that is stopped, however that is, and goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyview_ros.augment.bag_copy import BagCopy
from anyview_ros.augment.spool import Spool
from anyview_ros.cli.__main__ import main
from tests.augment.bags import arguments, augmented, cameras_file, digests
from tests.datasets.rig_bag import FIRST_NS, MS, RigRecording, stamps
from tests.packages import make_package

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip takes long enough to be killed in."""
    return make_package(tmp_path_factory.mktemp("models") / "slow", work=10)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rig = RigRecording()
    gap = [stamp for k, stamp in enumerate(stamps(36)) if k not in (20, 21, 22, 23)]
    rig.front.stamps_ns, rig.left.stamps_ns = gap, []
    rig.transforms_ns = stamps(80, FIRST_NS - 95 * MS, 50 * MS)
    return rig.write(tmp_path_factory.mktemp("bag") / "drive")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, source: Path, model: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    return digests(augmented(source, folder / "out", model))


def started(source: Path, out: Path, model: Path) -> subprocess.Popen[str]:
    """The command in a process, which has made two clips at least."""
    command = [sys.executable, "-m", "anyview_ros.cli", *arguments(source, out, model)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    newest = out.with_name(out.name + ".unfinished") / "clips" / "raised.1.npy"
    deadline = time.monotonic() + DEADLINE_S
    while not newest.exists():
        assert process.poll() is None, process.stderr
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def kill(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGKILL)
    return process.wait()


def unfinished(out: Path) -> Path:
    return out.with_name(out.name + ".unfinished")


def clips_of(out: Path) -> int:
    """How many clips are kept; read from a copy, for a reader cuts off what is not whole."""
    shutil.rmtree(out.with_name("look"), ignore_errors=True)
    shutil.copytree(unfinished(out) / "clips", out.with_name("look"))
    with Spool(out.with_name("look"), "raised") as spool:
        return spool.clips


def test_killed_and_resumed_the_bytes_are_the_same(
    source: Path, model: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert kill(started(source, out, model)) == -signal.SIGKILL
    assert not out.exists()
    kept = clips_of(out)
    assert kept >= 1
    made = count_clips(source, out, model)
    assert digests(out) == whole
    assert made <= count_clips(source, tmp_path / "anew", model) - kept


def count_clips(source: Path, out: Path, model: Path) -> int:
    """Resume; how many clips were made for it."""
    made = 0
    append = Spool.append

    def counted(spool: Spool, *given: object) -> None:
        nonlocal made
        made += 1
        append(spool, *given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Spool, "append", counted)
        augmented(source, out, model, "--resume")
    return made


def test_a_clip_that_was_cut_off_is_made_again(
    source: Path, model: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kill(started(source, out, model))
    file = unfinished(out) / "clips" / "raised.clips"
    with file.open("ab") as clips:
        clips.write(file.read_bytes()[:1000])
    augmented(source, out, model, "--resume")
    assert digests(out) == whole


def test_interrupted_it_says_how_to_go_on(
    source: Path, model: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(source, out, model)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was made is kept, --resume goes on" in said
    assert "Traceback" not in said
    augmented(source, out, model, "--resume")
    assert digests(out) == whole


def test_stopped_in_the_copy_it_goes_on_too(
    source: Path,
    model: Path,
    whole: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"

    def stopped(self: BagCopy, folder: Path, on_progress: object) -> None:
        folder.mkdir()
        (folder / "drive.mcap").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BagCopy, "write", stopped)
        assert main(arguments(source, out, model)) == 130
    assert not out.exists()
    augmented(source, out, model, "--resume")
    assert digests(out) == whole


def test_what_is_resumed_must_be_the_same(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    kill(started(source, out, model))
    for more, changed in ((["--seed", "2"], "settings"), (["--rectify", "off"], "options")):
        assert main(arguments(source, out, model, "--resume", *more)) == 1
        assert f"is not what is asked for now: {changed} changed" in capsys.readouterr().err
    cameras = cameras_file(tmp_path / "..", "\n  - name: other\n    sources: [front]\n")
    assert main(arguments(source, out, model, "--resume", cameras=cameras)) == 1
    assert "cameras changed" in capsys.readouterr().err
    assert main(arguments(source, out, model)) == 1
    assert "error [unfinished_exists]" in capsys.readouterr().err
    augmented(source, out, model, "--resume")


def test_two_calls_do_not_work_in_one_folder(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = started(source, out, model)
    assert main(arguments(source, out, model, "--resume")) == 1
    said = capsys.readouterr().err
    assert f"error [unfinished_exists]: another augmentation works in '{unfinished(out)}'" in said
    kill(process)
    augmented(source, out, model, "--resume")


def test_a_folder_that_was_begun_may_be_deleted(source: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kill(started(source, out, model))
    shutil.rmtree(unfinished(out))
    augmented(source, out, model)

"""Recordings and outputs in stores, by the file systems `memory` and `file` of fsspec."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anyview_ros.augment import job
from anyview_ros.augment.ledger import LEDGER, WORK
from anyview_ros.augment.recordings import recordings
from anyview_ros.augment.spool import Spool
from anyview_ros.augment.stores import StorePath
from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.bag import Bag
from anyview_ros.errors import AnyviewError
from tests.augment.bags import MOVING, RAISED, augmented, cameras_file, digests
from tests.augment.test_fleet import drives
from tests.datasets.test_damaged_bags import killed_recording

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
from fsspec.implementations.memory import MemoryFile  # noqa: E402

SCHEMES = ("memory", "file")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, source: Path, model: Path) -> Path:
    """Return what is made without stores: the bag `out`, and the data set `kitti`."""
    folder = tmp_path_factory.mktemp("whole")
    more = ["--fps", "10", "--export", f"kitti={folder / 'kitti'}"]
    augmented(source, folder / "out", model, *more)
    return folder


@pytest.fixture(params=SCHEMES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePath]:
    """An empty store."""
    root = f"/store/{tmp_path.name}" if request.param == "memory" else tmp_path / "store"
    found = StorePath(f"{request.param}://{root}", tmp_path / "work")
    yield found
    found.remove()


class Failing:
    """A file system that does not answer when so many groups of files were written.

    Args:
        after: groups of files.
        failures: how often it fails.
    """

    def __init__(self, store: StorePath, after: int, failures: int = 1) -> None:
        self._kind = fsspec.get_filesystem_class(store.url.partition("://")[0])
        self._put, self._after, self._failures = self._kind.put, after, failures

    def __enter__(self) -> None:
        def put(system: Any, sources: Any, targets: Any, **options: Any) -> None:
            self._after -= 1
            if self._after < 0 and self._failures:
                self._failures -= 1
                raise OSError("the store does not answer")
            self._put(system, sources, targets, **options)

        self._kind.put = put

    def __exit__(self, *error: object) -> None:
        self._kind.put = self._put


def run(source: object, out: StorePath, model: Path, *more: str, fleet: bool = False) -> int:
    cameras = out.work.parent / "cameras"
    cameras.mkdir(exist_ok=True)
    file = cameras_file(cameras, *((RAISED,) if fleet else (RAISED, MOVING)))
    given = ["augment", str(source), str(out), "--cameras", str(file), "--model", str(model)]
    return main([*given, "--provider", "cpu", "--work", str(out.work), *more])


def uploaded(folder: Path, store: StorePath) -> StorePath:
    store.upload(folder)
    return store


def downloaded(store: StorePath, folder: Path) -> dict[str, str]:
    store.download(store.files(), folder)
    return digests(folder)


def test_from_a_store_to_a_store_the_bytes_are_the_same(
    store: StorePath, source: Path, model: Path, whole: Path, tmp_path: Path
) -> None:
    drive = uploaded(source, store / "drive")
    export = ["--fps", "10", "--export", f"kitti={store / 'kitti'}"]
    assert run(drive, store / "out", model, *export) == 0
    assert downloaded(store / "out", tmp_path / "out") == digests(whole / "out")
    assert downloaded(store / "kitti", tmp_path / "kitti") == digests(whole / "kitti")
    below = {name.partition("/")[0] for name in store.files()}
    assert below == {"drive", "out", "kitti"}, "a marker is left"
    assert not list(store.work.rglob("*")), "something is left on this machine"


def test_from_a_store_to_this_machine_and_back(
    store: StorePath, source: Path, model: Path, whole: Path, tmp_path: Path
) -> None:
    """One file of a recording, too."""
    (file,) = source.glob("*.mcap")
    drive = uploaded(source, store / "drive")
    augmented(file, tmp_path / "of-a-file", model)
    given = ["--cameras", str(cameras_file(tmp_path)), "--model", str(model), "--provider", "cpu"]
    out = tmp_path / "out"
    assert main(["augment", str(drive / file.name), str(out), *given]) == 0
    assert digests(out) == digests(tmp_path / "of-a-file")
    assert not (tmp_path / "out.unfinished").exists()
    assert run(source, store / "out", model) == 0
    assert downloaded(store / "out", tmp_path / "downloaded") == digests(whole / "out")


def test_an_upload_that_was_stopped_is_marked_and_resumed(
    store: StorePath,
    source: Path,
    model: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    out = store / "out"
    with Failing(store, after=1):  # all but metadata.yaml is there
        assert run(source, out, model) == 1
    said = capsys.readouterr().err
    assert f"error [store_failed]: '{out}' cannot be written: the store does not answer" in said
    assert out.files()
    assert "metadata.yaml" not in out.files()
    assert out.marker.exists()
    assert not out.is_whole()
    assert run(source, out, model) == 1
    assert "error [unfinished_exists]: '" in capsys.readouterr().err
    monkeypatch.setattr(Spool, "append", None)  # no clip is made again
    assert run(source, out, model, "--resume") == 0
    assert out.is_whole()
    assert downloaded(out, tmp_path / "out") == digests(whole / "out")
    assert run(source, out, model, "--resume") == 1
    assert "error [output_exists]: " in capsys.readouterr().err


def test_an_early_error_elsewhere_leaves_a_half_upload_marked(
    store: StorePath, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = store / "out"
    with Failing(out, after=1):
        assert run(source, out, model) == 1
    assert out.exists()
    elsewhere = replace(out, work=out.work / "elsewhere")
    free = SimpleNamespace(free=job.SPARE + 1000)
    with monkeypatch.context() as patch:
        patch.setattr(job.shutil, "disk_usage", lambda path: free)
        assert run(source, elsewhere, model, "--resume") == 1
    assert "error [disk_full]" in capsys.readouterr().err
    assert not out.is_whole()
    assert run(source, out, model, "--resume") == 0
    assert out.is_whole()


def test_another_machine_sees_that_it_is_unfinished(
    store: StorePath, source: Path, model: Path, whole: Path, tmp_path: Path, capsys: Any
) -> None:
    """It has no clips of it, and makes all of them anew with --resume."""
    with Failing(store, after=0):
        assert run(source, store / "out", model) == 1
    out = StorePath(f"{store.url}/out", tmp_path / "elsewhere")
    capsys.readouterr()
    assert run(source, out, model) == 1
    assert f"[unfinished_exists]: '{out.marker}' is there" in capsys.readouterr().err
    assert run(source, out, model, "--resume") == 0
    assert downloaded(out, tmp_path / "out") == digests(whole / "out")


def test_what_cannot_be_read_is_told_by_the_path_that_was_given(
    store: StorePath, source: Path, model: Path, capsys: Any
) -> None:
    assert run(store / "nowhere", store / "out", model) == 1
    assert f"'{store / 'nowhere'}' cannot be read: it is not there" in capsys.readouterr().err
    drive = uploaded(source, store / "drive")
    (drive / "metadata.yaml").remove()
    assert run(drive, store / "out", model) == 1
    said = capsys.readouterr().err
    assert f"[unreadable_bag]: '{drive}' cannot be read: it holds no metadata.yaml" in said
    assert f"give '{drive}/drive.mcap' itself" in said
    assert run(drive / "drive.mcap", store / "out", model) == 0


def test_messages_in_a_write_ahead_log_are_not_lost(
    store: StorePath, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file and of a folder, and what was taken in once is not copied again."""
    copied, download = list[str](), StorePath.download

    def counted(source: StorePath, names: Any, folder: Path) -> None:
        copied.extend(names)
        download(source, names, folder)

    monkeypatch.setattr(StorePath, "download", counted)
    killed, late = killed_recording(tmp_path)
    (tmp_path / "whole" / "metadata.yaml").rename(killed.with_name("metadata.yaml"))
    drive = uploaded(killed.parent, store / "drive")
    for given, file in ((drive / killed.name, ""), (drive, killed.name)):
        begun, before = job.Job(store / "out" / given.name), len(copied)
        for _ in range(2):
            with Bag(begun.local(given) / file) as opened:
                assert opened.files.counts().total() == 2 * late
        assert len(copied) - before == (3 if file else 2)  # with metadata.yaml
        begun.close()
    assert run(drive / killed.name, store / "made", model) == 0


def test_names_that_lead_out_of_a_folder(tmp_path: Path) -> None:
    """They would be written over files of this machine."""
    hostile = StorePath(f"memory:///store/{tmp_path.name}")
    system = fsspec.filesystem("memory")
    system.store[f"/store/{tmp_path.name}/../evil"] = MemoryFile(system, "evil", b"content")
    try:
        with pytest.raises(AnyviewError, match=r"'\.\./evil' leads out of it"):
            hostile.files()
    finally:
        del system.store[f"/store/{tmp_path.name}/../evil"]


def test_a_disk_that_cannot_hold_the_copy(
    store: StorePath, source: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    drive = uploaded(source, store / "drive")
    with monkeypatch.context() as patch:
        free = SimpleNamespace(free=job.SPARE + 1000)
        patch.setattr(job.shutil, "disk_usage", lambda path: free)
        assert run(drive, store / "out", model) == 1
    assert "error [disk_full]: " in (said := capsys.readouterr().err)
    assert "give --work a folder on a larger disk" in said
    larger = StorePath(f"{store.url}/out", store.work / "larger")
    assert run(drive, larger, model) == 0


@pytest.mark.parametrize(
    ("missing", "url", "remedy"),
    [
        ("fsspec.core", "memory://drive", "pip install 'anyview_ros[stores]'"),
        ("s3fs", "s3://bucket/drive", "needs fsspec's driver of s3://: pip install s3fs"),
        ("gcsfs", "gs://bucket/drive", "pip install gcsfs"),
        ("adlfs", "az://box/drive", "pip install adlfs"),
        ("paramiko", "sftp://host/drive", 'requires "paramiko" to be installed'),
        ("", "nothing://drive", "Protocol not known: nothing; correct the path"),
    ],
)
def test_a_driver_that_is_missing(
    missing: str,
    url: str,
    remedy: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    out = tmp_path / "out"
    cameras = ["--cameras", str(cameras_file(tmp_path)), "--model", str(model)]
    assert main(["augment", url, str(out), *cameras]) == 1
    assert "error [no_driver]: " in (said := capsys.readouterr().err)
    assert remedy in said
    assert not list(tmp_path.glob("out*"))


def test_many_recordings_from_a_store_to_a_store(
    store: StorePath, model: Path, tmp_path: Path, capsys: Any
) -> None:
    """As on this machine; one of them is damaged, and one upload fails once."""
    folder = drives(tmp_path / "drives", 3)
    (folder / "monday").mkdir()
    (folder / "drive_02").rename(folder / "monday" / "drive_02")
    file = folder / "drive_01" / "drive_01.mcap"
    file.write_bytes(file.read_bytes()[:-3000])
    cameras = cameras_file(tmp_path, RAISED)
    given = ["--cameras", str(cameras), "--model", str(model), "--provider", "cpu"]
    many = ["--workers", "0", "--fps", "10", "--export"]
    here = tmp_path / "here"
    words = [*given, *many, f"kitti={tmp_path / 'kitti'}"]
    assert main(["augment", str(folder), str(here), *words]) == 1
    uploaded(folder, store / "drives")
    out, kitti = store / "out", f"kitti={store / 'kitti'}"
    capsys.readouterr()
    with Failing(store, after=2):
        assert run(store / "drives", out, model, *many, kitti, fleet=True) == 1
    said = capsys.readouterr().out
    assert "cannot be written: the store does not answer" in said
    assert "it is tried again" in said
    assert f"drive_01: failed: [unreadable_bag] '{store}/drives/drive_01/drive_01.mcap'" in said
    assert said.endswith("2 done, 1 failed\n")
    made = {n: d for n, d in downloaded(out, tmp_path / "o").items() if n not in (LEDGER, WORK)}
    assert made == {n: d for n, d in digests(here).items() if n not in (LEDGER, WORK)}
    assert downloaded(store / "kitti", tmp_path / "k") == digests(tmp_path / "kitti")
    lines = (out / LEDGER).read_text().splitlines()
    events = [(e["recording"], e["event"]) for e in map(json.loads, lines)]
    assert ("monday/drive_02", "done") in events
    assert ("drive_01", "failed") in events
    assert run(store / "drives", out, model, *many, kitti, "--resume", fleet=True) == 1
    assert "monday/drive_02: done before" in capsys.readouterr().out
    assert run(store / "drives", out, model, *many, kitti, fleet=True) == 1
    assert "[output_exists]" in capsys.readouterr().err
    assert not [f for f in out.work.rglob("*") if f.is_file()]


def test_recordings_of_a_store_are_those_of_the_same_folder(
    store: StorePath, tmp_path: Path
) -> None:
    folder = tmp_path / "there"
    for bag in ("monday/drive", "tuesday/drive", "tuesday/drive/inside"):
        (folder / bag).mkdir(parents=True)
        (folder / bag / "metadata.yaml").touch()
        (folder / bag / "drive_0.mcap").write_text("content")
    (folder / "old.bag").touch()
    (folder / "notes.md").touch()
    (folder / "list.txt").write_text(f"# what rained\nmonday/drive\n{store}/there/old.bag\n")
    there = uploaded(folder, store / "there")
    here = recordings(folder)
    assert list(here) == ["monday/drive", "old", "tuesday/drive"]
    assert {n: str(p) for n, p in recordings(there).items()} == {
        name: f"{there}/{path.relative_to(folder)}" for name, path in here.items()
    }
    for file in (folder / "list.txt", there / "list.txt"):
        assert {n: str(p).rpartition("there/")[2] for n, p in recordings(file).items()} == {
            "drive": "monday/drive",
            "old": "old.bag",
        }
    for nothing in (store / "nowhere", store / "nowhere.txt"):
        with pytest.raises(AnyviewError, match="has no recording; give a folder"):
            recordings(nothing)

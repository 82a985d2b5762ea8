"""The folder of an augmentation that is under way: what is asked for, and how far it is.

It lies beside the output and is called after it; the output itself appears whole, at the end. That
of an output in a store lies on this machine, and a marker beside the output says that it is not
whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, BinaryIO

from anyview_ros.augment.begun_work import keep_identity
from anyview_ros.augment.stores import NOTE, Place, StorePath, is_whole, unfinished
from anyview_ros.datasets.bag_opening import METADATA, RECORDED
from anyview_ros.errors import AnyviewError

JOB, CLIPS, WHOLE, CONVERTED, SOURCE = "job.json", "clips", "bag", "ros2", "source"
LOCK = "lock"
SQLITE, LOG, TAKEN_IN = ".db3", "-wal", "taken_in.json"
SAMPLE = 1 << 20  # bytes of a file's begin and end by which it is known again
SPARE = 64 << 20  # bytes of the disk that are left free


class Job:
    """An augmentation on disk, until it is closed.

    Args:
        output: folder that is written in the end.
    """

    def __init__(self, output: Place) -> None:
        self.output = output
        self.folder = unfinished(output)
        self._held: BinaryIO | None = None  # locked, while this call works in the folder

    @property
    def clips(self) -> Path:
        """Return the folder of the answers."""
        return self.folder / CLIPS

    @property
    def bag(self) -> Path:
        """Return the folder that becomes the output."""
        return self.folder / WHOLE

    @property
    def converted(self) -> Path:
        """Return where a ROS 1 bag is made one of ROS 2."""
        return self.folder / CONVERTED

    def check_free(self, resume: bool) -> None:
        """Refuse to write over anything.

        Raises:
            AnyviewError: `output_exists`, `unfinished_exists`.
        """
        if is_whole(self.output):
            raise AnyviewError(
                "output_exists",
                f"'{self.output}' is there already; give another OUT, or move it away",
            )
        if not resume and (there := self._begun()) is not None:
            raise AnyviewError(
                "unfinished_exists",
                f"'{there}' is there: an augmentation that was stopped; go on with "
                "--resume, or delete it",
            )

    def _begun(self) -> Place | None:
        """Return what says that the output was begun, here or by another machine."""
        names = {file.name for file in self.folder.iterdir()} if self.folder.is_dir() else set()
        if names - {SOURCE, LOCK}:
            return self.folder  # more than a copy of its recording
        marker = self.output.marker if isinstance(self.output, StorePath) else None
        return marker if marker is not None and marker.exists() else None

    def local(self, source: Place) -> Path:
        """Return a recording on this machine: itself, or its copy, where it is in a store.

        What was copied before, whole, is not copied again. What a recorder that was killed left in
        sqlite3's write-ahead log is moved into the copy.

        Raises:
            AnyviewError: `unreadable_bag`, `disk_full`, `no_driver`, `store_failed`.
        """
        if isinstance(source, Path):
            if not source.exists():
                raise _not_there(source)
            return source
        parts = [source]
        if source.suffix == SQLITE:
            parts.append(replace(source, url=f"{source.url}{LOG}"))
        there = {part.name: part.files() for part in parts}
        if not there[source.name]:
            raise _not_there(source)
        target, mark = self.folder / SOURCE / source.name, self.folder / SOURCE / TAKEN_IN
        if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == there:
            return target
        for part in parts:
            self._download(part, there[part.name])
        files = target.rglob(f"*{SQLITE}") if target.is_dir() else [target]
        if [file for file in files if _takes_in_log(file)]:
            mark.write_text(json.dumps(there), encoding="utf-8")  # by sizes it is another file now
        return target

    def _download(self, source: StorePath, files: Mapping[str, int]) -> None:
        """Copy what is not here yet of files, given with their bytes."""
        target = self.folder / SOURCE / source.name
        left = {name: size for name, size in files.items() if _size(target / name) != size}
        if left:
            self._hold()
            self._check_free_bytes(sum(left.values()))
            source.download(left, target)

    def begin(self, identity: dict[str, Any]) -> None:
        """Make the folder, or go on in it; no other call of this machine can until it ends.

        Args:
            identity: what the output follows from; JSON.

        Raises:
            AnyviewError: `unfinished_exists`, `resume_mismatch`.
        """
        self._hold()
        file = self.folder / JOB
        if not file.is_file():
            shutil.rmtree(self.clips, ignore_errors=True)
        self.clips.mkdir(exist_ok=True)
        keep_identity(file, identity)
        if isinstance(self.output, StorePath):
            self.output.marker.write_text(NOTE)

    def _hold(self) -> None:
        """Make the folder, and keep other calls of this machine from it.

        Raises:
            AnyviewError: `unfinished_exists`.
        """
        if self._held is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        held = (self.folder / LOCK).open("wb")
        try:
            flock(held, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            held.close()
            raise AnyviewError(
                "unfinished_exists",
                f"another augmentation works in '{self.folder}'; wait for it, or end it and go on "
                "with --resume",
            ) from None
        except OSError:  # a file system without locks
            held.close()
            return
        self._held = held
        if not (self.folder / LOCK).is_file():  # it was just finished, and dropped
            raise AnyviewError(
                "unfinished_exists",
                f"another augmentation has just ended in '{self.folder}'; ask again",
            )

    def check_space(self, needed: int) -> None:
        """Refuse what the disk will not hold.

        Args:
            needed: bytes of the answers, twice, and of the copy.

        Raises:
            AnyviewError: `disk_full`.
        """
        there = size_of(self.folder) - size_of(self.folder / SOURCE)
        self._check_free_bytes(needed - there, ", or pass --images jpeg")

    def _check_free_bytes(self, needed: int, more: str = "") -> None:
        free = shutil.disk_usage(self.folder).free
        if needed + SPARE <= free:
            return
        where = f"beside '{self.output}'"
        remedy = "give an OUT on a larger disk"
        if isinstance(self.output, StorePath):
            where = f"in '{self.folder}'"
            remedy = "give --work a folder on a larger disk"
        raise AnyviewError(
            "disk_full",
            f"about {needed / 1e9:.1f} GB are needed {where}, {free / 1e9:.1f} GB are free; "
            f"{remedy}{more}",
        )

    def drop_empty(self) -> None:
        """Drop the folder where everything was refused before anything was made."""
        if not any(self.clips.iterdir()):
            self._drop()

    def finish(self) -> None:
        """Let the output appear, and drop the rest."""
        if isinstance(self.output, Path):
            self.bag.rename(self.output)
        else:
            self.output.upload(self.bag, last=METADATA)
        self._drop()

    def close(self) -> None:
        """Let go of the folder."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _drop(self) -> None:
        self.close()  # NFS keeps the name of what is open
        shutil.rmtree(self.folder)
        if isinstance(self.output, StorePath):
            if not self.output.exists():  # of a half upload it says so on
                self.output.marker.remove()
            self.folder.parent.rmdir()  # of this output alone

    @contextmanager
    def source_named(self, source: Place) -> Iterator[None]:
        """Tell errors of a copy by the path that was given."""
        try:
            yield
        except AnyviewError as error:
            copy = str(self.folder / SOURCE / source.name)
            text = error.message.replace(copy, str(source))
            raise AnyviewError(error.code, text) from None

    @contextmanager
    def full_disk_named(self) -> Iterator[None]:
        """Raise AnyviewError `disk_full` where the disk is."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise AnyviewError(
                "disk_full",
                f"the disk of '{self.folder}' is full; what was made is kept: free some of it and "
                "go on with --resume",
            ) from None


def _not_there(source: Place) -> AnyviewError:
    text = f"'{source}' cannot be read: it is not there; {RECORDED}"
    return AnyviewError("unreadable_bag", text)


def _takes_in_log(file: Path) -> bool:
    """Move what is in a file's write-ahead log into the file; return whether there was any."""
    if _size(file.with_name(f"{file.name}{LOG}")) <= 0:
        return False
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as copy:  # who reads it says why
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return True


def identity_of(path: Path) -> dict[str, Any]:
    """Return by what a file, or the files of a folder, are known again."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path.parent)): _known_by(file) for file in files}


def size_of(path: Path) -> int:
    """Return the bytes of a file or folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1


def _known_by(file: Path) -> list[Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        digest = hashlib.sha256(stream.read(SAMPLE))
        stream.seek(max(0, size - SAMPLE))
        digest.update(stream.read(SAMPLE))
    return [size, digest.hexdigest()]

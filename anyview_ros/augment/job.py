"""The folder of an augmentation that is under way: what is asked for, and how far it is.

It lies beside the output and is called after it; the output itself appears whole, at the end.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyview_ros.augment.begun_work import keep_identity
from anyview_ros.errors import AnyviewError

SUFFIX = ".unfinished"
JOB, CLIPS, WHOLE, CONVERTED = "job.json", "clips", "bag", "ros2"
SAMPLE = 1 << 20  # bytes of a file's begin and end by which it is known again
SPARE = 64 << 20  # bytes of the disk that are left free


class Job:
    """An augmentation on disk.

    Args:
        output: folder that is written in the end.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + SUFFIX)

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
        if self.output.exists():
            raise AnyviewError(
                "output_exists",
                f"'{self.output}' is there already; give another OUT, or move it away",
            )
        if self.folder.exists() and not resume:
            raise AnyviewError(
                "unfinished_exists",
                f"'{self.folder}' is there: an augmentation that was stopped; go on with "
                "--resume, or delete it",
            )

    def begin(self, identity: dict[str, Any]) -> None:
        """Make the folder, or go on in it.

        Args:
            identity: what the output follows from; JSON.

        Raises:
            AnyviewError: `resume_mismatch`.
        """
        file = self.folder / JOB
        if not file.is_file():
            shutil.rmtree(self.clips, ignore_errors=True)
        self.clips.mkdir(parents=True, exist_ok=True)
        keep_identity(file, identity)

    def check_space(self, needed: int) -> None:
        """Refuse what the disk will not hold.

        Args:
            needed: bytes of the answers, twice, and of the copy.

        Raises:
            AnyviewError: `disk_full`.
        """
        there = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        free = shutil.disk_usage(self.folder).free
        if needed - there + SPARE > free:
            raise AnyviewError(
                "disk_full",
                f"about {(needed - there) / 1e9:.1f} GB are needed beside '{self.output}', "
                f"{free / 1e9:.1f} GB are free; give an OUT on a larger disk, or "
                "pass --images jpeg",
            )

    def drop_empty(self) -> None:
        """Drop the folder where everything was refused before anything was made."""
        if not any(self.clips.iterdir()):
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        """Let the output appear, and drop the rest."""
        self.bag.rename(self.output)
        shutil.rmtree(self.folder)

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


def identity_of(path: Path) -> dict[str, Any]:
    """Return by what a file, or the files of a folder, are known again."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(path.parent)): _known_by(file) for file in files}


def size_of(path: Path) -> int:
    """Return the bytes of a file or folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _known_by(file: Path) -> list[Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        digest = hashlib.sha256(stream.read(SAMPLE))
        stream.seek(max(0, size - SAMPLE))
        digest.update(stream.read(SAMPLE))
    return [size, digest.hexdigest()]

"""Files that are there whole or not at all, and full disks named."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyview_ros.errors import AnyviewError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, or the limit of a process


@contextmanager
def whole_file(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of `path` at the end.

    On an error nothing is left, and what was at `path` stays. A folder that is missing is made.

    Args:
        shared: whether several threads or processes may write the same file; the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f".{os.getpid()}-{threading.get_ident()}" if shared else ""
    partial = path.with_name(f".{path.stem}{writer}.part{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path, pid: int) -> None:
    """Remove what a process that was ended left of the shared files that it was writing."""
    for file in folder.glob(f".*.{pid}-*.part*"):
        file.unlink(missing_ok=True)


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn the error of a full disk into one that names it; others pass.

    Args:
        path: what is being written.

    Raises:
        AnyviewError: `disk_full`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_full(path, error) from None


def disk_full(path: Path, error: OSError) -> AnyviewError:
    """Return the error of a full disk."""
    return AnyviewError(
        "disk_full",
        f"{path} cannot be written: {error.strerror}; make room on its disk",
    )

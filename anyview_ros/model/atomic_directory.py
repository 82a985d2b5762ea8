"""Folders of models, which are there whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyview_ros.errors import AnyviewError
from anyview_ros.whole_file import FULL, full_disk_named

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def new_model_directory(models: Path, name: str) -> Path:
    """Return where a model of that name is to lie in a folder of models; nothing may be there yet.

    Raises:
        AnyviewError: `invalid_name`, `model_exists`.
    """
    if not NAME.fullmatch(name):
        raise AnyviewError(
            "invalid_name",
            f"a model's name has letters, digits, '.', '_' and '-', and begins with a letter or a "
            f"digit, got '{name}'",
        )
    folder = models / name
    if folder.exists() or folder.is_symlink():
        raise AnyviewError(
            "model_exists", f"{folder} exists already; choose another --name, or remove it first"
        )
    return folder


@contextmanager
def atomic_directory(folder: Path, size: int) -> Iterator[Path]:
    """Yield a folder to write into, which becomes `folder` at the end; on any error nothing is
    left.

    Args:
        size: bytes that are going to be written, about; the disk must have room for them.

    Raises:
        AnyviewError: `disk_full`, `out_of_memory`.
    """
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    partial.mkdir(parents=True)
    try:
        free = shutil.disk_usage(partial).free
        if free < size:
            raise AnyviewError("disk_full", _needs(folder, size, free))
        yield partial
        partial.rename(folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(partial).free
        raise AnyviewError("disk_full", _needs(folder, size, free)) from None
    except MemoryError:
        raise AnyviewError(
            "out_of_memory",
            f"memory ran out while {folder} was made, and nothing of it is left; make room for it, "
            "or ask for fp16, a shorter clip or smaller images",
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def replaced_directory(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into, a copy of `folder` where that is there, which takes its place
    at the end; on any error `folder` is as it was, and nothing else is left.

    Raises:
        AnyviewError: `disk_full`.
    """
    partial, before = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "before"))
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    if before.exists() and not folder.exists():  # it was killed between the two
        before.rename(folder)
    try:
        with full_disk_named(folder):
            if folder.exists():
                _copy(folder, partial)
            else:
                partial.mkdir(parents=True)
            yield partial
            if folder.exists():
                shutil.rmtree(before, ignore_errors=True)
                folder.rename(before)
            partial.rename(folder)
    finally:
        if before.exists() and not folder.exists():  # it was ended between the two
            before.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder; `shutil.copytree` would hide what a full disk says."""
    to.mkdir()
    for file in folder.iterdir():
        if file.is_dir():
            _copy(file, to / file.name)
        else:
            shutil.copy2(file, to / file.name)


def _needs(folder: Path, size: int, free: int) -> str:
    return (
        f"{folder} needs about {size / 2**30:.1f} GiB, the disk has {free / 2**30:.1f} GiB free; "
        "make room, or let XDG_DATA_HOME name a folder on another disk"
    )

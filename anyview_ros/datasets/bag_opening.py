"""Find and open the files of a recording; the texts lead to what can be read, or mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from shlex import quote
from typing import Any

from anyview_ros.datasets.bag_files import BagFiles, File
from anyview_ros.datasets.bag_mcap import McapFile
from anyview_ros.datasets.bag_sqlite import SqliteFile
from anyview_ros.datasets.bag_unpacking import unpacked_file, unpacked_zstd
from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.errors import AnyviewError, cause

METADATA, INFORMATION = "metadata.yaml", "rosbag2_bagfile_information"
ENDINGS = (".mcap", ".db3", ".zstd")
MCAP, SQLITE, ROS1, ZSTD = b"\x89MCAP", b"SQLite format 3", b"#ROSBAG", b"\x28\xb5\x2f\xfd"
RECORDED = "give the folder that `ros2 bag record` wrote"
OF_ROS2 = "only ROS 2 messages (cdr) are read"


def open_files(path: Path, stack: ExitStack) -> BagFiles:
    """Open a recording: a folder that holds metadata.yaml, an .mcap or a .db3 file.

    Args:
        stack: closes the files.

    Raises:
        AnyviewError: `unreadable_bag`; `disk_full` for one that is compressed whole.
    """
    if not path.exists():
        raise _unreadable(path, f"it is not there; {RECORDED}")
    paths, packed = _of_folder(path) if path.is_dir() else ([path], False)
    opened = {file.name: _opened(file, stack) for file in paths}
    files = BagFiles(opened, unpacked_zstd if packed else lambda raw: raw, packed)
    if files.foreign and not files.topics:
        encodings = ", ".join(files.foreign)
        ros1 = f"; {_from_ros1(path.with_suffix('.bag'))}" if "ros1" in encodings else ""
        raise _unreadable(path, f"its messages are {encodings}: {OF_ROS2}{ros1}")
    return files


def _of_folder(folder: Path) -> tuple[list[Path], bool]:
    """Return the files that metadata.yaml names, and whether messages are compressed singly."""
    there = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    if not (folder / METADATA).is_file():
        raise _unreadable(folder, f"it holds no {METADATA}; {_way_out(folder, there)}")
    try:
        text = (folder / METADATA).read_text(encoding="utf-8")
        information: dict[str, Any] = load_yaml(text)[INFORMATION]
        named = [folder / PurePath(name).name for name in information["relative_file_paths"]]
        mode = information.get("compression_mode")
        packed = isinstance(mode, str) and mode.lower() == "message"
        missing = [file.name for file in named if not file.is_file()]
    except Exception as error:
        reason = f"its {METADATA} is damaged ({cause(error)}); {_way_out(folder, there)}"
        raise _unreadable(folder, reason) from None
    if missing or not named:
        reason = f"its {METADATA} names {', '.join(missing) or 'no file'}, not there"
        raise _unreadable(folder, f"{reason}; {_way_out(folder, there)}")
    return named, packed


def _way_out(folder: Path, there: list[Path]) -> str:
    """Return what to do about a folder whose metadata.yaml is of no use."""
    if there:
        return f"run `ros2 bag reindex {quote(str(folder))}`, or give '{there[0]}' itself"
    inside = sorted(file.parent for file in folder.glob(f"*/{METADATA}"))
    return f"give '{inside[0]}'" if inside else RECORDED


def _opened(path: Path, stack: ExitStack) -> File:
    """Open a file by its first bytes, whatever it is called."""
    with reading(path):
        plain, first = path, _first_bytes(path)
        if first.startswith(ZSTD):
            plain = unpacked_file(path, stack)
            first = _first_bytes(plain)
        if first.startswith(MCAP):
            _check_profile(path, first)
            return _closed_by(stack, McapFile(plain))
        if first.startswith(SQLITE):
            _check_whole(plain)
            return _closed_by(stack, SqliteFile(plain))
    if first.startswith(ROS1):
        raise _unreadable(path, f"it is a ROS 1 bag; {_from_ros1(path)}")
    what = "it is empty" if not first else "it is neither mcap nor sqlite3"
    raise _unreadable(path, f"{what}; {RECORDED}")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _check_whole(path: Path) -> None:
    """Refuse a file whose last messages are in its write-ahead log: reading alone passes it by."""
    log = path.resolve()
    log = log.with_name(f"{log.name}-wal")
    if log.is_file() and log.stat().st_size:
        command = f"sqlite3 {quote(str(path))} 'PRAGMA wal_checkpoint(TRUNCATE)'"
        raise _unreadable(
            path,
            f"what was recorded last is in '{log}' still, for the recorder was killed or goes on; "
            f"when it has ended, `{command}` moves it into the file",
        )


def _check_profile(path: Path, first: bytes) -> None:
    """Refuse profiles but ROS 2's: in the header, behind 8 bytes of magic, 9 of the record."""
    length = int.from_bytes(first[17:21], "little")
    profile = first[21 : 21 + length]
    if len(first) < 21:
        return  # it was cut: the reader says so
    if length < 32 and profile == b"ros1":
        bag = path.with_suffix(".bag")
        raise _unreadable(path, f"it holds ROS 1 messages; {_from_ros1(bag)}")
    if length < 32 and profile != b"ros2" and profile.isascii():
        raise _unreadable(path, f"its profile is '{profile.decode()}': {OF_ROS2}")


def _from_ros1(path: Path) -> str:
    made = path.with_suffix("")
    command = f"rosbags-convert --src {quote(str(path))} --dst {quote(str(made))}"
    return f"`{command}` makes a ROS 2 bag of it, '{made}'"


def _closed_by(stack: ExitStack, file: File) -> File:
    stack.callback(file.close)
    return file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    try:
        yield
    except AnyviewError:
        raise
    except Exception as error:
        raise _unreadable(path, f"{cause(error)}; {_mend(path)}") from None


def _mend(path: Path) -> str:
    file = quote(str(path))
    if path.suffix == ".mcap":
        return f"if the recorder was killed, `mcap recover {file} --output saved.mcap` helps"
    if path.suffix == ".db3":
        return f"`sqlite3 {file} .recover | sqlite3 saved.db3` saves what can be read"
    return "it is damaged, or a part of a file: copy it again"


def _unreadable(path: Path, reason: str) -> AnyviewError:
    return AnyviewError("unreadable_bag", f"'{path}' cannot be read: {reason}")

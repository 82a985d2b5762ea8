"""The recordings of a folder or of a list, and what their outputs are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anyview_ros.datasets.bag_opening import METADATA
from anyview_ros.errors import AnyviewError

FILES = (".mcap", ".db3", ".bag")
LIST = ".txt"


def recordings(path: Path) -> dict[str, Path]:
    """Return the recordings by name, sorted.

    Args:
        path: a folder, however deep they lie in it, or a .txt file with a path a line, beside
            which relative ones lie. A recording of a folder is called by its path in it, one of
            a list by its own name, both without the ending of a file.

    Raises:
        AnyviewError: `no_recordings`; `name_taken` for two of one name.
    """
    found: dict[str, Path] = {}
    for name, recording in _listed(path) if path.suffix == LIST else _inside(path, path):
        if name in found:
            raise AnyviewError(
                "name_taken",
                f"two recordings would be called '{name}', '{found[name]}' and '{recording}'; "
                "name one of them otherwise",
            )
        found[name] = recording
    if not found:
        raise AnyviewError(
            "no_recordings",
            f"'{path}' has no recording; give a folder with rosbag2 folders or {', '.join(FILES)} "
            "files in it, or a .txt file with a path a line",
        )
    return dict(sorted(found.items()))


def _listed(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            recording = path.parent / line
            yield _name(Path(recording.name)), recording


def _inside(root: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        is_bag = (path / METADATA).is_file() if path.is_dir() else path.suffix in FILES
        if is_bag:
            yield _name(path.relative_to(root)), path
        elif path.is_dir():
            yield from _inside(root, path)


def _name(path: Path) -> str:
    return str(path.with_suffix("") if path.suffix in FILES else path)

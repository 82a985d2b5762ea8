"""The recordings of a folder or of a list, and what their outputs are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from anyview_ros.augment.stores import SCHEME, Place, StorePath, place
from anyview_ros.datasets.bag_opening import METADATA
from anyview_ros.errors import AnyviewError

FILES = (".mcap", ".db3", ".bag")
LIST = ".txt"


def recordings(path: Place) -> dict[str, Place]:
    """Return the recordings by name, sorted.

    Args:
        path: a folder, of this machine or a store, however deep they lie in it, or a .txt file with
            a path a line, beside which relative ones lie. A recording of a folder is called by its
            path in it, one of a list by its own name, both without the ending of a file.

    Raises:
        AnyviewError: `no_recordings`; `name_taken` for two of one name, or one inside another.
    """
    found: dict[str, Place] = {}
    for name, recording in _found(path):
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
    for name in found:
        if outer := next((str(p) for p in PurePosixPath(name).parents if str(p) in found), None):
            raise AnyviewError(
                "name_taken",
                f"the output of '{found[name]}' would lie inside that of '{found[outer]}'; name "
                "one of them otherwise",
            )
    return dict(sorted(found.items()))


def _found(path: Place) -> Iterator[tuple[str, Place]]:
    if path.suffix == LIST:
        return _listed(path)
    return _in_store(path) if isinstance(path, StorePath) else _inside(path, path)


def _listed(path: Place) -> Iterator[tuple[str, Place]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            recording = place(line) if SCHEME in line else path.parent / line
            yield _name(recording.name), recording


def _in_store(root: StorePath) -> Iterator[tuple[str, Place]]:
    """Yield what `_inside` finds, by one listing."""
    files = [PurePosixPath(name) for name in sorted(root.files())]
    bags = {file.parent for file in files if file.name == METADATA and file.parent.name}
    for file in files:
        outermost = next((p for p in reversed(file.parents) if p in bags), None)
        if outermost is not None and file == outermost / METADATA:
            yield _name(str(outermost)), root / str(outermost)
        elif outermost is None and file.suffix in FILES:
            yield _name(str(file)), root / str(file)


def _inside(root: Path, folder: Path) -> Iterator[tuple[str, Place]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        is_bag = (path / METADATA).is_file() if path.is_dir() else path.suffix in FILES
        if is_bag:
            yield _name(str(path.relative_to(root))), path
        elif path.is_dir():
            yield from _inside(root, path)


def _name(path: str) -> str:
    known = PurePosixPath(path)
    return str(known.with_suffix("") if known.suffix in FILES else known)

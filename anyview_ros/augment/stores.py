"""Paths of object stores: what is there, copied to this machine, and uploaded whole.

A store has no folder that appears at once. So what is being written lies beside a marker, called
after it as an unfinished folder is; it is whole where the marker is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

from anyview_ros.engine.onnx.providers import cache_folder
from anyview_ros.errors import AnyviewError, cause
from anyview_ros.whole_file import FULL

SCHEME = "://"
UNFINISHED = ".unfinished"
FAILED = "store_failed"
NOTE = "What lies beside this file under its name without '.unfinished' is not whole.\n"


def default_work() -> Path:
    """Return the folder of outputs that are not uploaded yet, below the user's cache folder."""
    return cache_folder() / "augment"


@dataclass(frozen=True)
class StorePath:
    """A path that fsspec reads, as `s3://bucket/drives`.

    Args:
        url: with its scheme.
        work: folder of this machine, for outputs that are not uploaded yet.
    """

    url: str
    work: Path = field(default_factory=default_work)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> StorePath:
        return replace(self, url=f"{self.url.removesuffix('/')}/{name}")

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.url).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.url).suffix

    @property
    def parent(self) -> StorePath:
        return replace(self, url=self.url.rstrip("/").rpartition("/")[0] + "/")

    @property
    def local(self) -> Path:
        """Return where on this machine it is made, before it is uploaded."""
        return self.work / sha256(self.url.rstrip("/").encode()).hexdigest()[:16] / self.name

    @property
    def marker(self) -> StorePath:
        """Return what is there as long as this is being written."""
        return replace(self, url=self.url.rstrip("/") + UNFINISHED)

    def exists(self) -> bool:
        """Return whether a file or anything below it is there."""
        with self._opened("looked up") as (system, path):
            return bool(system.exists(path))

    def is_file(self) -> bool:
        """Return whether it is a file."""
        with self._opened("looked up") as (system, path):
            return bool(system.isfile(path))

    def is_whole(self) -> bool:
        """Return whether it is there, and nobody writes it or stopped while writing."""
        return self.exists() and not self.marker.exists()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the text of a file."""
        with self._opened("read") as (system, path):
            return bytes(system.cat_file(path)).decode(encoding)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Write a file, in place of one that is there."""
        with self._opened("written") as (system, path):
            system.pipe_file(path, text.encode(encoding))

    def remove(self) -> None:
        """Remove a file, or all below it, if there is something."""
        with self._opened("removed") as (system, path):
            if system.exists(path):
                system.rm(path, recursive=True)

    def files(self) -> dict[str, int]:
        """Return the bytes of all files below it, by path from it; of a file, by an empty one.

        Raises:
            AnyviewError: `unreadable_bag` for a name that leads out of it, which a store allows.
        """
        with self._opened("listed") as (system, path):
            entries: Mapping[str, Any] = system.find(path, detail=True)
            root = path.rstrip("/")
            found = {
                name.removeprefix(root).lstrip("/"): int(entry["size"])
                for name, entry in entries.items()
                if entry["type"] == "file"
            }
        for name in found:
            if ".." in PurePosixPath(name).parts:
                raise AnyviewError(
                    "unreadable_bag", f"'{self.url}' cannot be read: '{name}' leads out of it"
                )
        return found

    def download(self, names: Iterable[str], folder: Path) -> None:
        """Copy files below it, as `files` calls them, to a folder of this machine."""
        wanted = list(names)
        targets = [folder / name for name in wanted]
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        with self._opened("read") as (system, path):
            root = path.rstrip("/")
            sources = [f"{root}/{name}" if name else root for name in wanted]
            system.get(sources, [str(target) for target in targets])

    def upload(self, folder: Path, last: str = "") -> None:
        """Write all files of a folder, so that nobody takes a part of them for the whole.

        Args:
            last: name of a file without which the others are of no use, which comes last.
        """
        self.marker.write_text(NOTE)
        self.remove()  # what an upload that was stopped left
        names = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
        with self._opened("written") as (system, path):
            for group in ([n for n in names if n != last], [n for n in names if n == last]):
                sources = [str(folder / name) for name in group]
                system.put(sources, [f"{path.rstrip('/')}/{name}" for name in group])
        self.marker.remove()

    @contextmanager
    def _opened(self, what: str) -> Iterator[tuple[Any, str]]:
        """Yield the file system, and the path in it.

        Args:
            what: is done, for the text of an error.

        Raises:
            AnyviewError: `no_driver`, `store_failed`.
        """
        system, path = _file_system(self.url)
        system.invalidate_cache()  # others write there, too
        try:
            yield system, path
        except OSError as error:
            if error.errno in FULL:  # the disk of this machine
                raise
            raise self._failed(what, error) from None
        except Exception as error:  # whatever a driver throws
            raise self._failed(what, error) from None

    def _failed(self, what: str, error: Exception) -> AnyviewError:
        return AnyviewError(
            FAILED,
            f"'{self.url}' cannot be {what}: {cause(error)}; see whether the store answers and "
            "your keys allow it; --resume goes on",
        )


Place = Path | StorePath


def place(text: str) -> Place:
    """Return a path of this machine, or of a store."""
    return StorePath(text) if SCHEME in text else Path(text)


def with_work(place: Place, work: Path | None) -> Place:
    """Return a place whose outputs are made in another folder of this machine, if one is given."""
    if work is None or isinstance(place, Path):
        return place
    return replace(place, work=work.resolve())


def resolved(place: Place) -> Place:
    """Return a path without links and dots; one of a store as it is."""
    return place.resolve() if isinstance(place, Path) else place


def check_apart(places: Sequence[tuple[str, Place]]) -> None:
    """Refuse places of which one lies inside another: what is written into one would change both.

    Args:
        places: with what they are called.

    Raises:
        AnyviewError: `invalid_parameter`.
    """
    for (name, first), (other, second) in combinations(places, 2):
        if _is_inside(first, second) or _is_inside(second, first):
            raise AnyviewError(
                "invalid_parameter",
                f"{name} '{first}' and {other} '{second}' lie one inside the other; give each a "
                "folder of its own",
            )


def _is_inside(inner: Place, outer: Place) -> bool:
    """Return whether a place is another one, or below it."""
    below, root = (f"{resolved(each)}".rstrip("/") + "/" for each in (inner, outer))
    return below.startswith(root)


def is_whole(place: Place) -> bool:
    """Return whether an output is there; folders of this machine appear whole."""
    return place.exists() if isinstance(place, Path) else place.is_whole()


def unfinished(output: Place) -> Path:
    """Return the folder of this machine in which an output is made."""
    made = output if isinstance(output, Path) else output.local
    return made.with_name(made.name + UNFINISHED)


def _file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a path by fsspec, and the path in it."""
    scheme = url.partition(SCHEME)[0]
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    except ImportError:
        raise AnyviewError(
            "no_driver",
            f"paths like '{url}' are fsspec's, which is not installed: pip install "
            "'anyview_ros[stores]', and the driver of the store",
        ) from None
    # Folders of this machine are made by us; a store has none.
    options = {"auto_mkdir": True} if scheme in ("file", "local") else {}
    try:
        found: tuple[Any, str] = url_to_fs(url, **options)
    except ImportError as error:
        known = known_implementations.get(scheme, {"class": "fsspec"})
        package = known["class"].partition(".")[0]
        said = str(error) if package == "fsspec" else f"pip install {package}"
        raise AnyviewError(
            "no_driver", f"'{url}' needs fsspec's driver of {scheme}{SCHEME}: {said}"
        ) from None
    except Exception as error:  # an unknown scheme, or whatever a driver throws
        raise AnyviewError(
            "no_driver", f"'{url}' cannot be opened by fsspec: {cause(error)}; correct the path"
        ) from None
    return found

"""The formats by name, and how one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from anyview_ros.augment.exports.recording import Export, Recording
from anyview_ros.augment.stores import Place, place, resolved, unfinished, with_work
from anyview_ros.errors import AnyviewError


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        module, name: of its class, below this folder.
        needs_ego: whether it wants to know where the robot is.
        needs_arrow: whether it consists of tables that pyarrow writes.
        needs_rate: whether it knows no other time than a constant rate.
    """

    module: str
    name: str
    needs_ego: bool = False
    needs_arrow: bool = False
    needs_rate: bool = False

    @property
    def export(self) -> Callable[[Path, Recording], Export]:
        """Return the class."""
        module = import_module(f"anyview_ros.augment.exports.{self.module}")
        found: Callable[[Path, Recording], Export] = getattr(module, self.name)
        return found


FORMATS: Mapping[str, Format] = {
    "scenes": Format("scenes", "ScenesExport"),
    "kitti": Format("kitti", "KittiExport"),
    "nuscenes": Format("nuscenes", "NuscenesExport", needs_ego=True),
    "lerobot": Format("lerobot", "LerobotExport", needs_arrow=True, needs_rate=True),
    "argoverse2": Format("argoverse2", "Argoverse2Export", needs_ego=True, needs_arrow=True),
}


@dataclass(frozen=True)
class Wanted:
    """A data set that is asked for.

    Args:
        format: its name.
        folder: to write; appears whole, at the end.
    """

    format: str
    folder: Place

    @property
    def partial(self) -> Path:
        """Return where it is written."""
        return unfinished(self.folder)


def parse_wanted(texts: Sequence[str], work: Path | None) -> tuple[Wanted, ...]:
    """Return what `FORMAT=FOLDER` asks for.

    Args:
        work: folder of this machine for data sets of a store; None = the default.

    Raises:
        AnyviewError: `invalid_parameter`, `pyarrow_missing`.
    """
    found: list[Wanted] = []
    for text in texts:
        name, _, folder = text.partition("=")
        if name not in FORMATS or not folder:
            raise AnyviewError(
                "invalid_parameter",
                f"an export is FORMAT=FOLDER with FORMAT one of {', '.join(FORMATS)}, got '{text}'",
            )
        if FORMATS[name].needs_arrow:
            check_arrow(name)
        found.append(Wanted(name, resolved(with_work(place(folder), work))))
    return tuple(found)


def check_arrow(what: str) -> None:
    """Refuse what consists of tables where nothing can read or write them.

    Raises:
        AnyviewError: `pyarrow_missing`.
    """
    if find_spec("pyarrow") is None:
        raise AnyviewError(
            "pyarrow_missing",
            f"{what} consists of tables, which pyarrow reads and writes: call ./anyview augment, "
            "which installs it, or pip install pyarrow",
        )

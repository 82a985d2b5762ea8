"""INDEX.txt: a directory's own list of its arrays, held against what the files hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from anyview_ros.errors import AnyviewError
from anyview_ros.verify.golden import Inputs

SECTION = re.compile(r"\[(\S+\.npz)\].*")
WEIGHTS = re.compile(r"sd/\*\s+(\d+) arrays, \d+ values")
ARRAY = re.compile(r"(\S+)\s+(\([\d, ]*\))\s+\S+.*")


def index_faults(file: Path) -> list[str]:
    """Return arrays that the index has and the files have not, or the other way round, or
    misshapen."""
    faults: list[str] = []
    listed: dict[str, dict[str, str]] = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        section, array = SECTION.fullmatch(line), ARRAY.fullmatch(line)
        weights = WEIGHTS.fullmatch(line)
        if section:
            entries = listed.setdefault(section[1], {})
        elif listed and array:
            entries[array[1]] = array[2]
        elif listed and weights:
            entries["sd/*"] = weights[1]
        elif line.strip():
            faults.append(f"line {number} is no file and no array: {line!r}")
    there = {entry.name for entry in file.parent.glob("*.npz")}
    faults += [f"{name} is not listed" for name in sorted(there - listed.keys())]
    for name, entries in listed.items():
        faults += [f"{name}: {fault}" for fault in _differences(file.parent / name, entries)]
    return faults


def _differences(file: Path, entries: Mapping[str, str]) -> list[str]:
    if not file.is_file():
        return ["listed, but missing"]
    try:
        found = _entries(file)
    except AnyviewError as error:
        return [str(error)]
    return [
        f"{name} is listed as {entries.get(name, 'nothing')}, the file has "
        f"{found.get(name, 'nothing')}"
        for name in sorted(found.keys() | entries.keys())
        if found.get(name) != entries.get(name)
    ]


def _entries(file: Path) -> dict[str, str]:
    arrays = Inputs(file, readable=())
    weights = [name for name in arrays.names if name.startswith("sd/")]
    shapes = {name: str(arrays.shape(name)) for name in arrays.names.difference(weights)}
    return {**shapes, **({"sd/*": str(len(weights))} if weights else {})}

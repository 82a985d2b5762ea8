"""The licence of every requirement, as its own metadata says: requirements/licences.csv.

`python -m tests.packaging.licences [REPORT.json ...]` reads them anew: of what is installed here,
and of what reports of `pip install --dry-run --report REPORT.json` tell; what neither knows stays.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.packaging.pins import LISTS, PINNED, names

FILE = LISTS / "licences.csv"
# As metadata says it without SPDX; what is missing here is told as it is said.
SPDX: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD license": "BSD",
    "GNU General Public License (GPL)": "GPL",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The MIT License (MIT)": "MIT",
    "zlib License": "Zlib",
}
TEXTS: Mapping[str, str] = {
    "Apache License Version 2.0": "Apache-2.0",
    "Permission is hereby granted, free of charge": "MIT",
}
WHEELS = re.compile(r"ros-(?:jazzy|kilted)-(?P<package>.+)")  # each but brings `ros-<package>`


def licences() -> dict[str, str]:
    """Return what licences.csv says, by the names that requirements/ uses."""
    with FILE.open(newline="") as file:
        return {row["package"]: row["licence"] for row in csv.DictReader(file)}


def installed() -> dict[str, str]:
    """Return the licences of what is installed here, by normalized name."""
    found = {normalized(each.metadata["Name"]): licence(each) for each in distributions()}
    for name in tuple(found):
        if match := WHEELS.fullmatch(name):
            found[name] = found.get(f"ros-{match['package']}", "")
    return {name: said for name, said in found.items() if said}


def licence(package: Distribution) -> str:
    """Return what a package says of itself; the wheels of ROS say it in their package.xml."""
    fields: dict[str, Any] = dict(package.metadata.items())
    fields["Classifier"] = package.metadata.get_all("Classifier")
    return stated(fields) or " AND ".join(of_ros(package)) or of_text(package)


def of_ros(package: Distribution) -> Iterator[str]:
    for file in package.files or ():
        if file.parent.parent.name == "share" and file.name == "package.xml":
            for element in ElementTree.parse(str(file.locate())).iterfind("license"):
                yield spdx(element.text or "")


def of_text(package: Distribution) -> str:
    """Return the licence whose text a package brings, where it says no name."""
    for file in package.files or ():
        if file.name == "LICENSE" and file.parent.name == "licenses":
            text = " ".join(file.read_text().split())
            return next((name for words, name in TEXTS.items() if words in text), "")
    return ""


def stated(fields: Mapping[str, Any]) -> str:
    """Return the licence of core metadata: the expression, else a short text, else classifiers."""
    if fields.get("License-Expression"):
        return str(fields["License-Expression"])
    lines = str(fields.get("License") or "").strip().splitlines()
    if len(lines) == 1 and len(lines[0]) < 60:
        return spdx(lines[0])
    classified = [c for c in fields.get("Classifier") or () if c.startswith("License ::")]
    said = [c.rpartition(" :: ")[2] for c in classified]
    return " / ".join(spdx(each) for each in said if "OSI" not in each and "DFSG" not in each)


def spdx(said: str) -> str:
    return SPDX.get(said.strip(), said.strip())


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def reported(file: Path) -> dict[str, str]:
    """Return the licences of a report that pip wrote."""
    found = {}
    for each in json.loads(file.read_text())["install"]:
        fields = {name.replace("_", "-").title(): said for name, said in each["metadata"].items()}
        found[normalized(fields["Name"])] = stated(fields)
    return found


def wanted() -> set[str]:
    """Return what requirements/ may install on Linux."""
    return names(*PINNED, "torch")


def main(reports: Sequence[str]) -> None:
    known = licences() | installed()
    for report in reports:
        known |= reported(Path(report))
    rows = sorted((name, said) for name, said in known.items() if said and name in wanted())
    with FILE.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("package", "licence"), *rows])
    if missing := wanted() - dict(rows).keys():
        sys.exit(f"no licence is known of: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main(sys.argv[1:])

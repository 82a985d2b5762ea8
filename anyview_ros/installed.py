"""Where ROS packages are installed, and what comes with this one: its version, models, configs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = "anyview_ros"
PACKAGE = Path(__file__).resolve().parent


def prefixes() -> tuple[Path, ...]:
    """Return folders with `share/<package>`: of the sourced workspaces, then of this Python."""
    sourced = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    return tuple(Path(prefix) for prefix in [*sourced, sys.prefix])


def shared(name: str) -> tuple[Path, ...]:
    """Return where a file or folder of this package may be: the first that is there counts."""
    return tuple(dict.fromkeys(folder / name for folder in _folders()))


def version() -> str:
    """Return what package.xml says, the one home of the version."""
    from xml.etree import ElementTree  # not at import: --help has no time for it

    for file in filter(Path.is_file, shared("package.xml")):
        return ElementTree.parse(file).findtext("version") or ""
    return "unknown"  # modules without the rest of the package


def _folders() -> Iterator[Path]:
    """Yield the checkout, or `share` of the prefix that these modules are in; then of others."""
    above = PACKAGE.parent
    if (above / "package.xml").is_file():
        yield above
    else:  # <prefix>/lib/python3.x/site-packages
        yield PACKAGE.parents[3] / "share" / NAME
    yield from (prefix / "share" / NAME for prefix in prefixes())

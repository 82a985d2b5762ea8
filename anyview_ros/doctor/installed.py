"""Where ROS packages are installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def prefixes() -> tuple[Path, ...]:
    """Folders with `share/<package>`: of the sourced workspaces, then of this Python."""
    sourced = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    return tuple(Path(prefix) for prefix in [*sourced, sys.prefix])

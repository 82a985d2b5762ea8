"""A folder for the logs of ROS where its own cannot be written, as in a read-only HOME."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

NAMED = ("ROS_LOG_DIR", "ROS_HOME")


def provide_log_folder() -> None:
    """Name another folder in ROS_LOG_DIR if that of ROS, ~/.ros/log, cannot be written to.

    Else ROS does not start. Call it before rclpy.init. A folder that the environment names is left
    to those who named it.
    """
    if any(os.environ.get(name) for name in NAMED):
        return
    folder = Path(os.environ.get("HOME") or Path.home()) / ".ros" / "log"
    if _is_writable(folder):
        return
    other = Path(tempfile.gettempdir()) / f"anyview-log-{os.getuid()}"
    os.environ["ROS_LOG_DIR"] = str(other)
    said = f"logs of ROS go to {other}: {folder} cannot be written to"
    print(said, file=sys.stderr, flush=True)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)

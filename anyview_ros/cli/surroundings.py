"""What a command needs around it: room to write, libraries; and what it says otherwise."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from anyview_ros.errors import AnyviewError
from anyview_ros.whole_file import FULL, disk_full

NOT_ALLOWED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.ENOENT, errno.EISDIR),  # a path of another kind, or none
)
# Of the extra `train`, see pyproject.toml. Who needs ONNX Runtime or `view` says so by itself.
OF_TRAINING = ("onnx", "onnx_ir", "onnxscript", "safetensors", "torch")


def find_room(environment: MutableMapping[str, str]) -> None:
    """Let numba keep what it compiled below /tmp, where neither the package nor HOME takes it.

    It would end the command by an exception of its own. Of ROS's logs see `node.log_folder`.
    """
    if not (may_write(Path(__file__).parents[1]) or may_write(Path.home() / ".cache")):
        from tempfile import gettempdir

        folder = Path(gettempdir()) / f"anyview-numba-{os.getuid()}"
        environment.setdefault("NUMBA_CACHE_DIR", str(folder))


def may_write(folder: Path) -> bool:
    """Return whether a folder can be written to, or made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return os.access(there, os.W_OK)


def named(error: OSError) -> AnyviewError:
    """Return what the system does not allow as an error of ours; raise any other as it is.

    Errors: `disk_full`, `no_access`.
    """
    if error.errno in FULL:
        return disk_full(Path(error.filename or "a file"), error)
    if error.filename is None or error.errno not in NOT_ALLOWED:
        raise error
    return AnyviewError(
        "no_access",
        f"'{error.filename}': {error.strerror}; name files that you can read, and a folder that "
        "you can write to with --out (--cache for the scenes of training)",
    )


def library_missing(error: ModuleNotFoundError) -> AnyviewError:
    """Return a library that is not installed as an error of ours; raise any other as it is.

    Errors: `library_missing`.
    """
    library = (error.name or "").partition(".")[0]
    if library in ("", "anyview_ros"):
        raise error
    if library in OF_TRAINING:
        remedy = "pip install 'anyview_ros[train]'; in a checkout ./anyview installs it"
    else:
        remedy = (
            "activate the environment that the requirements were installed into (docs/install.md)"
        )
    return AnyviewError("library_missing", f"{sys.executable} has no '{library}': {remedy}")

"""Unpack what a recording holds compressed, to bounded sizes.

What it says to become is not believed: a kilobyte can become gigabytes. A message or a chunk is
bounded by what fits into memory, a file by what is free on the disk.
"""

from __future__ import annotations

import bz2
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]
from rosbags.rosbag1.reader import decompressors as ros1_decompressors
from rosbags.rosbag2 import storage_mcap

# compression.zstd, or backports.zstd before Python 3.14: rosbags chooses.
from rosbags.rosbag2.reader import zstd  # type: ignore[attr-defined]

from anyview_ros.errors import AnyviewError
from anyview_ros.whole_file import full_disk_named

MAX_BYTES = 2**30  # that a message or a chunk may become; an 8K image in 16 bits has 2**28
SHARE = 0.9  # of the free disk that a file may take
PIECE = 1 << 20  # bytes


def unpacked_zstd(packed: bytes, limit: int | None = None) -> bytes:
    """Unpack a message or a chunk; by default to `MAX_BYTES` at most.

    Raises ValueError or EOFError, or what zstd raises.
    """
    return _unpacked(packed, zstd.ZstdDecompressor, MAX_BYTES if limit is None else limit)


def unpacked_file(path: Path, stack: ExitStack) -> Path:
    """Return an unpacked copy of a zstd file; the stack removes it.

    Raises:
        AnyviewError: `disk_full` where its disk has no room for it; or what zstd raises.
    """
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="anyview-")))
    copy, free = folder / path.stem, shutil.disk_usage(folder).free
    room = int(SHARE * free)
    with full_disk_named(copy), zstd.open(path, "rb") as packed, copy.open("wb") as file:
        while piece := packed.read(PIECE):
            room -= len(piece)
            if room < 0:
                raise AnyviewError(
                    "disk_full",
                    f"'{path}' is compressed, and needs more than {SHARE * free / 1e6:.0f} MB "
                    f"unpacked; '{folder.parent}' has {free / 1e6:.0f} MB free; set TMPDIR to a "
                    "folder with more room",
                )
            file.write(piece)
    return copy


def bound_chunks() -> None:
    """Let rosbags unpack chunks to bounded sizes: it unpacks first, and looks at the size then."""
    storage_mcap.DECOMPRESSORS["zstd"] = lambda raw, size: unpacked_zstd(raw, _bounded(size))
    storage_mcap.DECOMPRESSORS["lz4"] = lambda raw, size: _unpacked(
        raw, LZ4FrameDecompressor, _bounded(size)
    )
    ros1_decompressors["bz2"] = lambda raw: _unpacked(raw, bz2.BZ2Decompressor, MAX_BYTES)
    ros1_decompressors["lz4"] = lambda raw: _unpacked(raw, LZ4FrameDecompressor, MAX_BYTES)


def _bounded(size: int) -> int:
    if size > MAX_BYTES:
        raise ValueError(f"a chunk says to become {size} bytes, {MAX_BYTES} are read at most")
    return size


def _unpacked(packed: bytes, kind: Any, limit: int) -> bytes:
    """Unpack one frame after another; `kind` makes what reads a frame."""
    parts, room = list[bytes](), limit + 1  # a byte more tells that there is more
    while packed:
        reader = kind()
        parts.append(reader.decompress(packed, room))
        room -= len(parts[-1])
        if room < 1:
            raise ValueError(f"compressed data becomes more than {limit} bytes")
        if not reader.eof:
            raise EOFError("compressed data has no end")
        packed = reader.unused_data or b""
    return b"".join(parts)

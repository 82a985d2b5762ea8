"""What a recording holds compressed is unpacked to bounded sizes, whatever it says of itself."""

from __future__ import annotations

import bz2
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import lz4.frame
import pytest
from rosbags.rosbag1.reader import decompressors as ros1
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2.reader import zstd
from rosbags.rosbag2.storage_mcap import decompress

from anyview_ros.datasets import bag_unpacking
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.errors import AnyviewError
from tests.datasets.rig_bag import RigRecording
from tests.datasets.test_damaged_bags import data_file
from tests.faults.disk import content, small_disk

BOMB = bytes(64_000_000)
SMALL = 100_000


def names(path: Path) -> list[str]:
    with Bag(path) as bag:
        return list(bag_cameras(bag, BagOptions()).by_name)


def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpack there, as TMPDIR would have it."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_file_takes_no_more_than_the_disk_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And TMPDIR, which the text names, helps."""
    bag = RigRecording(compression=CompressionMode.FILE).write(tmp_path / "drive")
    full = in_folder(tmp_path / "full", monkeypatch)
    usage = shutil.disk_usage

    def of_folder(folder: Path) -> SimpleNamespace:
        free = SMALL if folder.is_relative_to(full) else usage(folder).free
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", of_folder)
    for given in (bag, data_file(bag)):
        with pytest.raises(AnyviewError, match=r"more than 0 MB unpacked.*set TMPDIR") as error:
            names(given)
        assert error.value.code == "disk_full"
        assert content(full) == set()
    in_folder(tmp_path / "roomy", monkeypatch)
    assert names(bag) == ["front", "left"]


@pytest.mark.parametrize("is_measured", [True, False])
def test_a_bomb_leaves_a_small_disk_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_measured: bool
) -> None:
    """Not measured: others fill the disk in the meantime."""
    bomb = tmp_path / "drive.mcap.zstd"
    bomb.write_bytes(zstd.compress(BOMB))
    assert bomb.stat().st_size < 10_000
    if not is_measured:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40))
    with small_disk(tmp_path / "disk", 4000) as disk:
        in_folder(disk, monkeypatch)
        with pytest.raises(AnyviewError) as error:
            names(bomb)
        assert error.value.code == "disk_full"
        assert content(disk) == set()


LZ4, ZSTD, BZ2 = lz4.frame.compress(BOMB), zstd.compress(BOMB), bz2.compress(BOMB)


@pytest.mark.parametrize(
    "unpack",
    [
        lambda: decompress(ZSTD, "zstd", SMALL, 0),
        lambda: decompress(LZ4, "lz4", SMALL, 0),
        lambda: decompress(ZSTD, "zstd", len(BOMB), 0),
        lambda: decompress(LZ4, "lz4", len(BOMB), 0),
        lambda: ros1["bz2"](BZ2),
        lambda: ros1["lz4"](LZ4),
        lambda: bag_unpacking.unpacked_zstd(ZSTD, SMALL),
    ],
)
def test_chunks_and_messages_take_bounded_memory(
    unpack: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag_unpacking.bound_chunks()
    monkeypatch.setattr(bag_unpacking, "MAX_BYTES", SMALL)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="become"):
            unpack()
        assert tracemalloc.get_traced_memory()[1] < 10 * SMALL
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", [CompressionMode.STORAGE, CompressionMode.MESSAGE])
def test_a_recording_of_bombs_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: CompressionMode
) -> None:
    storage = {CompressionMode.STORAGE: StoragePlugin.MCAP}.get(mode, StoragePlugin.SQLITE3)
    bag = RigRecording(storage=storage, compression=mode).write(tmp_path / "drive")
    assert names(bag) == ["front", "left"]
    monkeypatch.setattr(bag_unpacking, "MAX_BYTES", 1000)
    with Bag(bag) as opened:
        assert list(opened.recorded({"/front/image_raw"})) == []
        assert "become" in opened.damage[0]


def test_whole_frames_are_read_one_after_another() -> None:
    parts = b"a" * 9, b"b" * 9
    packed = b"".join(map(zstd.compress, parts))
    assert bag_unpacking.unpacked_zstd(packed, 18) == b"".join(parts)
    with pytest.raises(EOFError):
        bag_unpacking.unpacked_zstd(packed[:-3])

"""Whole bags, read as `convert` reads them: cameras, transforms, every image."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import CompressionMode, StoragePlugin

from anyview_ros.augment.metadata import metadata_text, read_metadata
from anyview_ros.augment.ros1 import as_ros2
from anyview_ros.datasets import bag_unpacking
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.datasets.bag_opening import METADATA
from anyview_ros.datasets.bag_scenes import read_frame
from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging import compression
from tests.fuzz.target import Read, Target

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
MAX_BYTES = 1 << 22  # in place of a gigabyte that a message may become
MAX_PIXELS = 1 << 16
WORDS = (
    *("/tf", "/tf_static", "/front/image_raw", "/front/camera_info", "odom", "base_link"),
    *("sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"),
    *("cdr", "ros2msg", "ros2idl", "zstd", "lz4", "ros2", "rgb8"),
)


def read_all(path: Path) -> None:
    """All that a command reads of a recording; what is damaged is left out, and told."""
    with Bag(path) as bag:
        bag.files.counts()
        bag.files.times_ns()
        cameras = bag_cameras(bag, BagOptions()).by_name.values()
        by_topic = {camera.topic: camera for camera in cameras}
        for image in bag.recorded(by_topic):
            camera = by_topic[image.topic]
            try:
                read_frame(bag, image, camera, camera.shot(image.stamp_ns), 4)
            except AnyviewError as error:
                bag.note(error.message)


def bounded_sizes() -> None:
    """Lower the limits of size: what lies between them is slow, and the same."""
    bag_unpacking.MAX_BYTES = MAX_BYTES
    compression.MAX_PIXELS = MAX_PIXELS


def open_file(folder: Path) -> Read:
    bounded_sizes()

    def read(content: bytes) -> None:
        (folder / "bag").write_bytes(content)
        read_all(folder / "bag")

    return read


def open_metadata(folder: Path) -> Read:
    small_bag(folder / "bag", SQLITE)

    def read(content: bytes) -> None:
        (folder / "bag" / METADATA).write_bytes(content)
        with Bag(folder / "bag"):
            before = read_metadata(folder / "bag")
        metadata_text(before, [], "sqlite3", False, {"made": "by"})

    return read


def open_ros1(folder: Path) -> Read:
    bounded_sizes()

    def read(content: bytes) -> None:
        (folder / "old.bag").write_bytes(content)
        shutil.rmtree(folder / "new", ignore_errors=True)
        made = as_ros2(folder / "old.bag", folder / "new", str)
        if made != folder / "old.bag":
            read_all(made)

    return read


def small_bag(
    path: Path,
    storage: StoragePlugin,
    compression: CompressionMode | None = None,
    others: dict[str, tuple[str, str]] | None = None,
) -> bytes:
    """The file of a recording that is written to a folder."""
    recording = small_recording()
    recording.storage, recording.compression, recording.others = storage, compression, others or {}
    return next(f for f in recording.write(path).iterdir() if f.name != METADATA).read_bytes()


def small_recording() -> Any:
    """Two cameras, an image of 4x4 pixels each."""
    from tests.datasets.rig_bag import CAMERA, FIRST_NS, MS, RigRecording, stamps

    recording = RigRecording(transforms_ns=stamps(2, FIRST_NS - 95 * MS, 200 * MS))
    for camera in (recording.front, recording.left):
        camera.camera, camera.stamps_ns = CAMERA.resized(4, 4), camera.stamps_ns[:1]
    return recording


def small_pages(content: bytes, folder: Path) -> bytes:
    """The same database in pages of 512 bytes: more of it is tables, and less is nothing."""
    file = folder / "pages.db3"
    file.write_bytes(content)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("VACUUM")
    return file.read_bytes()


def mcap_seeds(folder: Path) -> dict[str, bytes]:
    plain = small_bag(folder / "plain", MCAP)
    return {
        "plain": plain,
        "zstd chunks": small_bag(folder / "chunks", MCAP, CompressionMode.STORAGE),
        "other": small_bag(
            folder / "other", MCAP, None, {"/thing": ("my_msgs/msg/Thing", "uint8 a\n")}
        ),
        "cut": plain[: len(plain) * 2 // 3],
    }


def sqlite_seeds(folder: Path) -> dict[str, bytes]:
    plain = small_bag(folder / "plain", SQLITE)
    return {"plain": plain, "small pages": small_pages(plain, folder)}


def zstd_seeds(folder: Path) -> dict[str, bytes]:
    return {
        storage.name: small_bag(folder / storage.name, storage, CompressionMode.FILE)
        for storage in (MCAP, SQLITE)
    }


def metadata_seeds(folder: Path) -> dict[str, bytes]:
    small_bag(folder / "bag", SQLITE)
    written = (folder / "bag" / METADATA).read_text()
    short = b'{"rosbag2_bagfile_information": {"relative_file_paths": ["bag.db3"]}}'
    return {
        "json": json.dumps(load_yaml(written)).encode(),
        "yaml": written[: written.index("topics_with_message_count")].encode(),
        "short": short,
    }


def ros1_seeds(folder: Path) -> dict[str, bytes]:
    from tests.datasets.test_damaged_bags import ros1_bag

    return {"plain": ros1_bag(folder / "old.bag", small_recording()).read_bytes()}


TARGETS = {
    "mcap": Target(open_file, mcap_seeds, WORDS, max_bytes=16384),
    "sqlite3": Target(open_file, sqlite_seeds, WORDS, max_bytes=32768),
    "zstd": Target(open_file, zstd_seeds, max_bytes=8192),
    "ros1": Target(open_ros1, ros1_seeds, WORDS, max_bytes=1 << 16),
    "metadata": Target(open_metadata, metadata_seeds, is_json=True, max_bytes=4096),
}

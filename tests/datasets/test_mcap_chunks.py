"""Messages of chunks in the order of recording, against rosbags' own reader."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anyview_ros.datasets.bag import Bag

TEXT = "std_msgs/msg/String"
LARGE, SMALL = 400_000, 10  # bytes; a chunk ends after 2**20


def written(path: Path, times_ns: list[int], packed: bool = False) -> Path:
    """A bag of long and short texts that were recorded in this order."""
    store = get_typestore(Stores.ROS2_JAZZY)
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    if packed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        topics = [writer.add_connection(name, TEXT, typestore=store) for name in ("/a", "/b")]
        for k, time_ns in enumerate(times_ns):
            text = f"{k} ".ljust(SMALL if k % 3 else LARGE)
            message = store.types[TEXT](text)
            writer.write(topics[k % 2], time_ns, store.serialize_cdr(message, TEXT))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_chunks_that_overlap_are_read_in_order_of_time(packed: bool, tmp_path: Path) -> None:
    times_ns = list(range(1, 61))
    random.Random(3).shuffle(times_ns)
    path = written(tmp_path / "bag", times_ns, packed)
    with Reader(path) as reader:
        expected = [(c.topic, time_ns, bytes(raw)) for c, time_ns, raw in reader.messages()]
    with Bag(path) as bag:
        found = [(m.topic, m.time_ns, bytes(m.content)) for m in bag.recorded({"/a", "/b"})]
        some = [m.time_ns for m in bag.recorded({"/a"})]
    assert found == expected
    assert some == [time_ns for topic, time_ns, _ in expected if topic == "/a"]


def test_what_is_small_does_not_keep_its_chunk(tmp_path: Path) -> None:
    with Bag(written(tmp_path / "bag", list(range(1, 31)))) as bag:
        for message in bag.recorded({"/a", "/b"}):
            held = memoryview(message.content.obj).nbytes
            assert held <= 4 * len(message.content)

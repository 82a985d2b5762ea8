"""Copies of .mcap files, read by the format's own reader."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2.storage_mcap import McapReader

from tests.augment.bags import RAISED, augmented, cameras_file, messages
from tests.datasets.rig_bag import RigRecording

MAGIC = 8
ATTACHMENT, METADATA = 9, 12


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def record(operation: int, body: bytes) -> bytes:
    return struct.pack("<BQ", operation, len(body)) + body


def attachment() -> bytes:
    fields = struct.pack("<QQ", 11, 12) + text("map.pgm") + text("image/x-portable-graymap")
    fields += struct.pack("<Q", 5) + b"P5..."
    return record(ATTACHMENT, fields + struct.pack("<I", zlib.crc32(fields)))


def note() -> bytes:
    pairs = text("driver") + text("Ada")
    return record(METADATA, text("run") + struct.pack("<I", len(pairs)) + pairs)


def with_records(folder: Path, rig: RigRecording, *records: bytes) -> Path:
    """A bag whose file has these records behind its header, and no index any more."""
    bag = rig.write(folder / "drive")
    file = bag / "drive.mcap"
    raw = file.read_bytes()
    header = MAGIC + 9 + struct.unpack_from("<Q", raw, MAGIC + 1)[0]
    raw = raw[:header] + b"".join(records) + raw[header:]
    file.write_bytes(raw[:-28] + bytes(16) + raw[-12:])
    return bag


def made(folder: Path, model: Path, rig: RigRecording, *records: bytes) -> Path:
    bag = with_records(folder, rig, *records)
    return augmented(bag, folder / "out", model, cameras=cameras_file(folder, RAISED))


def test_attachments_and_metadata_are_copied_byte_for_byte(model: Path, tmp_path: Path) -> None:
    out = made(tmp_path, model, RigRecording(), attachment(), note()) / "drive.mcap"
    raw = out.read_bytes()
    assert raw.count(attachment()) == 1
    assert raw.count(note()) == 1
    assert len(messages(out.parent, "/virtual/")) == 60


@pytest.mark.parametrize("compression", [None, CompressionMode.STORAGE])
def test_the_index_leads_to_every_message(
    compression: CompressionMode | None, model: Path, tmp_path: Path
) -> None:
    """By rosbags' reader, which has the index alone; chunks are compressed as before."""
    out = made(tmp_path, model, RigRecording(compression=compression))
    reader = McapReader(out / "drive.mcap")
    reader.open()
    chunks = Counter(chunk.compression for chunk in reader.chunks)
    found = Counter(c.topic for c, _, _ in reader.messages(reader.connections, None, None))
    reader.close()
    assert set(chunks) == {"zstd" if compression else ""}
    assert found == Counter(topic for topic, *_ in messages(out))
    assert found["/virtual/raised/image_raw"] == found["/front/image_raw"] == 20


def test_every_schema_has_a_number_of_its_own(model: Path, tmp_path: Path) -> None:
    """Those of topics that are left out, too, and a reader that knows no index finds the same."""
    mcap = pytest.importorskip("mcap.stream_reader", reason="mcap is not installed")
    rig = RigRecording(others={f"/radar{k}": (f"radar_msgs/msg/T{k}", "float64 a") for k in "ab"})
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    out = augmented(bag, tmp_path / "out", model, "--only", "/front/*", cameras=cameras)
    names: dict[int, set[str]] = {}
    with (out / "drive.mcap").open("rb") as file:
        for found in mcap.StreamReader(file).records:
            if type(found).__name__ == "Schema":
                names.setdefault(found.id, set()).add(found.name)
    assert all(len(each) == 1 for each in names.values()), names
    assert {"sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"} <= set().union(*names.values())


def test_by_mcaps_own_reader(model: Path, tmp_path: Path) -> None:
    mcap = pytest.importorskip("mcap.reader", reason="mcap is not installed")
    out = made(tmp_path, model, RigRecording(), attachment(), note())
    with (out / "drive.mcap").open("rb") as file:
        reader = mcap.make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        found = [
            (channel.topic, schema.name, message.log_time, message.data)
            for schema, channel, message in reader.iter_messages()
        ]
        assert [(a.name, a.data) for a in reader.iter_attachments()] == [("map.pgm", b"P5...")]
        notes = {m.name: m.metadata for m in reader.iter_metadata()}
    assert notes["run"] == {"driver": "Ada"}
    assert "raised" in notes["anyview_augment"]["anyview_augment"]
    assert sorted(found) == sorted(messages(out))
    assert summary.statistics is not None
    assert summary.statistics.message_count == len(found)
    assert summary.statistics.attachment_count == 1
    schema = next(s for s in summary.schemas.values() if s.name.endswith("SynthesisInfo"))
    assert (schema.encoding, b"MSG: std_msgs/Header" in schema.data) == ("ros2msg", True)
    channel = next(c for c in summary.channels.values() if c.topic == "/virtual/raised/image_raw")
    assert "reliable" in channel.metadata["offered_qos_profiles"]

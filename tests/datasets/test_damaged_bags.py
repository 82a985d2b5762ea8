"""Files of a recording as they are found on disks: read, or refused with the way out.

ANYVIEW_FUZZ=10000 python -m pytest -n 0 tests/datasets/test_damaged_bags.py -k damages -s
tries as many random damages, and prints what became of them.
"""

from __future__ import annotations

import random
import shlex
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.convert.converter import convert as convert_ros1
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2.reader import zstd
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from tests.datasets.damages import DAMAGES, bounded, damage
from tests.datasets.recording import Recording
from tests.datasets.rig_bag import CAMERA, FIRST_NS, MS, RigRecording, stamps

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3


def data_file(bag: Path) -> Path:
    return next(file for file in bag.iterdir() if file.name != "metadata.yaml")


def read(bag: Path) -> list[str]:
    """Cameras of a bag, all of whose stamps can be read."""
    with Bag(bag) as opened:
        found = list(bag_cameras(opened, BagOptions()).by_name)
        assert opened.damage == []
        return found


def refused(bag: Path) -> str:
    with pytest.raises(AnyviewError) as error, Bag(bag):
        pass
    assert error.value.code == "unreadable_bag"
    return error.value.message


def without_metadata(bag: Path) -> None:
    (bag / "metadata.yaml").unlink()


def cut_metadata(bag: Path) -> None:
    file = bag / "metadata.yaml"
    file.write_text(file.read_text()[:300])


def empty_metadata(bag: Path) -> None:
    (bag / "metadata.yaml").write_text("")


def renamed_file(bag: Path) -> None:
    file = data_file(bag)
    file.rename(file.with_name(f"renamed{file.suffix}"))


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
@pytest.mark.parametrize("damage", [without_metadata, cut_metadata, empty_metadata, renamed_file])
def test_a_folder_without_its_index_leads_to_its_file(
    tmp_path: Path, storage: StoragePlugin, damage: Callable[[Path], None]
) -> None:
    bag = RigRecording(storage=storage).write(tmp_path / "drive")
    damage(bag)
    file = data_file(bag)
    assert f"run `ros2 bag reindex {bag}`, or give '{file}' itself" in refused(bag)
    assert read(file) == ["front", "left"]


def test_commands_can_be_given_as_they_are_printed(tmp_path: Path) -> None:
    """Also for a folder with blanks and brackets in its name."""
    folder = tmp_path / "my drive (1)"
    folder.mkdir()
    mcap, db3, old = folder / "a b.mcap", folder / "a b.db3", folder / "a b.bag"
    mcap.write_bytes(b"\x89MCAP")
    db3.write_bytes(b"SQLite format 3")
    old.write_bytes(b"#ROSBAG V2.0\n")
    (folder / "bag").mkdir()
    (folder / "bag" / "a.mcap").touch()
    for given, *wanted in (
        (mcap, "mcap", "recover", str(mcap), "--output", "saved.mcap"),
        (db3, "sqlite3", str(db3), ".recover", "|", "sqlite3", "saved.db3"),
        (old, "rosbags-convert", "--src", str(old), "--dst", str(old.with_suffix(""))),
        (folder / "bag", "ros2", "bag", "reindex", str(folder / "bag")),
    ):
        assert shlex.split(refused(given).split("`")[1]) == wanted


def killed_recording(folder: Path) -> tuple[Path, int]:
    """A .db3 file as a killed recorder leaves it, and how many of its messages are in the WAL."""
    made = data_file(RigRecording(storage=SQLITE).write(folder / "whole"))
    killed = folder / "my drive" / made.name
    killed.parent.mkdir()
    with closing(sqlite3.connect(made)) as recorder:
        recorder.execute("PRAGMA journal_mode = WAL")
        recorder.execute("PRAGMA wal_autocheckpoint = 0")
        columns = "topic_id, timestamp, data"
        late = recorder.execute(
            f"INSERT INTO messages ({columns}) SELECT {columns} FROM messages"
        ).rowcount
        recorder.commit()
        for file in (made, made.with_name(f"{made.name}-wal")):
            shutil.copy(file, killed.parent)
    return killed, late


def test_messages_in_a_write_ahead_log_are_not_lost(tmp_path: Path) -> None:
    """sqlite3 that may only read passes the log by, and tells nothing."""
    killed, late = killed_recording(tmp_path)
    for given in (killed, tmp_path / "linked"):
        if given != killed:
            given.symlink_to(killed)
        command = shlex.split(refused(given).split("`")[1])
        assert command[:2] == ["sqlite3", str(given)]
    with closing(sqlite3.connect(command[1])) as shell:
        shell.execute(command[2])
    with Bag(killed) as opened:
        assert opened.files.counts().total() == 2 * late
        assert opened.damage == []


def test_a_file_that_was_unpacked_by_hand(tmp_path: Path) -> None:
    recording = RigRecording(storage=SQLITE, compression=CompressionMode.FILE)
    bag = recording.write(tmp_path / "drive")
    packed = data_file(bag)
    assert read(bag) == read(packed) == ["front", "left"]
    packed.with_suffix("").write_bytes(zstd.decompress(packed.read_bytes()))
    packed.unlink()
    assert f"give '{packed.with_suffix('')}' itself" in refused(bag)
    assert read(packed.with_suffix("")) == ["front", "left"]


def test_an_empty_storage_identifier(tmp_path: Path) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    text = (bag / "metadata.yaml").read_text()
    assert "storage_identifier: mcap" in text
    (bag / "metadata.yaml").write_text(
        text.replace("storage_identifier: mcap", "storage_identifier: ''")
    )
    assert read(bag) == ["front", "left"]


def test_the_folder_above_a_recording(tmp_path: Path) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    assert refused(tmp_path).endswith(f"give '{bag}'")


@pytest.mark.parametrize(
    ("recording", "text"),
    [
        (RigRecording(), "`mcap recover {file} --output saved.mcap` helps"),
        (RigRecording(storage=SQLITE), "`sqlite3 {file} .recover | sqlite3 saved.db3` saves"),
        (
            RigRecording(storage=SQLITE, compression=CompressionMode.FILE),
            "EOFError: .*; it is damaged, or a part of a file: copy it again",
        ),
    ],
)
def test_a_recording_that_was_cut(tmp_path: Path, recording: RigRecording, text: str) -> None:
    file = data_file(recording.write(tmp_path / "drive"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(AnyviewError, match=text.format(file=file)), Bag(file):
        pass


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "it is empty"), (b"hello", "it is neither mcap nor sqlite3")],
)
def test_what_is_no_recording(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "drive.mcap"
    file.write_bytes(content)
    assert text in refused(file)
    assert "it is not there" in refused(tmp_path / "other")


def ros1_bag(file: Path, recording: RigRecording | None = None) -> Path:
    """A recording, by default the rig's, as ROS 1 records it."""
    recording = recording or RigRecording()
    store, ros2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
    store.register(
        get_types_from_msg(
            "geometry_msgs/TransformStamped[] transforms\n", "tf2_msgs/msg/TFMessage"
        )
    )
    with Ros1Writer(file) as writer, Bag(recording.write(file.parent / "ros2")) as bag:
        for topic, kind in bag.types().items():
            connection = writer.add_connection(topic, kind, typestore=store)
            for content in bag._files.messages({topic}):
                message = ros2.deserialize_cdr(content.raw, kind)
                raw = store.serialize_ros1(as_ros1(message, store.types), kind)
                writer.write(connection, content.time_ns, raw)
    return file


def as_ros1(message: object, types: dict[str, type]) -> object:
    """The same message of ROS 1: a header has a number, camera info has capitals."""
    if isinstance(message, list):
        return [as_ros1(part, types) for part in message]
    kind = getattr(message, "__msgtype__", None)
    if kind is None:
        return message
    fields = {k: as_ros1(v, types) for k, v in vars(message).items() if k != "__msgtype__"}
    fields |= {"seq": 0} if kind == "std_msgs/msg/Header" else {}
    if kind == "sensor_msgs/msg/CameraInfo":
        fields = {k.upper() if len(k) == 1 else k: v for k, v in fields.items()}
    return types[kind](**fields)


def test_a_ros1_bag_leads_to_its_conversion(tmp_path: Path) -> None:
    old = ros1_bag(tmp_path / "old.bag")
    new = tmp_path / "old"
    assert f"`rosbags-convert --src {old} --dst {new}` makes a ROS 2 bag of it" in refused(old)
    store = get_typestore(Stores.ROS2_JAZZY)
    convert_ros1(  # as rosbags-convert does
        [old],
        new,
        dst_storage="sqlite3",
        dst_version=8,
        compress=None,
        compress_mode="none",
        default_typestore=None,
        typestore=store,
        exclude_topics=[],
        include_topics=[],
        exclude_msgtypes=[],
        include_msgtypes=[],
    )
    assert read(new) == ["front", "left"]


@pytest.mark.parametrize(("encoding", "ros1"), [(b"ros1msg", True), (b"protobf", False)])
def test_an_mcap_of_another_encoding(tmp_path: Path, encoding: bytes, ros1: bool) -> None:
    file = data_file(RigRecording().write(tmp_path / "drive"))
    file.write_bytes(file.read_bytes().replace(b"ros2msg", encoding))
    said = refused(file)
    assert f"its messages are {encoding.decode()}: only ROS 2 messages (cdr) are read" in said
    assert ("rosbags-convert --src" in said) == ros1


def test_an_mcap_of_another_profile(tmp_path: Path) -> None:
    file = data_file(RigRecording().write(tmp_path / "drive"))
    for profile, text in ((b"ros1", "`rosbags-convert --src"), (b"none", "profile is 'none'")):
        file.write_bytes(file.read_bytes()[:21] + profile + file.read_bytes()[25:])
        assert text in refused(file)


def test_a_topic_that_cannot_be_understood_costs_no_other(tmp_path: Path) -> None:
    """Of a type whose definition lacks a part (PlotJuggler#458), and of another encoding."""

    others = {
        "/thing": ("my_msgs/msg/Thing", "other_msgs/Missing part\n"),
        "/odd": ("my_msgs/msg/Odd", "%&!\n"),
    }
    for storage in (MCAP, SQLITE):
        bag = RigRecording(storage=storage, others=others).write(tmp_path / storage.name)
        file = data_file(bag)
        if storage == SQLITE:
            with sqlite3.connect(file) as changed:
                changed.execute(
                    "update message_definitions set encoding='unknown' where topic_type like 'my%'"
                )
                changed.execute("update topics set serialization_format='json' where name='/odd'")
        with Bag(file) as opened:
            assert list(bag_cameras(opened, BagOptions()).by_name) == ["front", "left"]
            assert list(opened.messages("/thing")) == []
            assert ["is no my_msgs/msg/Thing" in part for part in opened.damage] == [True]
            if storage == SQLITE:
                assert opened.foreign == {"json": ["/odd"]}


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_a_topic_of_two_types_is_read_as_the_first(tmp_path: Path, storage: StoragePlugin) -> None:
    others = {"/front/camera_info": ("my_msgs/msg/Thing", "uint8 a\n")}
    bag = RigRecording(storage=storage, others=others).write(tmp_path / "drive")
    with Bag(data_file(bag)) as opened:
        assert list(bag_cameras(opened, BagOptions()).by_name) == ["left"]
        assert opened.damage == [
            "messages of '/front/camera_info' that are sensor_msgs/msg/CameraInfo, where others of "
            "it are my_msgs/msg/Thing"
        ]


def test_a_damaged_chunk_costs_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = RigRecording(compression=CompressionMode.STORAGE)
    for camera in (recording.front, recording.left):  # chunks are of a megabyte
        camera.camera, camera.picture = camera.camera.resized(320, 240), noise
    bag = recording.write(tmp_path / "drive")
    file = data_file(bag)
    content = bytearray(file.read_bytes())
    chunk = content.index(b"\x28\xb5\x2f\xfd", len(content) // 2)
    content[chunk : chunk + 400] = bytes(400)
    file.write_bytes(content)
    arguments = ["convert", "bag", bag, "--out", tmp_path / "out", "--frames", 5]
    assert main([str(argument) for argument in arguments]) == 0
    said = capsys.readouterr().out
    assert "unreadable: 'drive.mcap': what was recorded from 11." in said
    assert len(list((tmp_path / "out").glob("drive-*"))) >= 2
    assert main(["report", str(bag), "--out", str(tmp_path)]) == 1
    assert "FAULT: unreadable: 'drive.mcap'" in capsys.readouterr().out


def noise(k: int, camera: Camera) -> NDArray[np.uint8]:
    shape = (camera.height, camera.width, 3)
    return np.random.default_rng(k).integers(0, 256, shape, np.uint8)


@dataclass(frozen=True)
class Sound:
    """A small recording on the disk, its file's content, and the command that reads it."""

    bag: Path
    content: bytes
    command: tuple[str, ...]

    @property
    def file(self) -> Path:
        return data_file(self.bag)


CONVERT = ("convert", "bag", "--frames", "5")
INSPECT = ("inspect", "--no-timing")
REPORT = ("report",)


def sound_recordings(folder: Path) -> dict[str, Sound]:
    """Five kinds of files and three commands; small, so that a damage often hits what matters."""
    commands = {"convert": CONVERT, "inspect": INSPECT}
    found = {}
    for kind, (storage, compression) in {
        "mcap": (MCAP, None),
        "mcap, zstd chunks": (MCAP, CompressionMode.STORAGE),
        "db3": (SQLITE, None),
        "db3, zstd messages": (SQLITE, CompressionMode.MESSAGE),
        "mcap, zstd file": (MCAP, CompressionMode.FILE),
    }.items():
        recording = RigRecording(
            transforms_ns=stamps(9, FIRST_NS - 95 * MS, 100 * MS),
            storage=storage,
            compression=compression,
        )
        for camera in (recording.front, recording.left):
            camera.camera, camera.stamps_ns = CAMERA.resized(16, 12), camera.stamps_ns[:7]
        bag = recording.write(folder / kind)
        for name, command in commands.items():
            found[f"{name}: {kind}"] = Sound(bag, data_file(bag).read_bytes(), command)
    bag = Recording().write(folder / "report")
    found["report: mcap"] = Sound(bag, data_file(bag).read_bytes(), REPORT)
    return found


def damaged(sound: Sound, rng: random.Random) -> tuple[Path, str]:
    """Damage one file of a recording; returns what to give to the command, and what was done."""
    file, content = sound.file, bytearray(sound.content)
    whole = rng.randrange(20) == 0  # metadata.yaml is slow to read, and but a part
    if whole and rng.randrange(2):
        file = file.with_name("metadata.yaml")
        content = bytearray(file.read_bytes())
    what = damage(content, rng)
    file.write_bytes(content)
    # Of messages that are compressed singly, metadata.yaml alone tells.
    given = sound.bag if whole or "zstd messages" in sound.bag.name else sound.file
    return given, f"{what} of {file.name}"


@pytest.mark.timeout(max(300, DAMAGES))
def test_random_damages_end_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback and no hang, of five kinds of files, by the three commands that read them."""
    recordings = sound_recordings(tmp_path)
    kinds, out = [kind for kind in recordings if kind != "report: mcap"], tmp_path / "out"
    rng, became, slowest = random.Random(16), Counter[str](), (0.0, "")
    for n in range(DAMAGES):
        kind = "report: mcap" if n % 50 == 49 else kinds[n % len(kinds)]
        sound = recordings[kind]
        metadata = (sound.bag / "metadata.yaml").read_bytes()
        given, what = damaged(sound, rng)
        command = [*sound.command, str(given)]
        shutil.rmtree(out, ignore_errors=True)
        began = time.process_time()
        with bounded(f"damage {n}, {kind}: {what}"):
            status = main([*command, *([] if sound.command == INSPECT else ["--out", str(out)])])
        slowest = max(slowest, (time.process_time() - began, f"damage {n}, {kind}: {what}"))
        sound.file.write_bytes(sound.content)
        (sound.bag / "metadata.yaml").write_bytes(metadata)
        code = capsys.readouterr().err.rpartition("error [")[2].partition("]")[0]
        became[f"{kind}: {(code or 'faults') if status else 'done'}"] += 1
    with capsys.disabled():
        if DAMAGES > 200:
            print("\n", *(f"{count:6} {what}\n" for what, count in sorted(became.items())))
            print(f"slowest: {slowest[0]:.2f} s of a processor, {slowest[1]}")
    assert became.total() == DAMAGES

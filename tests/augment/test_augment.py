"""What augment writes: everything of the input, and every frame of every virtual camera."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode, Reader, StoragePlugin
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anyview_ros.cli.__main__ import main
from anyview_ros.geometry import transform_from_pose
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.packages import find_package, load_package
from tests.augment.bags import (
    RAISED,
    arguments,
    augmented,
    cameras_file,
    definitions,
    digests,
    messages,
    read,
    rows,
)
from tests.datasets.rig_bag import FIRST_NS, MS, RigRecording, stamps
from tests.packages import make_package

OTHER = {"/grasp": ("my_msgs/msg/Grasp", "uint8[] bytes\n")}
STORAGES = {
    "mcap": RigRecording(others=OTHER),
    "mcap, zstd chunks": RigRecording(compression=CompressionMode.STORAGE, others=OTHER),
    "mcap, zstd file": RigRecording(compression=CompressionMode.FILE, others=OTHER),
    "mcap, zstd messages": RigRecording(compression=CompressionMode.MESSAGE, others=OTHER),
    "sqlite3": RigRecording(storage=StoragePlugin.SQLITE3, others=OTHER),
    "sqlite3, zstd file": RigRecording(
        storage=StoragePlugin.SQLITE3, compression=CompressionMode.FILE, others=OTHER
    ),
    "sqlite3, zstd messages": RigRecording(
        storage=StoragePlugin.SQLITE3, compression=CompressionMode.MESSAGE, others=OTHER
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, source: Path, model: Path) -> Path:
    return augmented(source, tmp_path_factory.mktemp("out") / "made", model, "--images", "both")


def test_the_same_bytes_twice_and_nothing_else_is_left(
    source: Path, made: Path, model: Path, tmp_path: Path
) -> None:
    before = digests(source)
    again = augmented(source, tmp_path / "again", model, "--images", "both")
    assert digests(again) == digests(made)
    assert digests(source) == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again", "cameras.yaml"]


def test_another_seed_makes_other_pixels(
    source: Path, made: Path, model: Path, tmp_path: Path
) -> None:
    other = augmented(source, tmp_path / "other", model, "--seed", "3")
    topic = "/virtual/raised/image_raw"
    assert messages(made, topic)[3] != messages(other, topic)[3]
    assert {info.seed for _, info in read(other, "/virtual/raised/synthesis_info")} == {3}


@pytest.mark.parametrize("kind", STORAGES)
def test_everything_of_the_input_is_there_byte_for_byte(
    kind: str, model: Path, tmp_path: Path
) -> None:
    bag = STORAGES[kind].write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    added = [m for m in messages(out) if m[0].startswith("/virtual/")]
    there = messages(out, beside="/virtual/")
    standing = [m for m in there if m not in messages(bag)]
    assert [m for m in there if m in messages(bag)] == messages(bag)
    assert [m[0] for m in standing] == ["/tf_static"]
    assert len(added) == 3 * 20
    storage = yaml.safe_load((out / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert storage["storage_identifier"] == kind.partition(",")[0]
    with Reader(bag) as before, Reader(out) as after:
        connections = {c.topic: c for c in after.connections}
        for c in before.connections:
            same = connections[c.topic]
            assert (same.msgtype, same.msgdef, same.ext) == (c.msgtype, c.msgdef, c.ext)


def test_rows_of_an_sqlite_file_stay_as_they_are(model: Path, tmp_path: Path) -> None:
    bag = STORAGES["sqlite3"].write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model)
    for table, columns in {
        "topics": ("id", "name", "type", "offered_qos_profiles", "type_description_hash"),
        "message_definitions": ("id", "topic_type", "encoded_message_definition"),
        "messages": ("id", "topic_id", "timestamp", "data"),
        "schema": ("schema_version", "ros_distro"),
    }.items():
        before = rows(bag / "drive.db3", table, columns)
        assert rows(out / "drive.db3", table, columns)[: len(before)] == before


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_qos_before_version_9_is_in_numbers(
    storage: StoragePlugin, model: Path, tmp_path: Path
) -> None:
    """Humble's player reads them as numbers, and ends where it finds words."""
    bag = RigRecording(storage=storage, version=8).write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model)
    if storage is StoragePlugin.SQLITE3:
        texts = dict(rows(out / "drive.db3", "topics", ("name", "offered_qos_profiles")))
    else:
        mcap = pytest.importorskip("mcap.reader", reason="mcap is not installed")
        with (out / "drive.mcap").open("rb") as file:
            summary = mcap.make_reader(file).get_summary()
        assert summary is not None
        texts = {c.topic: c.metadata["offered_qos_profiles"] for c in summary.channels.values()}
    (image,) = yaml.safe_load(texts["/virtual/raised/image_raw"])
    assert (image["history"], image["reliability"], image["durability"]) == (1, 1, 2)


def test_answers_have_stamp_and_log_time_of_their_source(source: Path, made: Path) -> None:
    images = {stamp_ns(m.header.stamp): time_ns for time_ns, m in read(source, "/front/image_raw")}
    for camera in ("raised", "moving"):
        for topic in ("image_raw", "image_raw/compressed", "camera_info", "synthesis_info"):
            found = read(made, f"/virtual/{camera}/{topic}")
            assert {stamp_ns(m.header.stamp): time_ns for time_ns, m in found} == images
            assert len(found) == len(images)
            assert {m.header.frame_id for _, m in found} == {f"{camera}_optical_frame"}


def test_the_size_asked_for_and_the_jpeg_of_the_same_picture(made: Path) -> None:
    import cv2

    raw = [rgb_from_image(m) for _, m in read(made, "/virtual/raised/image_raw")]
    files = [m for _, m in read(made, "/virtual/raised/image_raw/compressed")]
    infos = [m for _, m in read(made, "/virtual/raised/camera_info")]
    assert {image.shape for image in raw} == {(64, 96, 3)}
    assert {(info.width, info.height) for info in infos} == {(96, 64)}
    assert infos[0].k[0] == pytest.approx(48 / np.tan(0.6))
    for image, file in zip(raw, files, strict=True):
        decoded = cv2.imdecode(file.data, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        assert np.abs(decoded - image).mean() < 4
    assert not np.array_equal(raw[0], raw[9])


def test_where_virtual_cameras_are(made: Path) -> None:
    """One that stands is in one latched message before all images, one that moves in /tf."""
    time_ns, standing = read(made, "/tf_static")[-1]
    assert [t.child_frame_id for t in standing.transforms] == ["raised_optical_frame"]
    assert standing.transforms[0].header.frame_id == "base_link"
    assert time_ns <= min(t for t, _ in read(made, "/front/image_raw"))
    moving = [
        t
        for _, message in read(made, "/tf")
        for t in message.transforms
        if t.child_frame_id == "moving_optical_frame"
    ]
    assert [stamp_ns(t.header.stamp) for t in moving] == stamps(20)
    for t in moving:
        move, turn = t.transform.translation, t.transform.rotation
        pose = transform_from_pose((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        share = (stamp_ns(t.header.stamp) / 1e9 - 5) / 45
        assert pose[:3, 3] == pytest.approx((30 + 50 * share, 0, 2.5))


def test_provenance(made: Path, model: Path) -> None:
    package = load_package(model)
    info = read(made, "/virtual/raised/synthesis_info")[4][1]
    assert (info.camera, info.model, info.model_sha256) == ("raised", "tiny", package.sha256)
    assert (info.provider, info.speed, info.steps) == ("CPUExecutionProvider", "exact", 4)
    assert (list(info.sources), info.latency_s, info.denoise_s) == (["front"], 0.0, 0.0)
    assert [stamp_ns(s) for s in info.source_stamps] == [stamp_ns(info.header.stamp)]
    text = (made / "metadata.yaml").read_text()
    custom = yaml.safe_load(text)["rosbag2_bagfile_information"]["custom_data"]
    assert "/virtual/raised, /virtual/moving" in custom["anyview_synthetic"]
    told: dict[str, Any] = json.loads(custom["anyview_augment"])
    assert told["model_sha256"] == package.sha256
    assert told["settings"]["memory"] == "past"
    assert told["sources"] == {"raised": ["front"], "moving": ["front"]}


def test_counts_and_times_in_the_metadata_are_those_of_the_messages(made: Path) -> None:
    found = yaml.safe_load((made / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    there = messages(made)
    assert found["message_count"] == len(there) == found["files"][0]["message_count"]
    assert found["starting_time"]["nanoseconds_since_epoch"] == there[0][2]
    assert found["duration"]["nanoseconds"] == there[-1][2] - there[0][2]
    for entry in found["topics_with_message_count"]:
        name = entry["topic_metadata"]["name"]
        assert entry["message_count"] == sum(topic == name for topic, *_ in there)


def test_definitions_of_added_types_are_whole(made: Path) -> None:
    found = definitions(made)["/virtual/raised/synthesis_info"]
    assert found == {
        "anyview_ros/msg/SynthesisInfo",
        "std_msgs/msg/Header",
        "builtin_interfaces/msg/Time",
    }


def test_a_split_bag_stays_split_and_each_file_has_what_is_of_its_time(
    model: Path, tmp_path: Path
) -> None:
    bag = split_bag(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    assert sorted(f.name for f in out.iterdir()) == sorted(f.name for f in bag.iterdir())
    times = [t for t, _ in read(out, "/virtual/raised/image_raw")]
    assert len(times) == 20
    for name, count in (("drive_0.mcap", 10), ("drive_1.mcap", 10)):
        single = augment_file_counts(out / name)
        assert single["/virtual/raised/image_raw"] == count


def split_bag(path: Path) -> Path:
    """Two files, as `ros2 bag record --max-bag-duration` makes them."""
    parts = []
    for k, begin in enumerate((0, 10)):
        rig = RigRecording()
        rig.front.stamps_ns = stamps(10, FIRST_NS + begin * 100 * MS)
        rig.left.stamps_ns = []
        first = FIRST_NS + begin * 100 * MS
        rig.transforms_ns = stamps(20, first - 45 * MS, 50 * MS)
        parts.append(rig.write(path.with_name(f"part{k}")))
    path.mkdir()
    informations = []
    for k, part in enumerate(parts):
        (part / f"part{k}.mcap").rename(path / f"drive_{k}.mcap")
        text = (part / "metadata.yaml").read_text()
        informations.append(yaml.safe_load(text)["rosbag2_bagfile_information"])
    information = informations[0]
    information["relative_file_paths"] = ["drive_0.mcap", "drive_1.mcap"]
    information["files"] = [i["files"][0] for i in informations]
    for k, file in enumerate(information["files"]):
        file["path"] = f"drive_{k}.mcap"
    text = yaml.safe_dump({"rosbag2_bagfile_information": information})
    (path / "metadata.yaml").write_text(text)
    return path


def augment_file_counts(file: Path) -> dict[str, int]:
    from anyview_ros.datasets.bag import Bag

    with Bag(file) as bag:
        return dict(bag.files.counts())


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_single_file_becomes_a_bag(storage: StoragePlugin, model: Path, tmp_path: Path) -> None:
    bag = RigRecording(storage=storage).write(tmp_path / "drive")
    file = next(f for f in bag.iterdir() if f.suffix != ".yaml")
    out = augmented(file, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    assert len(read(out, "/virtual/raised/image_raw")) == 20
    assert set(messages(bag)) <= set(messages(out))


def test_a_ros1_bag_is_converted_and_that_is_said_once(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = ros1_bag(RigRecording().write(tmp_path / "drive"), tmp_path / "old.bag")
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    assert capsys.readouterr().out.count("is a ROS 1 bag: its messages are converted") == 1
    new = augmented(
        tmp_path / "drive", tmp_path / "new", model, cameras=cameras_file(tmp_path, RAISED)
    )
    topic = "/virtual/raised/image_raw"
    assert [m[3] for m in messages(out, topic)] == [m[3] for m in messages(new, topic)]
    assert list(out.glob("*.mcap"))


def ros1_bag(bag: Path, target: Path) -> Path:
    """The same messages as ROS 1 has them."""
    store = get_typestore(Stores.ROS1_NOETIC)
    name, text = "tf2_msgs/msg/TFMessage", "geometry_msgs/TransformStamped[] transforms"
    store.register(get_types_from_msg(text, name))
    header = store.types["std_msgs/msg/Header"]
    with AnyReader([bag]) as reader, Ros1Writer(target) as writer:
        connections: dict[str, Any] = {}
        for c, time_ns, raw in reader.messages():
            message = reader.deserialize(raw, c.msgtype)
            if c.topic not in connections:
                connections[c.topic] = writer.add_connection(c.topic, c.msgtype, typestore=store)
            for part in getattr(message, "transforms", [message]):
                old = part.header
                object.__setattr__(part, "header", header(0, old.stamp, old.frame_id))
            if c.msgtype == "sensor_msgs/msg/CameraInfo":
                message = store.types[c.msgtype](
                    *(message.header, message.height, message.width, message.distortion_model),
                    *(message.d, message.k, message.r, message.p),
                    *(message.binning_x, message.binning_y, message.roi),
                )
            content = store.serialize_ros1(message, c.msgtype)
            writer.write(connections[c.topic], time_ns + 1_000_000_000, content)
    return target


def test_keyframes_of_the_time_after_are_used_only_when_asked_for(
    source: Path, tmp_path: Path
) -> None:
    """It looks where the camera on the left comes by only later."""
    model = make_package(tmp_path / "two", max_sources=2, frames=(5,))
    entry = """
  - name: ahead
    pose:
      position: {x: 58.0, y: 0.4, z: 1.5}
      orientation: {x: -0.70710678, w: 0.70710678}
    sources: [left]
"""
    cameras = cameras_file(tmp_path, entry)
    ages: dict[str, set[bool]] = {}
    for memory in ("past", "both"):
        out = augmented(source, tmp_path / memory, model, "--memory", memory, cameras=cameras)
        infos = [info for _, info in read(out, "/virtual/ahead/synthesis_info")]
        assert len(infos) == 20
        ages[memory] = {
            stamp_ns(stamp) > stamp_ns(info.header.stamp)
            for info in infos
            for stamp in info.source_stamps[1:]
        }
    assert True not in ages["past"]
    assert True in ages["both"]


def test_the_default_model(tmp_path: Path) -> None:
    rig = RigRecording()
    rig.front.stamps_ns, rig.left.stamps_ns = stamps(4), []
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    outs = [
        augmented(bag, tmp_path / name, find_package("worlds-composite-10m"), cameras=cameras)
        for name in ("first", "again")
    ]
    assert digests(outs[0]) == digests(outs[1])
    assert len(read(outs[0], "/virtual/raised/image_raw")) == 4


@pytest.mark.parametrize("kind", ["mcap", "mcap, zstd chunks", "sqlite3"])
def test_only_named_topics_are_copied_and_those_byte_for_byte(
    kind: str, model: Path, tmp_path: Path
) -> None:
    bag = STORAGES[kind].write(tmp_path / "drive")
    kept = ("/tf", "/tf_static", "/front/camera_info")
    cameras = cameras_file(tmp_path, RAISED)
    only = ("--only", "/tf*", "/front/*info")
    out = augmented(bag, tmp_path / "out", model, *only, cameras=cameras)
    there = messages(out, beside="/virtual/")
    wanted = [m for m in messages(bag) if m[0] in kept]
    assert [m for m in there if m in wanted] == wanted
    assert [m[0] for m in there if m not in wanted] == ["/tf_static"]  # of the new camera
    assert len(messages(out, "/virtual/")) == 3 * 20
    listed = yaml.safe_load((out / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    names = {t["topic_metadata"]["name"] for t in listed["topics_with_message_count"]}
    assert names == {*kept, *(m[0] for m in messages(out, "/virtual/"))}
    assert listed["message_count"] == len(messages(out))
    with Reader(bag) as before, Reader(out) as after:
        connections = {c.topic: c for c in after.connections}
        assert set(connections) == names
        for c in before.connections:
            if c.topic in kept:
                same = connections[c.topic]
                assert (same.msgtype, same.msgdef, same.ext) == (c.msgtype, c.msgdef, c.ext)


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_without_the_recorded_tf_the_new_frames_are_there(
    kind: str, model: Path, tmp_path: Path
) -> None:
    """By rosbags' reader, which knows the topics of metadata.yaml alone."""
    bag = STORAGES[kind].write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model, "--only", "/front/*")
    assert [m[0] for m in messages(out, "/tf_static")] == ["/tf_static"]
    (placed,) = read(out, "/tf_static")[0][1].transforms
    assert placed.child_frame_id == "raised_optical_frame"
    assert {child(m) for _, m in read(out, "/tf")} == {"moving_optical_frame"}


def child(message: Any) -> str:
    return message.transforms[0].child_frame_id  # type: ignore[no-any-return]


def test_a_topic_that_was_not_recorded_is_not_copied(
    source: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(source, tmp_path / "out", model, "--only", "/tf", "/radar")) == 1
    said = capsys.readouterr().err
    assert "error [unknown_topic]: --only: nothing was recorded on '/radar'; there are" in said
    assert not (tmp_path / "out.unfinished").exists()

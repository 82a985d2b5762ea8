"""What augment refuses: named, the input untouched, nothing half done left as if it were whole."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anyview_ros.augment import job, mcap_copy
from anyview_ros.augment.spool import Spool
from anyview_ros.cli.__main__ import main
from tests.augment.bags import MOVING, RAISED, arguments, augmented, cameras_file, digests, read
from tests.datasets.rig_bag import CAMERA, FIRST_NS, MS, RigRecording, stamps

Damage = Callable[[Path], Path]
MESSAGE_INDEX = 7


def truncated(folder: Path) -> Path:
    file = RigRecording().write(folder / "drive") / "drive.mcap"
    file.write_bytes(file.read_bytes()[:-5000])
    return folder / "drive"


def without_metadata(folder: Path) -> Path:
    bag = RigRecording().write(folder / "drive")
    (bag / "metadata.yaml").unlink()
    return bag


def no_bag(folder: Path) -> Path:
    (folder / "drive.bag").write_bytes(b"#ROSBAG V2.0\nnothing")
    return folder / "drive.bag"


def without_tf(folder: Path) -> Path:
    rig = RigRecording(renamed=lambda topic: "" if topic.startswith("/tf") else topic)
    return rig.write(folder / "drive")


def without_static(folder: Path) -> Path:
    rig = RigRecording(renamed=lambda topic: "" if topic == "/tf_static" else topic)
    return rig.write(folder / "drive")


def one_frame_id(folder: Path) -> Path:
    def same(stamp: int, message: Any) -> None:
        message.header.frame_id = "front_optical"

    rig = RigRecording()
    rig.left.change_image = rig.left.change_info = same
    return rig.write(folder / "drive")


def other_size(folder: Path) -> Path:
    def half(stamp: int, info: Any) -> None:
        info.width, info.height = CAMERA.width // 2, CAMERA.height // 2

    rig = RigRecording()
    rig.front.stamps_ns = stamps(130, FIRST_NS, 100 * MS)
    rig.transforms_ns = stamps(270, FIRST_NS - 95 * MS, 50 * MS)
    rig.front.change_info = half
    return rig.write(folder / "drive")


def damaged_between(folder: Path) -> Path:
    """Its messages can be read, by its index."""
    bag = RigRecording().write(folder / "drive")
    file = bag / "drive.mcap"
    raw = bytearray(file.read_bytes())
    place = next(at - 9 for op, _, (at, _) in mcap_copy._records(file) if op == MESSAGE_INDEX)
    raw[place + 1 : place + 9] = b"\xff" * 8
    file.write_bytes(raw)
    return bag


def time_goes_back(folder: Path) -> Path:
    rig = RigRecording()

    def back(stamp: int, message: Any) -> None:
        if stamp > FIRST_NS + 1000 * MS:
            message.header.stamp.sec -= 5

    rig.front.change_image = rig.front.change_info = back
    return rig.write(folder / "drive")


def not_there(folder: Path) -> Path:
    return folder / "dirve"


BAD: dict[str, tuple[Damage, str, str]] = {
    "truncated": (truncated, "unreadable_bag", "`mcap recover"),
    "damaged between": (damaged_between, "unreadable_bag", "is damaged in its middle"),
    "not there": (not_there, "unreadable_bag", "dirve' cannot be read: it is not there; give the"),
    "no metadata": (without_metadata, "unreadable_bag", "holds no metadata.yaml; run `ros2 bag"),
    "a ROS 1 bag of nothing": (no_bag, "unreadable_bag", "`rosbag reindex` helps"),
    "no TF": (without_tf, "tf_unknown_frame", "no frame 'base_link' in the recorded TF (none"),
    "no /tf_static": (
        without_static,
        "tf_unknown_frame",
        "'front_optical' in the recorded TF (/tf)",
    ),
    "one frame id": (one_frame_id, "same_frame_id", "-p left.frame_id:=left_optical_frame"),
    "another size": (other_size, "size_mismatch", "image is 64x48, its camera info"),
    "time goes back": (time_goes_back, "clock_jump", "split the bag there"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bag_that_cannot_be_augmented(
    kind: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, text = BAD[kind]
    bag = damage(tmp_path)
    before = digests(bag) if bag.is_dir() else {}
    assert main(arguments(bag, tmp_path / "out", model)) == 1
    said = capsys.readouterr().err
    assert f"error [{code}]" in said
    assert text in said
    assert not (tmp_path / "out").exists()
    assert kind != "damaged between" or not list(tmp_path.glob("out*")), "it was told before"
    assert not before or digests(bag) == before


@pytest.mark.parametrize(
    ("kind", "help_", "source"),
    [
        ("one frame id", ("-p", "left.frame_id:=left_optical"), "left"),
        ("one frame id", ("--sources", "front"), "front"),
        ("another size", ("--sources", "left"), "left"),
        ("no /tf_static", ("--sources", "front", "-p", "front.frame_id:=base_link"), "front"),
    ],
)
def test_what_the_texts_say_helps(
    kind: str, help_: tuple[str, ...], source: str, model: Path, tmp_path: Path
) -> None:
    bag = BAD[kind][0](tmp_path)
    cameras = cameras_file(tmp_path, RAISED.replace("[front]", f"[{source}]"))
    command = arguments(bag, tmp_path / "out", model, *help_, cameras=cameras)
    assert main(command) == 0
    assert read(tmp_path / "out", "/virtual/raised/image_raw")


def test_an_mcap_without_an_index_is_read(model: Path, tmp_path: Path) -> None:
    """The footer says that there is no summary: as a recorder that crashed in time leaves it."""
    bag = RigRecording().write(tmp_path / "drive")
    file = bag / "drive.mcap"
    raw = bytearray(file.read_bytes())
    raw[-28:-12] = bytes(16)
    file.write_bytes(raw)
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    assert len(read(out, "/virtual/raised/image_raw")) == 20


def test_messages_of_unknown_types_are_copied(model: Path, tmp_path: Path) -> None:
    bag = RigRecording(others={"/odd": ("odd_msgs/msg/Odd", "")}).write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    from tests.augment.bags import messages

    assert messages(out, "/odd") == messages(bag, "/odd") != []


def test_a_camera_of_another_robots_tree(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    both = rig.renamed
    rig.renamed = lambda topic: (
        topic.replace("/left", "/b/left") if "left" in topic else both(topic)
    )
    rig.extra = [(t, f"/b{topic}", m) for t, topic, m in rig.messages() if topic.startswith("/tf")]
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    assert main(arguments(bag, tmp_path / "out", model, cameras=cameras)) == 1
    assert "error [ambiguous_tf]" in capsys.readouterr().err
    augmented(bag, tmp_path / "out", model, "--sources", "front", cameras=cameras)
    tree = ("--tf-topics", "/tf", "/tf_static")
    augmented(bag, tmp_path / "tree", model, *tree, cameras=cameras)


def test_an_output_that_exists(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    (tmp_path / "out").mkdir()
    for more in ([], ["--resume"]):
        assert main(arguments(bag, tmp_path / "out", model, *more)) == 1
        assert "error [output_exists]" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    augmented(bag, tmp_path / "another", model)


def test_an_output_inside_the_recording(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With it the recording would be another one to --resume."""
    bag = RigRecording().write(tmp_path / "drive")
    cameras = cameras_file(tmp_path)
    for more in ([], ["--workers", "0"]):
        assert main(arguments(bag, bag / "out", model, *more, cameras=cameras)) == 1
        assert "lie one inside the other; give each a folder" in capsys.readouterr().err
    assert not list(bag.glob("out*"))


def test_an_output_below_a_file(
    model: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    cameras = cameras_file(tmp_path)
    assert main(arguments(source, tmp_path / "file" / "out", model, cameras=cameras)) == 1
    said = capsys.readouterr().err
    assert "error [no_access]: '" in said
    assert "': Not a directory; name files that" in said


def test_names_and_frames_that_the_bag_has_already(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    first = augmented(bag, tmp_path / "first", model, cameras=cameras_file(tmp_path, RAISED))
    for taken, entry, code, text in (
        (bag, RAISED.replace("raised", "front"), "name_taken", "a source camera 'front' already"),
        (first, RAISED, "name_taken", "a virtual camera 'raised' already"),
        (bag, RAISED + RAISED, "name_taken", "has two cameras 'raised'"),
        (bag, RAISED.replace("base_link", "chassis"), "tf_unknown_frame", "no frame 'chassis'"),
        (bag, RAISED.replace("[front]", "[rear]"), "unknown_source", "there are: front, left"),
    ):
        cameras = cameras_file(tmp_path, entry)
        assert main(arguments(taken, tmp_path / "out", model, cameras=cameras)) == 1
        said = capsys.readouterr().err
        assert f"error [{code}]" in said
        assert text in said
        assert not (tmp_path / "out.unfinished").exists()
    second = augmented(first, tmp_path / "second", model, cameras=cameras_file(tmp_path, MOVING))
    assert len(read(second, "/virtual/moving/image_raw")) == 20
    assert read(second, "/virtual/raised/image_raw")[0][0] == FIRST_NS


def test_a_frame_of_a_virtual_camera_that_is_taken(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    static = next(m for _, topic, m in rig.messages() if topic == "/tf_static")
    static.transforms[0].child_frame_id = "raised_optical_frame"
    rig.extra = [(1, "/tf_static", static)]
    bag = rig.write(tmp_path / "drive")
    assert main(arguments(bag, tmp_path / "out", model)) == 1
    assert "error [frame_taken]: the bag has a frame 'raised_optical" in capsys.readouterr().err
    other = cameras_file(tmp_path, RAISED.replace("raised", "high"))
    augmented(bag, tmp_path / "out", model, cameras=other)


def test_a_static_frame_that_is_taken_is_seen_behind_all_that_are_needed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    static = next(m for _, topic, m in rig.messages() if topic == "/tf_static")
    static.transforms[0].child_frame_id = "raised_optical_frame"
    rig.extra = [(1, "/tf_static", static)]  # behind the message that has all others
    bag = rig.write(tmp_path / "drive")
    cameras = cameras_file(tmp_path, RAISED)
    fixed = ("--fixed-frame", "base_link")
    assert main(arguments(bag, tmp_path / "out", model, *fixed, cameras=cameras)) == 1
    assert "error [frame_taken]: the bag has a frame 'raised_optical" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "invalid_cameras_file", "must hold one list, `cameras:`"),
        ("cameras: [", "invalid_cameras_file", "is no file of virtual cameras"),
        ("cameras: []", "invalid_cameras_file", "of one camera or more"),
        ("cameras:\n  - parent_frame: a", "invalid_cameras_file", "cameras[0] lacks name"),
        ("cameras:\n  - {name: a, hfov: 1.0}", "invalid_cameras_file", "unknown fields hfov"),
        ("cameras:\n  - {name: a, mode: 0}", "invalid_cameras_file", "every frame is answered"),
        (
            "cameras:\n  - {name: a, rate: yes}",
            "invalid_cameras_file",
            "a finite number, got 'yes'",
        ),
        ("cameras:\n  - {name: A}", "invalid_name", "camera 'A': a virtual camera's name"),
        ("cameras:\n  - {name: a, rate: 99}", "invalid_rate", "to 10 Hz, got 99"),
        ("cameras:\n  - {name: a, rate: 1.0e-300}", "invalid_rate", "at least 1e-06 Hz"),
        ("cameras:\n  - {name: a, horizontal_fov: 4}", "invalid_camera", "between 0 and 180"),
        ("cameras:\n  - {name: a, sources: [b, c]}", "invalid_sources", "takes 1..1 different"),
        (
            "cameras:\n  - {name: a, pose: {orientation: {w: 2}}}",
            "invalid_pose",
            "camera 'a': ",
        ),
    ],
)
def test_a_cameras_file_that_is_none(
    text: str, code: str, said: str, model: Path, tmp_path: Path, capsys: Any
) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    (tmp_path / "cameras.yaml").write_text(text)
    wrong = arguments(bag, tmp_path / "out", model, cameras=tmp_path / "cameras.yaml")
    assert main(wrong) == 1
    printed = capsys.readouterr().err
    assert f"error [{code}]" in printed
    assert said in printed


def test_a_disk_that_would_not_hold_it_is_told_before(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    with monkeypatch.context() as patch:
        free = SimpleNamespace(free=job.SPARE + 1_000_000)
        patch.setattr(job.shutil, "disk_usage", lambda path: free)
        assert main(arguments(bag, tmp_path / "out", model)) == 1
        assert "error [disk_full]: about 0.0 GB are needed" in capsys.readouterr().err
        assert not (tmp_path / "out.unfinished").exists()
        augmented(bag, tmp_path / "out", model, "--images", "jpeg")


def test_a_disk_that_is_full_in_between(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    append, count = Spool.append, 0

    def full(spool: Spool, *given: Any) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(spool, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", full)
        assert main(arguments(bag, tmp_path / "out", model)) == 1
    assert "error [disk_full]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    resumed = augmented(bag, tmp_path / "out", model, "--resume")
    whole = augmented(bag, tmp_path / "whole", model)
    assert digests(resumed) == digests(whole)


def test_frames_that_cannot_be_used_are_told_by_reason(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    rig.transforms_ns = stamps(30, FIRST_NS - 95 * MS, 50 * MS)  # for the first 1.35 s
    bag = rig.write(tmp_path / "drive")
    out = augmented(bag, tmp_path / "out", model, cameras=cameras_file(tmp_path, RAISED))
    assert len(read(out, "/virtual/raised/image_raw")) == 14
    said = capsys.readouterr().out
    assert "front: 6 images not used: tf_waiting, e.g. '/front/image_raw': need the" in said

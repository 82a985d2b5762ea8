"""`anyview inspect`: of good and of damaged bags the exit status and what it says."""

from __future__ import annotations

import errno
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from anyview_ros.augment import ros1, timing
from anyview_ros.cli.__main__ import main
from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.geometry import rigid
from tests.augment.bags import RAISED, arguments, cameras_file, digests
from tests.augment.test_bad_input import BAD
from tests.datasets.damages import cut, flip, scramble, zero
from tests.datasets.rig_bag import FIRST_NS, MS, RigRecording, stamps
from tests.datasets.test_damaged_bags import data_file, ros1_bag

SQLITE = StoragePlugin.SQLITE3
DOC = (Path(__file__).resolve().parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")
Make = Callable[[Path], Path]
Said = pytest.CaptureFixture[str]


def inspected(bag: Path, *more: str) -> int:
    return main(["inspect", str(bag), "--no-timing", *more])


def read_json(bag: Path, said: Said, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit status, and what `--json` printed."""
    said.readouterr()
    status = inspected(bag, "--json", *more)
    return status, json.loads(said.readouterr().out)


@pytest.mark.parametrize(
    ("recording", "kind", "compression"),
    [
        (RigRecording(), "mcap", ""),
        (RigRecording(compression=CompressionMode.STORAGE), "mcap", ""),
        (RigRecording(compression=CompressionMode.FILE), "mcap", "file"),
        (RigRecording(storage=SQLITE), "sqlite3", ""),
        (RigRecording(storage=SQLITE, compression=CompressionMode.MESSAGE), "sqlite3", "message"),
        (RigRecording(storage=SQLITE, compression=CompressionMode.FILE), "sqlite3", "file"),
    ],
)
def test_a_good_bag_of_every_storage(
    recording: RigRecording, kind: str, compression: str, tmp_path: Path, capsys: Said
) -> None:
    bag = recording.write(tmp_path / "drive")
    before = digests(bag)
    # messages that are compressed singly say so in metadata.yaml alone
    for path in (bag, *([data_file(bag)] if compression != "message" else [])):
        status, found = read_json(path, capsys)
        assert status == 0
        assert found["usable"]
        assert found["storage"]["kinds"] == [kind]
        assert found["storage"]["messages"] == 1 + 50 + 4 * 20
        assert [camera["name"] for camera in found["cameras"]] == ["front", "left"]
        assert found["problems"] == found["unreadable"] == found["advice"] == []
        if path == bag:
            assert found["storage"]["compression"] == compression
    assert digests(bag) == before


def test_what_a_ros1_bag_holds(tmp_path: Path, capsys: Said, monkeypatch: Any) -> None:
    bag = ros1_bag(tmp_path / "old.bag")
    assert inspected(bag) == 0
    assert "camera front: /front/image_raw" in capsys.readouterr().out
    assert read_json(bag, capsys)[1]["usable"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ros1, "_converter", lambda: full)
    assert inspected(bag) == 1
    assert re.search(r"error \[disk_full\]: \S+anyview-\w+ cannot be", capsys.readouterr().err)
    assert read_json(bag, capsys)[1]["problems"][0]["code"] == "disk_full"


def test_a_whole_page(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every figure of it is that of the rig."""
    rig = RigRecording()
    rig.front.stamps_ns = [stamp for k, stamp in enumerate(stamps(20)) if k not in (7, 8)]
    assert inspected(rig.write(tmp_path / "drive")) == 0
    out, err = capfd.readouterr()
    assert err == ""  # progress is for terminals
    page = out.split("\n", 1)[1]
    assert page == (
        "\ncamera front: /front/image_raw\n"
        "  64x48 rgb8, 18 images at 10.0 Hz, longest gap 0.30 s, 10.0 % missing\n"
        "  calibration: /front/camera_info, 64x48, plumb_bob, images are taken as they come\n"
        "  frame: front_optical < base_link < odom\n"
        "\ncamera left: /left/image_raw/compressed\n"
        "  64x48 rgb8; png compressed bgr8, 20 images at 10.0 Hz, longest gap 0.10 s, 0.0 % missing"
        "\n  calibration: /left/camera_info, 64x48, plumb_bob, images are taken as they come\n"
        "  frame: left_optical < base_link < odom\n"
        "\nsync: the image of left nearest to one of front is 20.0 ms away on average, 20.0 ms at "
        "most\n"
        "\nTF (/tf, /tf_static), fixed frame odom\n"
        "  odom\n"
        "    base_link  (moves, 20.0 Hz)\n"
        "      front_optical  (static)\n"
        "      left_optical  (static)\n"
        "\nusable: `anyview augment` can take front, left as sources\n"
    )


def test_cameras_that_drift_apart(tmp_path: Path, capsys: Said) -> None:
    """The one with fewer images is the reference; the others are counted where both are."""
    rig = RigRecording()
    rig.left.stamps_ns = stamps(5, FIRST_NS + 110 * MS, 210 * MS)
    found = read_json(rig.write(tmp_path / "drive"), capsys)[1]
    apart = [10, 20, 30, 40, 50]  # 10 of 110, 320 - 300, ... milliseconds
    assert found["sync"]["reference"] == "left"
    (other,) = found["sync"]["others"]
    assert other["camera"] == "front"
    assert other["mean_s"] == pytest.approx(np.mean(apart) / 1e3)
    assert other["worst_s"] == pytest.approx(max(apart) / 1e3)


def without_camera_info(folder: Path) -> Path:
    rig = RigRecording()
    rig.front.with_info = rig.left.with_info = False
    return rig.write(folder / "drive")


def identity_k(folder: Path) -> Path:
    def placeholder(stamp: int, info: Any) -> None:
        info.k = np.eye(3).ravel()
        info.p = np.zeros(12)

    rig = RigRecording()
    rig.front.change_info = placeholder
    return rig.write(folder / "drive")


def uncalibrated(folder: Path) -> Path:
    rig = RigRecording()
    rig.front.change_info = lambda stamp, info: setattr(info, "k", np.zeros(9))
    return rig.write(folder / "drive")


def nameless_frame(folder: Path) -> Path:
    rig = RigRecording()
    rig.front.change_image = lambda stamp, image: setattr(image.header, "frame_id", "")
    rig.front.change_info = lambda stamp, info: setattr(info.header, "frame_id", "")
    return rig.write(folder / "drive")


def transforms_of_another_clock(folder: Path) -> Path:
    rig = RigRecording(transforms_ns=stamps(50, FIRST_NS - 7_000 * MS, 50 * MS))
    return rig.write(folder / "drive")


def another_fixed_frame(folder: Path) -> Path:
    def renamed(stamp: int, message: Any) -> Any:
        for transform in message.transforms:
            if transform.header.frame_id == "odom":
                transform.header.frame_id = "map"
        return message

    rig = RigRecording()
    rig.extra = [(t, "/tf", renamed(t, m)) for t, topic, m in rig.messages() if topic == "/tf"]
    rig.renamed = lambda topic: "" if topic == "/tf" else topic
    return rig.write(folder / "drive")


def broken_tree(folder: Path) -> Path:
    """A link in the middle was not recorded: odom stands above a frame of its own."""

    def renamed(stamp: int, message: Any) -> Any:
        for transform in message.transforms:
            transform.child_frame_id = "wheel"
        return message

    rig = RigRecording()
    rig.extra = [(t, "/tf", renamed(t, m)) for t, topic, m in rig.messages() if topic == "/tf"]
    rig.renamed = lambda topic: "" if topic == "/tf" else topic
    return rig.write(folder / "drive")


def odd_encoding(folder: Path) -> Path:
    rig = RigRecording()
    rig.front.change_image = lambda stamp, image: setattr(image, "encoding", "yuv420")
    return rig.write(folder / "drive")


def two_robots(folder: Path) -> Path:
    rig = RigRecording()
    rig.renamed = lambda t: t.replace("/left", "/b/left") if "left" in t else t
    rig.extra = [(t, f"/b{topic}", m) for t, topic, m in rig.messages() if topic.startswith("/tf")]
    return rig.write(folder / "drive")


def empty(folder: Path) -> Path:
    rig = RigRecording(transforms_ns=[])
    rig.front.stamps_ns = rig.left.stamps_ns = []
    return rig.write(folder / "drive")


DAMAGED: dict[str, tuple[Make, str, str]] = {
    **BAD,
    # augment names the first frame that it misses, inspect the fixed frame or the camera's
    "no TF": (BAD["no TF"][0], "tf_unknown_frame", "(none was recorded), frames there are"),
    "no /tf_static": (
        BAD["no /tf_static"][0],
        "tf_unknown_frame",
        "no /tf_static is in this recording (TF: /tf): the first file of a split bag has it",
    ),
    "no camera info": (without_camera_info, "no_cameras", "no camera info was recorded"),
    "identity K": (identity_k, "uncalibrated_camera", "is the identity, a placeholder; give"),
    "K of zeros": (uncalibrated, "uncalibrated_camera", "got K[0] = 0"),
    "no frame id": (nameless_frame, "empty_frame_id", "-p front.frame_id:=front_optical_frame"),
    "TF of another time": (transforms_of_another_clock, "tf_waiting", "none is placed; were they"),
    "another fixed frame": (
        another_fixed_frame,
        "tf_unknown_frame",
        "the fixed frame 'odom' is not in the recorded TF (/tf, /tf_static)",
    ),
    "a link that lacks": (
        broken_tree,
        "tf_disconnected",
        "no recorded transforms connect 'front_optical' to 'odom'",
    ),
    "an encoding that is none": (odd_encoding, "unsupported_encoding", "got 'yuv420'"),
    "two robots": (two_robots, "ambiguous_tf", "name the topics of one tree (--tf-topics)"),
    "nothing in it": (empty, "no_cameras", "its topics are: /tf_static"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_bag_that_cannot_be_used(kind: str, tmp_path: Path, capsys: Said) -> None:
    damage, code, text = DAMAGED[kind]
    bag = damage(tmp_path)
    before = digests(bag) if bag.is_dir() else {}
    assert inspected(bag) == 1
    out, err = capsys.readouterr()
    assert f"[{code}] " in out or f"error [{code}]: " in err
    assert text in out + err
    assert "usable: " not in out
    said = [line for line in (out + err).splitlines() if text in line]
    assert len(said) == len(set(said)) >= 1
    status, found = read_json(bag, capsys)
    assert status == 1
    assert not found["usable"]
    problem = next(problem for problem in found["problems"] if problem["code"] == code)
    assert text in problem["text"]
    assert not before or digests(bag) == before


@pytest.mark.parametrize(
    ("kind", "help_"),
    [
        ("another fixed frame", ("--fixed-frame", "map")),
        ("identity K", ("--sources", "left")),
        ("another size", ("--sources", "left")),
        ("no frame id", ("-p", "front.frame_id:=front_optical")),
        ("one frame id", ("-p", "left.frame_id:=left_optical")),
        ("two robots", ("--tf-topics", "/tf", "/tf_static")),
        ("an encoding that is none", ("--sources", "left")),
    ],
)
def test_what_it_says_helps(
    kind: str, help_: tuple[str, ...], tmp_path: Path, capsys: Said
) -> None:
    bag = DAMAGED[kind][0](tmp_path)
    assert inspected(bag) == 1
    said = capsys.readouterr().out
    assert help_[0] in said
    if kind in ("another fixed frame", "identity K", "another size", "an encoding that is none"):
        assert f"or {'take' if 'fixed' in kind else 'leave'}" in said
        assert " ".join(help_) in said
    assert inspected(bag, *help_) == 0


def test_a_calibration_file_in_place_of_an_identity(tmp_path: Path, capsys: Said) -> None:
    bag = identity_k(tmp_path)
    file = tmp_path / "front.yaml"
    file.write_text(
        "image_width: 64\nimage_height: 48\ndistortion_model: plumb_bob\n"
        "camera_matrix: {rows: 3, cols: 3, data: [50, 0, 31, 0, 51, 24.5, 0, 0, 1]}\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
        "rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}\n"
        "projection_matrix: {rows: 3, cols: 4, data: [50, 0, 31, 0, 0, 51, 24.5, 0, 0, 0, 1, 0]}\n"
    )
    assert inspected(bag, "-p", f"front.camera_info_url:={file}") == 0
    assert "calibration: a file, 64x48" in capsys.readouterr().out


def test_the_link_that_lacks_is_named(tmp_path: Path, capsys: Said) -> None:
    _, found = read_json(broken_tree(tmp_path), capsys)
    front = found["cameras"][0]
    assert front["chain"] == ["front_optical", "base_link"]
    assert front["missing_link"] == ["base_link", "odom"]
    assert found["tf"][0]["tops"] == ["base_link", "odom"]
    inspected(tmp_path / "drive")
    said = capsys.readouterr().out
    assert "missing in TF: a link from 'base_link' up to the tree of 'odom'" in said


def test_an_mcap_without_an_index_is_usable(tmp_path: Path, capsys: Said) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    file = data_file(bag)
    raw = bytearray(file.read_bytes())
    raw[-28:-12] = bytes(16)
    file.write_bytes(raw)
    status, found = read_json(bag, capsys)
    assert status == 0
    assert found["cameras"][0]["times"]["images"] == 20


def test_what_looks_wrong_and_can_be_used(tmp_path: Path, capsys: Said) -> None:
    """A frame that is not optical, TF that begins late, a calibration that changes."""
    rig = RigRecording(transforms_ns=stamps(50, FIRST_NS + 250 * MS, 50 * MS))
    rig.front.base_from_cam = rigid(np.eye(3), (1.0, 0.0, 1.5))
    names = {"front_optical": "front_link"}

    def link(stamp: int, message: Any) -> None:
        message.header.frame_id = "front_link"

    def zoomed(stamp: int, info: Any) -> None:
        link(stamp, info)
        if stamp > FIRST_NS + 1_000 * MS:
            info.k[0] = info.k[4] = info.p[0] = info.p[5] = 60.0

    rig.front.change_image, rig.front.change_info = link, zoomed
    static = next(m for _, topic, m in rig.messages() if topic == "/tf_static")
    for transform in static.transforms:
        transform.child_frame_id = names.get(transform.child_frame_id, transform.child_frame_id)
    rig.renamed = lambda topic: "" if topic == "/tf_static" else topic
    rig.extra = [(0, "/tf_static", static)]
    bag = rig.write(tmp_path / "drive")
    status, found = read_json(bag, capsys)
    assert status == 0
    front = found["cameras"][0]
    assert front["calibration"]["changes"] == 1
    assert front["outside_tf"] == 3
    assert any("is 'front_link' its optical frame" in doubt for doubt in front["doubts"])
    assert any("3 of 20 images are before the first" in doubt for doubt in front["doubts"])


def test_topics_that_are_no_cameras_are_told_once(tmp_path: Path, capsys: Said) -> None:
    rig = RigRecording(others={"/video": ("foxglove_msgs/msg/CompressedVideo", "")})
    rig.left.with_info = False
    rig.extra = [
        (t, topic, message)
        for t, own, message in rig.front.messages()
        if own == "/front/image_raw"
        for topic in ("/front/depth/image_raw", "/front/image_color", "/virtual/high/image_raw")
    ]
    assert inspected(rig.write(tmp_path / "drive")) == 0
    out = capsys.readouterr().out
    for said in (
        "not a camera: /front/depth/image_raw, by its name it is depth\n",
        "not a camera: /front/image_raw, front takes /front/image_color\n",
        "not a camera: /left/image_raw/compressed, no /left/camera_info beside it",
        "not a camera: /video, video (foxglove_msgs/msg/CompressedVideo): decode it",
        "virtual cameras that it has already: high\n",
    ):
        assert out.count(said) == 1, said


def test_names_that_would_steer_a_terminal(tmp_path: Path, capsys: Said) -> None:
    rig = RigRecording()
    rig.renamed = lambda topic: topic.replace("/left", "/le\x1b[2Jft")
    inspected(rig.write(tmp_path / "drive"))
    assert "\x1b" not in "".join(capsys.readouterr())


def test_wrong_arguments(tmp_path: Path, capsys: Said) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["inspect"])
    assert ended.value.code == 2
    assert inspected(tmp_path / "none") == 1
    assert "error [unreadable_bag]" in capsys.readouterr().err
    bag = RigRecording().write(tmp_path / "drive")
    assert main(["inspect", str(bag), "--model", "none"]) == 1
    assert "error [unknown_model]" in capsys.readouterr().err
    assert inspected(bag, "--sources", "rear") == 1
    assert "the bag has no camera 'rear'; there are: front, left" in capsys.readouterr().out
    assert inspected(bag, "-p", "front.image_topic:=/tf") == 1
    assert "it is of tf2_msgs/msg/TFMessage; such topics are: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "times",
    [
        stamps(20),
        stamps(10, period_ns=200 * MS),
        stamps(60, period_ns=33 * MS),
        [stamp for k, stamp in enumerate(stamps(40)) if k not in (11, 12, 13, 30)],
        stamps(1),
    ],
    ids=["10 Hz", "5 Hz", "30 Hz", "gaps", "one image"],
)
def test_the_clips_are_those_that_augment_makes(
    times: list[int],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Said,
) -> None:
    rig = RigRecording(transforms_ns=stamps(120, FIRST_NS - 95 * MS, 50 * MS))
    rig.front.stamps_ns = times
    bag = rig.write(tmp_path / "drive")
    command = ["inspect", str(bag), "--model", str(model), "--provider", "cpu"]
    monkeypatch.setattr(timing, "seconds_a_clip", lambda engine, contract: 30.0)
    assert main([*command, "--json", "--sources", "front"]) == 0
    found = json.loads(capsys.readouterr().out)["estimate"]
    made: list[int] = []
    synthesize = Pipeline.synthesize

    def counted(self: Pipeline, *given: Any, **named: Any) -> Any:
        made.append(1)
        return synthesize(self, *given, **named)

    monkeypatch.setattr(Pipeline, "synthesize", counted)
    cameras = cameras_file(tmp_path, RAISED)
    assert main(arguments(bag, tmp_path / "out", model, cameras=cameras)) == 0
    assert found["clips"] == len(made)
    assert found["total_s"] == 30.0 * len(made)
    assert found["camera"] == "front"


def test_a_clip_is_made_for_the_time(model: Path, tmp_path: Path, capsys: Said) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    assert main(["inspect", str(bag), "--model", str(model), "--provider", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(
        r"time: about \d+ s for one virtual camera from front: 3 clips, \d+\.\d s each "
        r"\(tiny, CPUExecutionProvider\)",
        said,
    )
    assert ClipShape(9, 1, 100 * MS).stride == 8


def test_the_keys_are_those_of_the_page(model: Path, tmp_path: Path, capsys: Said) -> None:
    bag = RigRecording().write(tmp_path / "drive")
    command = ["inspect", str(bag), "--model", str(model), "--provider", "cpu", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    table = DOC.split("| key |", 1)[1].split("\n\n", 1)[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    documented = {
        key: set(re.findall(r"`(\w+)`", text))
        for cell, text in rows
        for key in re.findall(r"`([^`]+)`", cell)
    }
    assert set(documented) == set(found)
    within = {
        "storage": found["storage"],
        "cameras": found["cameras"][0],
        "sync": found["sync"],
        "tf": found["tf"][0],
        "estimate": found["estimate"],
    }
    for key, value in within.items():
        assert set(value) <= documented[key], key
    front = found["cameras"][0]
    for part in (front["times"], front["calibration"]):
        assert set(part) <= documented["cameras"]
    assert set(found["tf"][0]["links"][0]) <= documented["tf"]
    broken = read_json(tmp_path / "none", capsys)[1]
    assert set(broken) == set(found)


def test_random_damages_end_in_words(tmp_path: Path, capsys: Said) -> None:
    """No traceback, of four kinds of files and of metadata.yaml."""
    kinds = [
        RigRecording(),
        RigRecording(compression=CompressionMode.STORAGE),
        RigRecording(storage=SQLITE),
        RigRecording(storage=SQLITE, compression=CompressionMode.MESSAGE),
    ]
    bags = [rig.write(tmp_path / str(n)) for n, rig in enumerate(kinds)]
    rng, ended = random.Random(17), {0: 0, 1: 0}
    for n in range(100):
        damaged = tmp_path / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(bags[n % len(bags)], damaged)
        file = damaged / "metadata.yaml" if n % 20 == 19 else data_file(damaged)
        content = bytearray(file.read_bytes())
        how, at = rng.choice((flip, zero, cut, scramble)), rng.randrange(len(content))
        how(content, at, rng)
        file.write_bytes(content)
        try:
            ended[inspected(damaged)] += 1
        except Exception as error:
            raise AssertionError(f"damage {n}: {how.__name__} at {at}") from error
    assert min(ended.values()) > 5

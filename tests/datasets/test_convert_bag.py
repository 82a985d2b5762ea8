"""`anyview convert bag`: scenes hold what the rig recorded, and what is left out is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from anyview_ros.cli import convert_scenes
from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.scene_layout import METADATA, SceneFolder
from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.datasets.scene_splits import list_scenes
from anyview_ros.datasets.scene_writer import SceneNotes
from anyview_ros.evaluation.root_suite import RootSuite
from anyview_ros.geometry import inverse, rigid
from anyview_ros.node.messages import time_message
from anyview_ros.packages import load_package
from anyview_ros.training.files import FileScenes
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.world import make_world
from tests.augment.bags import digests
from tests.datasets.recording import SEED, Recording
from tests.datasets.rig_bag import (
    BASE_FROM_FRONT,
    BASE_FROM_LEFT,
    CAMERA,
    FIRST_NS,
    MS,
    RigRecording,
    stamps,
    world_from_base,
)
from tests.datasets.test_damaged_bags import ros1_bag
from tests.media.pictures import ramp
from tests.packages import make_package


def convert(recording: RigRecording, folder: Path, *options: object) -> Path:
    bag = recording.write(folder / "drive")
    arguments = ["convert", "bag", bag, "--out", folder / "out", "--images", "png"]
    assert main([str(a) for a in (*arguments, *(options or ("--frames", 9)))]) == 0
    return folder / "out"


def names(out: Path) -> list[str]:
    """Of the scenes; nothing else is there but the split file."""
    return sorted(path.name for path in out.iterdir() if path.name != "splits.json")


def refused(
    recording: RigRecording, folder: Path, capsys: pytest.CaptureFixture[str], *options: object
) -> str:
    bag = recording.write(folder / "drive")
    arguments = ["convert", "bag", bag, "--out", folder / "out", "--frames", 9, *options]
    assert main([str(a) for a in arguments]) == 1
    assert not (folder / "out").exists() or list((folder / "out").iterdir()) == []
    return capsys.readouterr().err.split("error ")[-1]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_scenes_hold_what_was_recorded(tmp_path: Path, storage: StoragePlugin) -> None:
    out = convert(RigRecording(storage=storage), tmp_path)
    assert names(out) == ["drive-0000", "drive-0001"]
    for number in range(2):
        scene = SceneFolder(out / f"drive-{number:04d}")
        assert scene.cameras == ("front", "left")
        assert scene.scene_scale() == 0.0625
        places = range(9)
        for name, base_from_cam, delay in (
            ("front", BASE_FROM_FRONT, 0),
            ("left", BASE_FROM_LEFT, 20 * MS),
        ):
            expected = stamps(9, FIRST_NS + delay + number * 900 * MS)
            lowdim = scene.storage.lowdim(name, places)
            assert lowdim.stamps_ns is not None
            assert lowdim.stamps_ns.tolist() == expected
            track = scene.track(name, places, (48, 64))
            assert track.camera == CAMERA
            np.testing.assert_allclose(
                track.world_from_cam,
                [world_from_base(stamp) @ base_from_cam for stamp in expected],
                atol=1e-9,
            )
            images = scene.images(name, places)
            np.testing.assert_array_equal(images, [ramp(k + 9 * number) for k in places])


def test_training_reads_them(tmp_path: Path) -> None:
    out = convert(RigRecording(), tmp_path)
    scenes = FileScenes(out, 9, 0.1, (24, 32))
    assert len(scenes) == 2
    assert scenes[1].images.shape == (2, 9, 24, 32, 3)


def test_no_pose_is_extrapolated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    recording.transforms_ns = stamps(21, FIRST_NS + 250 * MS, 50 * MS)  # until 1.25 s
    out = convert(recording, tmp_path)
    (name,) = names(out)
    scene = SceneFolder(out / name)
    lowdim = scene.storage.lowdim("front", range(9))
    assert lowdim.stamps_ns is not None
    assert lowdim.stamps_ns.tolist() == stamps(9, FIRST_NS + 300 * MS)
    said = capsys.readouterr().out
    assert "7 instants: tf_waiting (front)" in said
    assert "3 instants: tf_expired (front)" in said
    assert "the newest is of 11.250 s" in said


def test_lost_images_are_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    del recording.left.stamps_ns[4]
    out = convert(recording, tmp_path)
    (name,) = names(out)
    scene = SceneFolder(out / name)
    lowdim = scene.storage.lowdim("front", range(9))
    assert lowdim.stamps_ns is not None
    assert lowdim.stamps_ns[0] == FIRST_NS + 500 * MS
    said = capsys.readouterr().out
    assert "1 instants: clip_gap (left)" in said
    assert "10 instants: in runs too short for 9 frames" in said


def test_chosen_cameras_come_in_the_order_asked_for(tmp_path: Path) -> None:
    out = convert(RigRecording(), tmp_path, "--frames", 9, "--cameras", "left", "front")
    assert SceneFolder(out / "drive-0000").cameras == ("left", "front")


def test_images_are_shrunk_on_demand(tmp_path: Path) -> None:
    out = convert(RigRecording(), tmp_path, "--frames", 9, "--longer-side", 32)
    scene = SceneFolder(out / "drive-0000")
    assert scene.images("left", range(1)).shape == (1, 24, 32, 3)
    assert scene.track("left", range(1), (24, 32)).camera == CAMERA.resized(32, 24)


def test_a_lens_is_rectified(tmp_path: Path) -> None:
    d = [-0.2, 0.05, 0.001, -0.002, 0.0]

    def distort(_: int, info: Any) -> None:
        info.d = d

    recording = RigRecording()
    recording.front.change_info = distort
    out = convert(recording, tmp_path)
    scene = SceneFolder(out / "drive-0000")
    assert scene.track("front", range(9), (48, 64)).camera == CAMERA
    maps = cv2.initUndistortRectifyMap(
        CAMERA.matrix, np.array(d), np.eye(3), CAMERA.matrix, (64, 48), cv2.CV_32FC1
    )
    shown = scene.images("front", range(9))
    for k in range(9):
        expected = cv2.remap(ramp(k), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inner = (slice(8, -8), slice(8, -8))
        apart = np.abs(shown[k].astype(int) - expected)[inner]
        assert apart.max() <= 2
    off = convert(recording, tmp_path / "off", "--frames", 9, "--rectify", "off")
    np.testing.assert_array_equal(
        SceneFolder(off / "drive-0000").images("front", range(1))[0], ramp(0)
    )


def test_the_right_camera_of_a_stereo_pair_is_beside_its_frame(tmp_path: Path) -> None:
    def shift(_: int, info: Any) -> None:
        p = np.array(info.p).reshape(3, 4)
        p[0, 3] = -0.12 * p[0, 0]
        info.p = p.ravel()

    recording = RigRecording()
    recording.front.change_info = shift
    out = convert(recording, tmp_path, "--frames", 9, "--rectify", "off")
    poses = SceneFolder(out / "drive-0000").track("front", range(9), (48, 64)).world_from_cam
    plain = world_from_base(FIRST_NS) @ BASE_FROM_FRONT
    np.testing.assert_allclose(inverse(plain) @ poses[0], rigid(np.eye(3), (0.12, 0, 0)), atol=1e-9)


def test_a_single_camera_info_serves_all_images(tmp_path: Path) -> None:
    recording = RigRecording()

    def once(stamp: int, info: Any) -> None:
        info.header.stamp = time_message(FIRST_NS + 300 * MS)

    recording.front.change_info = once
    assert len(names(convert(recording, tmp_path))) == 2


def test_a_new_calibration_begins_a_new_scene(tmp_path: Path) -> None:
    def zoom(stamp: int, info: Any) -> None:
        if stamp >= FIRST_NS + 500 * MS:
            info.k, info.p = 1.5 * np.array(info.k), 1.5 * np.array(info.p)
            info.k[8] = info.p[10] = 1.0

    recording = RigRecording()
    recording.front.change_info = zoom
    out = convert(recording, tmp_path)
    (name,) = names(out)
    scene = SceneFolder(out / name)
    assert scene.track("front", range(9), (48, 64)).camera.fx == 75.0


def test_unset_stamps_are_left_out(tmp_path: Path) -> None:
    recording = RigRecording()
    recording.front.change_image = lambda stamp, image: (
        setattr(image.header, "stamp", time_message(0)) if stamp == FIRST_NS else None
    )
    out = convert(recording, tmp_path)
    lowdim = SceneFolder(out / "drive-0000").storage.lowdim("front", range(9))
    assert lowdim.stamps_ns is not None
    assert lowdim.stamps_ns[0] == FIRST_NS + 100 * MS


@pytest.mark.parametrize("camera", ["front", "left"])
def test_a_damaged_image_costs_its_scene_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], camera: str
) -> None:
    def damage(stamp: int, image: Any) -> None:
        if FIRST_NS + 300 * MS <= stamp < FIRST_NS + 400 * MS:
            image.data = image.data[:-100]

    recording = RigRecording()
    getattr(recording, camera).change_image = damage
    out = convert(recording, tmp_path)
    assert names(out) == ["drive-0001"]
    assert "1 scenes: invalid_image, e.g. " in capsys.readouterr().out


def test_images_of_another_size_than_their_info(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def smaller(_: int, info: Any) -> None:
        info.width = 60

    recording = RigRecording()
    recording.front.change_info = smaller
    said = refused(recording, tmp_path, capsys)
    assert said.startswith("[no_complete_scene]")
    assert "2 scenes: size_mismatch, e.g. '/front/image_raw': an image is 64x48" in said


def test_images_recorded_out_of_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    times = {FIRST_NS: FIRST_NS + 100 * MS, FIRST_NS + 100 * MS: FIRST_NS}

    def swap(stamp: int, image: Any) -> None:
        image.header.stamp = time_message(times.get(stamp, stamp))

    recording.front.change_image = swap
    assert names(convert(recording, tmp_path)) == ["drive-0001"]
    assert "1 scenes: out_of_order" in capsys.readouterr().out


def test_a_slow_camera_needs_a_longer_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = RigRecording()
    del recording.left.stamps_ns[1::2]
    said = refused(recording, tmp_path, capsys)
    assert said.startswith("[no_complete_scene]")
    assert "raise --period" in said
    assert "instants: clip_gap (left), e.g. no frame within half a period" in said
    out = convert(recording, tmp_path / "b", "--frames", 9, "--period", 0.2)
    assert SceneFolder(out / "drive-0000").framerate == 5


def test_missing_camera_infos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    recording.left.with_info = False
    out = convert(recording, tmp_path)
    assert SceneFolder(out / "drive-0000").cameras == ("front",)
    recording.front.with_info = False
    said = refused(recording, tmp_path / "b", capsys)
    assert said.startswith("[no_cameras]")


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--cameras", "rear"], "unknown_camera", "there are: front, left"),
        (["--fixed-frame", "map"], "tf_unknown_frame", "base_link, front_optical"),
        (["--frames", "8"], "invalid_num_frames", "1 + 4k"),
        (["--period", "0"], "invalid_parameter", "period must be positive"),
        (["--scene-scale", "nan"], "invalid_parameter", "scene_scale must be positive"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: str,
    text: str,
) -> None:
    said = refused(RigRecording(), tmp_path, capsys, *options)
    assert said.startswith(f"[{code}]")
    assert text in said


def test_a_looped_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    recording.front.change_image = lambda stamp, image: setattr(
        image.header,
        "stamp",
        time_message(stamp if stamp < FIRST_NS + 1500 * MS else stamp - 1500 * MS),
    )
    said = refused(recording, tmp_path, capsys)
    assert said.startswith("[clock_jump]")
    assert "jump back from 11.400 s to 10.000 s" in said


def test_cameras_of_different_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = RigRecording()
    recording.left.stamps_ns = stamps(9, FIRST_NS + 60_000 * MS)
    assert refused(recording, tmp_path, capsys).startswith("[no_common_time]")


def test_what_is_no_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "bag", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "error [unreadable_bag]" in capsys.readouterr().err


def test_names_in_a_bag_do_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = RigRecording()
    other = "/front/image_grey\x1b[2J\x07"  # which of the two was taken is said
    images = (entry for entry in rig.messages() if entry[1] == "/front/image_raw")
    rig.extra = [(time_ns, other, message) for time_ns, _, message in images]
    convert(rig, tmp_path)
    said = "".join(capsys.readouterr())
    assert "/front/image_grey?[2J?" in said
    assert said.replace("\n", "").isprintable()


def test_a_ros1_bag_makes_the_same_scenes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = convert(RigRecording(), tmp_path / "new")
    old = ros1_bag(tmp_path / "drive.bag", RigRecording())
    out = tmp_path / "old"
    arguments = ["convert", "bag", old, "--out", out, "--images", "png", "--frames", "9"]
    assert main([str(word) for word in arguments]) == 0
    assert "is a ROS 1 bag: its messages are converted" in capsys.readouterr().out
    assert digests(out) == digests(scenes)


def test_scenes_are_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = convert(RigRecording(), tmp_path)
    again = ["convert", "bag", str(tmp_path / "drive"), "--out", str(out), "--frames", "9"]
    assert main(again) == 1
    assert "error [scene_exists]" in capsys.readouterr().err
    assert main([*again, "--name", "again"]) == 0
    assert len(names(out)) == 4


def test_ctrl_c_leaves_complete_scenes_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bar(convert_scenes.tqdm):  # type: ignore[misc]
        frames = 0

        def update(self, n: float | None = 1) -> bool | None:
            if Bar.frames >= 25:  # of 36
                raise KeyboardInterrupt
            Bar.frames += 1
            return bool(super().update(n))

    monkeypatch.setattr(convert_scenes, "tqdm", Bar)
    bag = RigRecording().write(tmp_path / "drive")
    out = tmp_path / "out"
    assert main(["convert", "bag", str(bag), "--out", str(out), "--frames", "9"]) == 130
    assert names(out) == ["drive-0000"]
    assert f"1 complete scenes are in {out}" in capsys.readouterr().err
    assert len(FileScenes(out, 9, 0.1, (24, 32))) == 1


def test_a_full_disk_keeps_what_is_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    write = Path.write_bytes

    def fills(path: Path, content: bytes) -> int:
        if len(written) >= 25:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, content)

    bag = RigRecording().write(tmp_path / "drive")
    monkeypatch.setattr(Path, "write_bytes", fills)
    out = tmp_path / "out"
    assert main(["convert", "bag", str(bag), "--out", str(out), "--frames", "9"]) == 1
    assert "error [cannot_write]" in capsys.readouterr().err
    assert names(out) == ["drive-0000"]


def test_the_scenes_are_a_benchmark_root(tmp_path: Path) -> None:
    out = convert(RigRecording(), tmp_path)
    bag = str(tmp_path / "drive")
    assert main(["convert", "bag", bag, "--out", str(out), "--frames", "5", "--name", "night"]) == 0
    contract = load_package(make_package(tmp_path / "tiny")).contract
    suite = RootSuite.of(contract, out, ())
    assert {split: len(episodes) for split, episodes in suite.names.items()} == {
        "drive": 2,
        "night": 4,
    }
    question = suite.task(suite.episodes()[1])
    assert len(question.source) == 9
    assert question.scene_scale == 0.0625
    np.testing.assert_allclose(
        question.target.world_from_cam[0],
        world_from_base(FIRST_NS + 920 * MS) @ BASE_FROM_LEFT,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", ["drive", "drive [1]"])
def test_a_split_has_the_scenes_of_its_own_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two bags may be converted into one folder, one of which begins as the other."""
    for scene in ("0000", "0001", "10000", "night-0000", "0000-0000"):
        metadata = tmp_path / f"{name}-{scene}" / METADATA
        metadata.parent.mkdir(parents=True)
        metadata.touch()
    folders = SceneFolders(tmp_path, name, SceneNotes(name, 0.0625, 100 * MS, "png"))
    list_scenes(folders)
    split = json.loads((tmp_path / "splits.json").read_text())["splits"][name]
    assert split["episodes"] == [f"{name}-{number}" for number in ("0000", "0001", "10000")]
    with pytest.raises(KeyboardInterrupt), convert_scenes.progress(folders, 1):
        raise KeyboardInterrupt
    assert "interrupted; 3 complete scenes are in" in capsys.readouterr().err


def test_a_split_file_that_is_none_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "splits.json").write_text("mine")
    bag = RigRecording().write(tmp_path / "drive")
    assert main(["convert", "bag", str(bag), "--out", str(out), "--frames", "9"]) == 1
    assert "error [invalid_benchmark]" in capsys.readouterr().err
    assert (out / "splits.json").read_text() == "mine"
    assert names(out) == ["drive-0000", "drive-0001"]


def test_a_world_looks_from_the_scene_as_it_did_to_the_camera(tmp_path: Path) -> None:
    """End to end: the world, rendered from a scene's camera and poses, is the scene's images."""
    bag = Recording().write(tmp_path / "street")
    out = tmp_path / "out"
    arguments = ["convert", "bag", bag, "--out", out, "--frames", 9, "--images", "png"]
    assert main([str(argument) for argument in arguments]) == 0
    scene = SceneFolder(out / "street-0000")
    assert scene.cameras == ("front",)  # virtual cameras are no cameras
    lowdim = scene.storage.lowdim("front", range(9))
    assert lowdim.stamps_ns is not None
    track = scene.track("front", range(9), (36, 64))
    world = make_world("street", SEED)
    images = scene.images("front", range(9))
    for stamp, pose, image in zip(
        lowdim.stamps_ns.tolist(), track.world_from_cam, images, strict=True
    ):
        shown = render(world.scene_at(stamp), track.camera, pose)
        assert np.mean(shown != image) < 0.001
    moved = render(world.scene_at(stamp), track.camera, track.world_from_cam[-2])
    assert np.mean(moved != image) > 0.1

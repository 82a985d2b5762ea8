"""What is written is read back the same, and a scene is there whole or not at all."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.datasets.scene_writer import SceneNotes, SceneWriter, write_scene
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from tests.media.pictures import PERIOD_NS, frames

NOTES = SceneNotes("toy", 0.125, PERIOD_NS)
VIEWS = {"front": frames(9), "left": frames(9, side=2.0)}
MEAN_LOSS = {"png": 0.0, "jpg": 1.5, "mp4": 3.0}  # grey levels


@pytest.mark.parametrize("images", MEAN_LOSS)
def test_a_scene_is_read_as_it_was_written(tmp_path: Path, images: str) -> None:
    write_scene(tmp_path / "s", VIEWS, replace(NOTES, images=images))
    scene = SceneFolder(tmp_path / "s")
    episode = scene.episode()  # by the roles: front is the input, left the target
    assert episode.scene_scale == 0.125
    assert scene.framerate == 10
    assert episode.truth is not None
    pairs = ((episode.source, episode.images, "front"), (episode.target, episode.truth, "left"))
    for track, shown, name in pairs:
        expected = VIEWS[name]
        assert track.camera == expected[0].camera
        np.testing.assert_array_equal(track.world_from_cam, [f.world_from_cam for f in expected])
        apart = np.abs(shown.astype(int) - np.stack([f.image for f in expected]))
        assert apart.mean() <= MEAN_LOSS[images]
        stamps = scene.storage.lowdim(name, range(9)).stamps_ns
        assert stamps is not None
        assert stamps.tolist() == [f.stamp_ns for f in expected]
        assert scene.storage.fault(name) == ""


def test_places_are_chosen_in_both_storages(tmp_path: Path) -> None:
    for images in ("png", "mp4"):
        write_scene(tmp_path / images, VIEWS, replace(NOTES, images=images))
        scene = SceneFolder(tmp_path / images)
        taken = scene.images("left", range(2, 9, 3))
        assert np.abs(taken[:, 10, 10, 2].astype(int) - [18, 45, 72]).max() < 6
        track = scene.track("left", range(2, 9, 3), (48, 64))
        np.testing.assert_array_equal(
            track.world_from_cam, [VIEWS["left"][k].world_from_cam for k in (2, 5, 8)]
        )


def test_the_files_are_those_of_the_layout(tmp_path: Path) -> None:
    write_scene(tmp_path / "s", VIEWS, NOTES)
    assert (tmp_path / "s/rgb/front/0000000008.jpg").is_file()
    with np.load(tmp_path / "s/lowdim/left/0000000003.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {"camera", "timestep", "stamp_ns", "intrinsics", "extrinsics"}
        assert (str(arrays["camera"]), int(arrays["timestep"])) == ("left", 3)
    metadata = json.loads((tmp_path / "s/metadata.json").read_text())
    assert metadata["num_frames"] == 9
    assert metadata["resolution"] == [48, 64]
    assert metadata["specific"]["source"] == {"dataset": "toy"}


def test_cameras_of_two_sizes(tmp_path: Path) -> None:
    small = Camera(33, 21, 20.0, 20.0, 16.0, 10.0)
    for images, size in (("jpg", [21, 33]), ("mp4", [20, 32])):
        views = {"front": frames(1), "left": frames(1, camera=small)}
        write_scene(tmp_path / images, views, replace(NOTES, images=images))
        metadata = json.loads((tmp_path / images / "metadata.json").read_text())
        assert metadata["resolution"] is None
        assert metadata["specific"]["resolution_per_camera"]["left"] == size
        target = SceneFolder(tmp_path / images).episode().target.camera
        assert [target.height, target.width] == size
        assert (target.cx, target.cy) == (16.0, 10.0)


@pytest.mark.parametrize("images", MEAN_LOSS)
def test_an_interrupted_scene_leaves_nothing(tmp_path: Path, images: str) -> None:
    writer = SceneWriter(tmp_path / "s", ["front"], replace(NOTES, images=images))
    with pytest.raises(KeyboardInterrupt):
        write_until_interrupted(writer)
    assert list(tmp_path.iterdir()) == []


def write_until_interrupted(writer: SceneWriter) -> None:
    with writer:
        writer.add("front", VIEWS["front"][0])
        raise KeyboardInterrupt


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    killed = SceneWriter(tmp_path / "s", ["front"], NOTES)
    for frame in VIEWS["front"]:
        killed.add("front", frame)
    assert not (tmp_path / "s").exists()
    write_scene(tmp_path / "s", {"front": VIEWS["front"][:5]}, NOTES)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert SceneFolder(tmp_path / "s").storage.num_poses("front") == 5


def test_all_cameras_have_as_many_frames(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match=r"got \{'front': 9, 'left': 8\}") as e:
        write_scene(tmp_path / "s", {**VIEWS, "left": VIEWS["left"][:8]}, NOTES)
    assert e.value.code == "incomplete_scene"
    assert list(tmp_path.iterdir()) == []


def test_a_scene_is_never_written_over(tmp_path: Path) -> None:
    write_scene(tmp_path / "s", VIEWS, NOTES)
    with pytest.raises(AnyviewError, match="exists already") as e:
        write_scene(tmp_path / "s", VIEWS, NOTES)
    assert e.value.code == "scene_exists"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(AnyviewError, match="No space left on device") as e:
        write_scene(tmp_path / "s", VIEWS, NOTES)
    assert e.value.code == "cannot_write"
    assert list(tmp_path.iterdir()) == []

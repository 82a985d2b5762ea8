"""Clips from scene folders: which frames, at what size, and what is refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyview_ros.datasets.scene_writer import SceneNotes, write_scene
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.resize import resize_camera, resize_image
from anyview_ros.training.files import FileScenes, Resizing
from tests.media.pictures import CAMERA, PERIOD_NS, frames, pose, ramp

NOTES = SceneNotes("toy", 0.125, PERIOD_NS, "png")
SIZE = (16, 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes of two cameras at different depths, and one of a single camera."""
    views = {"front": frames(11), "left": frames(11, side=2.0)}
    write_scene(tmp_path / "b" / "day" / "s0", views, NOTES)
    write_scene(tmp_path / "a", {"left": frames(5), "front": frames(5, side=1.0)}, NOTES)
    write_scene(tmp_path / "c", {"camera": frames(4)}, NOTES)
    return tmp_path


def opened(root: Path, count: int = 5, period: float = 0.1) -> FileScenes:
    return FileScenes(root, count, period, SIZE)


def test_clips_come_in_order_of_path_and_time(root: Path) -> None:
    scenes = opened(root)
    assert [scenes.scene(i).path.name for i in range(len(scenes))] == ["a", "s0", "s0"]
    assert scenes.cameras(0) == ("left", "front")
    firsts = [int(scenes[i].stamps_ns[0]) for i in range(3)]
    assert firsts == [1_000_000_000, 1_000_000_000, 1_500_000_000]
    assert len(opened(root, 4)) == 1 + 2 + 1


def test_a_clip_is_what_was_written_at_the_size_of_the_model(root: Path) -> None:
    clip = opened(root)[2]
    assert clip.images.shape == (2, 5, *SIZE, 3)
    assert clip.stamps_ns.dtype == np.int64
    for view, side in enumerate((0.0, 2.0)):
        assert clip.cameras[view] == CAMERA.resized(32, 16)
        for k in range(5):
            np.testing.assert_array_equal(clip.world_from_cam[view, k], pose(5 + k, side))
            expected = resize_image(ramp(5 + k), SIZE, "area")
            np.testing.assert_array_equal(clip.images[view, k], expected)
    assert len(clip.clip(1)) == 5


def test_images_come_to_the_size_of_the_model_by_its_own_rules(root: Path) -> None:
    """Those of the release: another resampler, and intrinsics that ignore the half pixel."""
    clip = FileScenes(root, 5, 0.1, SIZE, Resizing("pillow_lanczos", "integer_grid"))[2]
    assert clip.cameras[0] == resize_camera(CAMERA, SIZE, "integer_grid") != CAMERA.resized(32, 16)
    expected = resize_image(ramp(5), SIZE, "pillow_lanczos")
    np.testing.assert_array_equal(clip.images[0, 0], expected)
    assert (expected != resize_image(ramp(5), SIZE, "area")).any()


def test_only_the_views_asked_for_are_decoded(root: Path) -> None:
    shutil.rmtree(root / "a" / "lowdim" / "left")
    shutil.copytree(root / "a" / "lowdim" / "front", root / "a" / "lowdim" / "left")
    scenes = opened(root)
    (root / "a" / "rgb" / "left" / "0000000001.png").write_bytes(b"no image")
    assert scenes.load(0, [1]).images.shape == (1, 5, *SIZE, 3)
    with pytest.raises(AnyviewError, match=r"0000000001\.png.*cannot be read"):
        scenes.load(0, [1, 0])


def test_faster_scenes_are_thinned_out(root: Path) -> None:
    scenes = opened(root, 3, period=0.2)
    assert [scenes.scene(i).path.name for i in range(len(scenes))] == ["a", "s0", "s0"]
    assert np.diff(scenes[1].stamps_ns).tolist() == [2 * PERIOD_NS] * 2
    np.testing.assert_array_equal(scenes[1].world_from_cam[0, 2], pose(4))
    # 24 frames a second are near enough to ten.
    write_scene(root / "d", {"camera": frames(9)}, replace(NOTES, period_ns=41_666_667))
    assert opened(root / "d")[0].images.shape[1] == 5


def test_frames_from_videos_and_large_jpegs(tmp_path: Path) -> None:
    large = Camera(320, 160, 200.0, 200.0, 159.5, 79.5)
    for images in ("mp4", "jpg"):
        notes = replace(NOTES, images=images)
        write_scene(tmp_path / images, {"camera": frames(5, camera=large)}, notes)
        clip = opened(tmp_path / images)[0]
        assert clip.cameras[0] == large.resized(32, 16)
        expected = np.stack([resize_image(ramp(k, large), SIZE, "area") for k in range(5)])
        assert np.abs(clip.images[0].astype(int) - expected).mean() < 3


def test_stamps_follow_from_the_rate_where_none_are_recorded(root: Path) -> None:
    for file in (root / "c" / "lowdim").rglob("*.npz"):
        with np.load(file) as old:
            kept = {name: old[name] for name in ("intrinsics", "extrinsics")}
        np.savez(file, **kept)
    assert opened(root / "c", 3)[0].stamps_ns.tolist() == [0, PERIOD_NS, 2 * PERIOD_NS]


def test_cameras_without_images_are_left_out(root: Path) -> None:
    shutil.rmtree(root / "a" / "rgb" / "left")
    assert opened(root).cameras(0) == ("front",)
    shutil.rmtree(root / "a" / "rgb" / "front")
    assert refused(root) == ("incomplete_scene", f"{root / 'a'}: none of its cameras has images")


def test_scenes_that_are_being_written_are_not_seen(root: Path) -> None:
    shutil.copytree(root / "a", root / ".a2.part")
    assert len(opened(root)) == 3


def refused(root: Path, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(AnyviewError) as e:
        read_all(root, *arguments)
    return e.value.code, e.value.message


def read_all(root: Path, *arguments: Any) -> None:
    scenes = opened(root, *arguments)
    for index in range(len(scenes)):
        scenes[index]


def change_metadata(scene: Path, **changes: Any) -> None:
    file = scene / "metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_lowdim(scene: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = scene / "lowdim" / "left" / "0000000002.npz"
    with np.load(file) as old:
        arrays = {name: old[name] for name in old.files}
    change(arrays)
    np.savez(file, **arrays)


def test_missing_frames(root: Path) -> None:
    (root / "a" / "rgb" / "front" / "0000000002.png").unlink()
    code, text = refused(root)
    assert code == "incomplete_scene"
    assert f"{root / 'a'}, camera 'front': 4 images and 5 poses" in text
    assert "missing: image 0000000002" in text


def test_as_many_images_as_poses_but_of_other_frames(root: Path) -> None:
    (root / "a" / "rgb" / "front" / "0000000002.png").unlink()
    (root / "a" / "lowdim" / "front" / "0000000003.npz").unlink()
    assert "missing: image 0000000002, lowdim of 0000000003" in refused(root)[1]


def test_counts_that_do_not_match(root: Path) -> None:
    for kind, extension in (("rgb", "png"), ("lowdim", "npz")):
        (root / "a" / kind / "front" / f"0000000004.{extension}").unlink()
    assert "got {'left': 5, 'front': 4, 'metadata.json': 5}" in refused(root)[1]
    change_metadata(root / "c", num_frames=7)
    assert "got {'camera': 4, 'metadata.json': 7}" in refused(root / "c", 4)[1]


def test_videos_shorter_than_their_poses(tmp_path: Path) -> None:
    notes = replace(NOTES, images="mp4")
    write_scene(tmp_path / "long", {"camera": frames(5)}, notes)
    write_scene(tmp_path / "short", {"camera": frames(3)}, notes)
    shutil.copy(tmp_path / "short/rgb/camera.mp4", tmp_path / "long/rgb/camera.mp4")
    code, text = refused(tmp_path / "long")
    assert code == "incomplete_scene"
    assert "needs 5 images of one size, has 3" in text


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_unreadable_videos(tmp_path: Path, content: bytes | None) -> None:
    write_scene(tmp_path / "s", {"camera": frames(5)}, replace(NOTES, images="mp4"))
    file = tmp_path / "s" / "rgb" / "camera.mp4"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    code, text = refused(tmp_path)
    assert code in ("unreadable_video", "incomplete_scene")
    assert "camera" in text


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (lambda a: a["extrinsics"].__imul__(2.0), "invalid_pose", "must be rigid"),
        (lambda a: a["extrinsics"].fill(np.nan), "invalid_pose", "frame 2"),
        (lambda a: a.update(extrinsics=np.eye(3)), "incomplete_scene", "of shape (3, 3)"),
        (lambda a: a.pop("intrinsics"), "incomplete_scene", "must hold intrinsics"),
    ],
)
def test_lowdim_that_cannot_be(root: Path, change: Any, code: str, text: str) -> None:
    change_lowdim(root / "a", change)
    found, said = refused(root)
    assert found == code
    assert text in said
    assert "left" in said


def test_intrinsics_that_are_not_finite(root: Path) -> None:
    file = root / "a" / "lowdim" / "left" / "0000000000.npz"
    with np.load(file) as old:
        np.savez(file, intrinsics=np.full((3, 3), np.nan), extrinsics=old["extrinsics"])
    assert refused(root)[0] in ("invalid_camera", "skewed_camera")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"framerate": "ten"}, "invalid_scene"),
        ({"framerate": 0}, "invalid_scene"),
        ({"num_frames": -1}, "invalid_scene"),
        ({"framerate": 7.0}, "unsuitable_period"),
        ({"framerate": 3.0}, "unsuitable_period"),
    ],
)
def test_metadata_that_cannot_be_used(root: Path, changes: dict[str, Any], code: str) -> None:
    change_metadata(root / "a", **changes)
    found, said = refused(root)
    assert found == code
    assert str(root / "a") in said


def test_folders_without_scenes_or_with_short_ones(root: Path) -> None:
    (root / "empty").mkdir()
    assert refused(root / "empty")[0] == "no_scenes"
    assert refused(root, 40)[0] == "too_few_frames"

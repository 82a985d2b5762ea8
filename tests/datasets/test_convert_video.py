"""`anyview convert video`: scenes of one standing camera, of consecutive frames only."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anyview_ros.cli.__main__ import main
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.frames import Camera
from anyview_ros.geometry import STANDING_CAMERA
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.training.files import FileScenes
from tests.media.pictures import ramp
from tests.media.test_video import joined

MS = 1_000_000
SIZE = Camera.from_fov(64, 48, np.radians(65.0))


def film(file: Path, times_ms: list[int]) -> Path:
    """Frame k is brighter in blue by 9."""
    with VideoWriter(file, (64, 48)) as writer:
        for k, time_ms in enumerate(times_ms):
            writer.write(ramp(k, SIZE), time_ms * MS)
    return file


def convert(file: Path, *options: object) -> int:
    out = file.parent / "out"
    arguments = ["convert", "video", file, "--out", out, "--hfov", 65, "--frames", 5, *options]
    return main([str(argument) for argument in arguments])


def places(scene: Path) -> list[int]:
    """Which frames of the video a scene holds, told by their blue."""
    images = SceneFolder(scene).images("camera", range(5))
    blue = images[:, 20:28, 20:28, 2].astype(float)
    return np.rint(blue.mean(axis=(1, 2)) / 9).astype(int).tolist()


def test_frames_on_the_grid_become_scenes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(film(tmp_path / "walk.mp4", list(range(0, 1300, 50)))) == 0
    scenes = sorted((tmp_path / "out").iterdir())
    assert [scene.name for scene in scenes] == ["walk-0000", "walk-0001"]
    assert places(scenes[0]) == [0, 2, 4, 6, 8]
    assert places(scenes[1]) == [10, 12, 14, 16, 18]
    track = SceneFolder(scenes[0]).track("camera", range(5), (48, 64))
    assert track.camera == SIZE
    np.testing.assert_array_equal(track.world_from_cam, [STANDING_CAMERA] * 5)
    assert "4 frames: in runs too short for 5 frames 0.1 s apart" in capsys.readouterr().out


def test_a_log_has_no_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(film(tmp_path / "walk.mp4", list(range(0, 600, 50)))) == 0
    assert capsys.readouterr().err == ""


def test_training_reads_one_view(tmp_path: Path) -> None:
    assert convert(film(tmp_path / "walk.mp4", list(range(0, 600, 100)))) == 0
    clip = FileScenes(tmp_path / "out", 5, 0.1, (24, 32))[0]
    assert clip.images.shape == (1, 5, 24, 32, 3)
    assert clip.cameras == (SIZE.resized(32, 24),)
    assert np.diff(clip.stamps_ns).tolist() == [100 * MS] * 4


def test_a_cut_in_the_video_begins_a_new_scene(tmp_path: Path) -> None:
    before = [0, 100, 200]
    after = list(range(700, 1200, 100))
    assert convert(film(tmp_path / "walk.mp4", before + after)) == 0
    (scene,) = (tmp_path / "out").iterdir()
    assert places(scene) == [3, 4, 5, 6, 7]


def test_a_size_that_changes_begins_a_scene_of_its_own_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(joined(tmp_path / "call.ts", (64, 24, 0), (96, 24, 1200))) == 0
    scenes = [SceneFolder(path) for path in sorted((tmp_path / "out").iterdir())]
    shapes = [scene.images("camera", range(5)).shape[1:3] for scene in scenes]
    assert shapes == [(48, 64)] * 2 + [(48, 96)] * 2
    for scene, size in zip(scenes, shapes, strict=True):
        camera = scene.track("camera", range(5), size).camera
        assert camera == Camera.from_fov(size[1], size[0], np.radians(65.0))
    said = capsys.readouterr().out
    assert "s the size changes from 64x48 to 96x48: a new camera" in said
    assert "4 frames: in runs too short" in said


def test_times_that_start_again_begin_a_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the second half is lost, and no scene goes across."""
    assert convert(joined(tmp_path / "two.ts", (64, 24, 0), (64, 20, 0))) == 0
    scenes = [SceneFolder(path) for path in sorted((tmp_path / "out").iterdir())]
    bright = [scene.images("camera", range(5)).mean(axis=(1, 2, 3)) > 45 for scene in scenes]
    assert [set(frames.tolist()) for frames in bright] == [{False}] * 2 + [{True}] * 2
    said = capsys.readouterr().out
    assert "s times start again at" in said
    assert "4 frames: in runs too short" in said


def test_a_folder_of_images(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for k in range(5):
        cv2.imwrite(str(folder / f"{k}.png"), cv2.cvtColor(ramp(k, SIZE), cv2.COLOR_RGB2BGR))
    assert convert(folder, "--images", "png", "--longer-side", 32, "--name", "still") == 0
    scene = SceneFolder(tmp_path / "out" / "still-0000")
    assert scene.images("camera", range(5)).shape == (5, 24, 32, 3)
    assert scene.track("camera", range(5), (24, 32)).camera == SIZE.resized(32, 24)


@pytest.mark.parametrize(
    ("times_ms", "options", "code", "text"),
    [
        (list(range(0, 2000, 160)), [], "no_complete_scene", "raise --period"),
        ([0, 100], [], "no_complete_scene", "2 frames: in runs too short"),
        ([0, 100], ["--hfov", "200"], "invalid_camera", "0 and 180 degrees, got 200 degrees"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    times_ms: list[int],
    options: list[str],
    code: str,
    text: str,
) -> None:
    assert convert(film(tmp_path / "walk.mp4", times_ms), *options) == 1
    said = capsys.readouterr().err
    assert f"error [{code}]" in said
    assert text in said
    assert list(tmp_path.rglob("metadata.json")) == []


def test_files_that_are_no_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert convert(tmp_path / "no.mp4") == 1
    assert "error [unreadable_video]" in capsys.readouterr().err
    assert convert(tmp_path / "none.mp4") == 1
    assert "error [no_such_file]" in capsys.readouterr().err

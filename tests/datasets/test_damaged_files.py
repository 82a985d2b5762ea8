"""Random damages of videos, images, scenes, poses and calibrations end in named errors.

ANYVIEW_FUZZ=10000 python -m pytest -n 0 tests/datasets/test_damaged_files.py tries as many.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.datasets.calibration_file import read_calibration
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.datasets.scene_writer import SceneNotes, write_scene
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.media.video import open_footage, read_trajectory
from tests.datasets.damages import DAMAGES, bounded, damage
from tests.datasets.rig_bag import CAMERA, MS
from tests.datasets.test_field_bags import calibration

SMALL = CAMERA.resized(32, 24)
CONTAINERS = {
    "v.mp4": "libx264",
    "v.mkv": "libx264",
    "v.webm": "libvpx-vp9",
    "v.ts": "mpeg2video",
    "v.avi": "mpeg4",
    "v.mov": "mpeg4",
}


def noise(k: int) -> NDArray[np.uint8]:
    return np.random.default_rng(k).integers(0, 256, (24, 32, 3), np.uint8)


def frames(x: float) -> Iterator[Frame]:
    for k in range(5):
        world_from_cam = rigid(np.eye(3), (x + 0.2 * k, 0.0, 1.5)) @ BODY_FROM_OPTICAL
        yield Frame(1000 * MS * k, noise(k), SMALL, world_from_cam)


def write_video(file: Path, codec: str) -> None:
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for k in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(k), format="rgb24")))
        container.mux(stream.encode(None))


def play(path: Path) -> None:
    for _ in open_footage(path, 100 * MS).frames(100 * MS):
        pass


def answer(scene: Path) -> None:
    SceneFolder(scene).episode()


def sound_files(folder: Path) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    """A file or a folder of each kind, and what reads it."""
    found: dict[str, tuple[Path, Callable[[Path], object]]] = {}
    for extension in ("jpg", "png", "mp4"):
        scene = folder / f"scene_{extension}"
        views = {"front": frames(0.0), "left": frames(1.0)}
        write_scene(scene, views, SceneNotes("mine", 1 / 16, 1000 * MS, extension))
        found[f"scene of {extension}"] = scene, answer
    for name, codec in CONTAINERS.items():
        write_video(folder / name, codec)
        found[name] = folder / name, play
    images = folder / "images"
    images.mkdir()
    for k, suffix in enumerate(("png", "jpg", "bmp", "tif", "webp", "ppm")):
        cv2.imwrite(str(images / f"{k}.{suffix}"), noise(k))
    found["images"] = images, play
    poses = folder / "poses.txt"
    poses.write_text("# poses\n" + "".join(f"{k}.5 {k} 0 1 -0.5 0.5 -0.5 0.5\n" for k in range(9)))
    found["poses"] = poses, read_trajectory
    found["calibration"] = calibration(folder / "front.yaml"), read_calibration
    return found


def copied(sound: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = shutil.copytree if sound.is_dir() else shutil.copy
    return Path(copy(sound, folder / sound.name))


def test_random_damages_end_in_named_errors(tmp_path: Path) -> None:
    recorded, rng, became = sound_files(tmp_path), random.Random(16), Counter[str]()
    for _, (sound, read) in recorded.items():
        read(sound)
    for n in range(DAMAGES):
        kind = list(recorded)[n % len(recorded)]
        sound, read = recorded[kind]
        given = copied(sound, tmp_path / "damaged")
        files = sorted(file for file in given.rglob("*") if file.is_file()) or [given]
        file = rng.choice(files)
        content = bytearray(file.read_bytes())
        what = f"damage {n}, {kind}: {damage(content, rng)} of {file.name}"
        file.write_bytes(content)
        with bounded(what):
            try:
                read(given)
                became["read"] += 1
            except AnyviewError as error:
                became[error.code] += 1
    assert became.total() == DAMAGES
    assert became["read"] > 0


def test_a_title_that_is_no_text_costs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "v.mkv"
    with av.open(str(file), "w") as container:
        container.metadata["title"] = "drive of today"
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for k in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(k), format="rgb24")))
        container.mux(stream.encode(None))
    content = file.read_bytes()
    assert b"drive of today" in content
    file.write_bytes(content.replace(b"drive of today", b"\xa8rive of today"))
    assert len(list(open_footage(file, 100 * MS).frames(100 * MS))) == 3


class OddError(Exception):
    """Of no library that is known."""


@pytest.mark.parametrize(
    ("kind", "function"),
    [("v.mp4", "av.open"), ("scene of png", "numpy.load"), ("scene of png", "PIL.Image.open")],
)
def test_whatever_a_library_throws_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, function: str
) -> None:
    """No list of what libraries throw is ever whole."""

    def thrown(*_: Any, **__: Any) -> Any:
        raise OddError("of its own")

    sound, read = sound_files(tmp_path)[kind]
    monkeypatch.setattr(function, thrown)
    with pytest.raises(AnyviewError, match="of its own"):
        read(sound)

"""Scenes from a bag of 1080p cameras, and clips of them for training: CPU time and disk.

    python -m benchmarks.scene_files [--frames 18]

A picture of the street, from two cameras: raw, and compressed by jpeg. Figures are CPU
milliseconds a frame of one process, all threads together, and bytes a frame on the disk.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import BagOptions, bag_cameras
from anyview_ros.datasets.bag_scenes import write_bag_scenes
from anyview_ros.datasets.scene_plan import plan_scenes
from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.datasets.scene_writer import SceneNotes
from anyview_ros.frames import Camera
from anyview_ros.training.files import FileScenes
from benchmarks.encodings import street
from tests.datasets.rig_bag import RigRecording, stamps

FULL = Camera.from_fov(1920, 1080, 1.2)
PERIOD_NS = 100_000_000
CLIP, SIZE = 9, (96, 160)
WAYS = (("jpg", 0), ("jpg", 640), ("png", 0), ("mp4", 640))  # images, longer side


def record(folder: Path, frames: int) -> Path:
    """A bag of two 1080p cameras."""
    picture = street(FULL.width, FULL.height)
    recording = RigRecording()
    for camera in (recording.front, recording.left):
        camera.stamps_ns = stamps(frames, camera.stamps_ns[0])
        camera.camera = FULL
        camera.picture = lambda k, _: np.roll(picture, 8 * k, axis=1)
    recording.left.compression = "jpeg"
    return recording.write(folder / "bag")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=18, help="of each camera")
    frames = parser.parse_args().frames
    with TemporaryDirectory() as folder:
        path = record(Path(folder), frames)
        with Bag(path) as bag:
            measure(bag, Path(folder), frames)


def measure(bag: Bag, folder: Path, frames: int) -> None:
    with cpu_time() as planned:
        cameras = bag_cameras(bag, BagOptions())
        plan = plan_scenes(cameras, CLIP, PERIOD_NS)
    topics = {name: camera.topic for name, camera in cameras.items()}
    shots = len(list(plan.shots()))
    print(f"stamps, lenses, poses, plan: {planned[0] / (2 * frames):.2f} ms a frame")
    print("| images | longer side | convert ms | kB | read ms |")
    for images, side in WAYS:
        out = folder / f"{images}{side}"
        notes = SceneNotes("bench", 1 / 16, PERIOD_NS, images)
        with cpu_time() as wrote:
            write_bag_scenes(bag, topics, plan, SceneFolders(out, "s", notes), side, lambda: None)
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        with cpu_time() as read:
            scenes = FileScenes(out, CLIP, PERIOD_NS / 1e9, SIZE)
            for index in range(len(scenes)):
                scenes[index]
        figures = wrote[0] / shots, size / shots / 1e3, read[0] / shots
        print(
            f"| {images} | {side or FULL.width} | " + " | ".join(f"{f:.1f}" for f in figures) + " |"
        )


@contextmanager
def cpu_time() -> Iterator[list[float]]:
    """CPU milliseconds that the body took, known after it."""
    taken: list[float] = []
    start = time.process_time()
    yield taken
    taken.append(1e3 * (time.process_time() - start))


if __name__ == "__main__":
    main()

"""What augment takes beside the model: reading, cutting, keeping and writing.

    python -m benchmarks.augment [--seconds 30] [--longer 3] [--size 1280x720] [--model NAME]
        [--clips 20] [--work FOLDER]

A synthetic drive of one raw camera at 10 Hz with TF at 50 Hz is written (mcap), then:

- pure I/O: a pass-through in the model's place, which shows the source again at 640x360, one
  virtual camera, beside rosbags' own converter copying the same bag, in turns;
- memory: the process's peak with the drive, and with one that is `--longer` times as long;
- the engine's idle share: the model itself over so many clips, by the time that it works of the
  time from its first clip to its last.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.convert.converter import convert
from rosbags.rosbag2 import StoragePlugin, Writer

from anyview_ros.augment.answers import INFO, TF, AnswerTypes, transform_message
from anyview_ros.augment.run import augment
from anyview_ros.augment.settings import Model, Settings
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.engine.pipeline import Pipeline, Synthesis, SynthesisOptions
from anyview_ros.frames import Camera, Clip, View
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.packages import find_package, load_package
from anyview_ros.topics import IMAGE_TYPE

NS, PERIOD_NS, START_NS = 10**9, 10**8, 100 * 10**9
CAMERAS = """
cameras:
  - name: raised
    parent_frame: base_link
    pose:
      position: {x: 1.0, z: 2.5}
      orientation: {x: -0.5, y: 0.5, z: -0.5, w: 0.5}
    camera_info: {width: 640, height: 360}
    horizontal_fov: 1.2
    sources: [front]
"""


class PassThrough:
    """Shows the first source again, at the target's size."""

    def synthesize(
        self,
        sources: Sequence[Clip],
        target: View,
        options: SynthesisOptions,
        *,
        known: NDArray[np.uint8] | None = None,
    ) -> Synthesis:
        size = target.camera.width, target.camera.height
        frames = np.stack([cv2.resize(frame.image, size) for frame in sources[0].frames])
        if known is not None:
            frames[: len(known)] = known
        nothing = np.empty((0, size[1], size[0]))
        return Synthesis(
            *(frames, nothing.astype(np.uint8), nothing.astype(np.float32), "exact", 1),
            *((size[1], size[0]), 1.0, 0.0, 0.0, 0.0, 0.0, 1),
        )


class Watched:
    """An engine, and the seconds that it worked.

    Args:
        engine: of the model.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.busy_s, self.clips, self.begin, self.end = 0.0, 0, 0.0, 0.0

    def synthesize(self, *given: Any, **named: Any) -> Synthesis:
        started = time.monotonic()
        self.begin = self.begin or started
        made: Synthesis = self._engine.synthesize(*given, **named)
        self.end = time.monotonic()
        self.busy_s += self.end - started
        self.clips += 1
        return made


def write_drive(path: Path, seconds: float, size: tuple[int, int]) -> Path:
    """A vehicle that drives ahead at 5 m/s, its camera's images drifting noise."""
    types, (width, height) = AnswerTypes(), size
    camera = Camera.from_fov(width, height, 1.2)
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (height // 8, width // 8 + 64, 3), np.uint8)
    wide = cv2.resize(coarse, (width + 512, height), interpolation=cv2.INTER_CUBIC)
    base_from_cam = rigid(np.eye(3), (1.0, 0.0, 1.5)) @ BODY_FROM_OPTICAL
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        opened = {
            topic: writer.add_connection(topic, kind, typestore=types.store)
            for topic, kind in {
                "/tf_static": TF,
                "/tf": TF,
                "/front/camera_info": INFO,
                "/front/image_raw": IMAGE_TYPE,
            }.items()
        }

        def tf(topic: str, parent: str, child: str, pose: Any, stamp: int) -> None:
            message = types.new(TF, [transform_message(types, parent, child, pose, stamp)])
            writer.write(opened[topic], stamp, types.content(TF, message))

        tf("/tf_static", "base_link", "front_optical", base_from_cam, START_NS - NS)
        for k in range(round(seconds * NS / PERIOD_NS)):
            stamp = START_NS + k * PERIOD_NS
            for step in range(5):
                at = stamp - PERIOD_NS // 2 + step * PERIOD_NS // 5
                tf("/tf", "odom", "base_link", rigid(np.eye(3), (5e-9 * at, 0.0, 0.0)), at)
            sec, nanosec = divmod(stamp, NS)
            header = types.new(
                "std_msgs/msg/Header",
                types.new("builtin_interfaces/msg/Time", sec, nanosec),
                "front_optical",
            )
            image = np.ascontiguousarray(wide[:, 2 * k % 512 : 2 * k % 512 + width])
            raw = (header, height, width, "rgb8", 0, 3 * width, image.reshape(-1))
            content = types.content(IMAGE_TYPE, types.new(IMAGE_TYPE, *raw))
            writer.write(opened["/front/image_raw"], stamp, content)
            roi = types.new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
            matrix = camera.matrix
            projection = np.hstack([matrix, np.zeros((3, 1))]).ravel()
            info = (header, height, width, "plumb_bob", np.zeros(5), matrix.ravel())
            info = (*info, np.eye(3).ravel(), projection, 0, 0, roi)
            content = types.content(INFO, types.new(INFO, *info))
            writer.write(opened["/front/camera_info"], stamp, content)
        end_ns = START_NS + round(seconds * NS) + PERIOD_NS
        tf("/tf", "odom", "base_link", rigid(np.eye(3), (5e-9 * end_ns, 0.0, 0.0)), end_ns)
    return path


def copy_by_rosbags(source: Path, target: Path) -> float:
    """Seconds of rosbags' own converter."""
    started, every = time.monotonic(), list[str]()
    convert([source], target, "mcap", 9, None, "none", None, None, every, every, every, every)
    os.sync()
    return time.monotonic() - started


def augmented(source: Path, target: Path, model: Model) -> float:
    """Seconds of an augmentation."""
    cameras = target.with_suffix(".yaml")
    cameras.write_text(CAMERAS)
    started = time.monotonic()
    augment(source, target, cameras, BagOptions(), Settings(), model)
    os.sync()
    return time.monotonic() - started


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def peak_mb(source: Path, model: str) -> float:
    """Peak memory of a process that augments by the pass-through."""
    command = [sys.executable, "-m", "benchmarks.augment", "--child", str(source), "--model", model]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ended.stdout.split()[-1])


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    found.add_argument("--seconds", type=float, default=30.0, help="of the drive")
    found.add_argument("--longer", type=float, default=3.0)
    found.add_argument("--size", default="1280x720")
    found.add_argument("--model", default="worlds-composite-10m")
    found.add_argument("--clips", type=int, default=20, help="of the model")
    found.add_argument("--work", type=Path, help="folder on the disk that is measured")
    found.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return found


def main() -> None:
    args = parser().parse_args()
    package = load_package(find_package(args.model))
    through = Model(package, "cpu", load=PassThrough)
    with TemporaryDirectory(prefix="anyview-", dir=args.work) as name:
        folder = Path(name)
        if args.child:
            augmented(args.child, folder / "out", through)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        width, height = map(int, args.size.split("x"))
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        drive = write_drive(folder / "drive", args.seconds, (width, height))
        print(f"drive: {args.seconds:g} s of {args.size} at 10 Hz, {size_mb(drive):.0f} MB")
        for turn in range(3):
            copied = copy_by_rosbags(drive, folder / "copy")
            taken = augmented(drive, folder / "out", through)
            out = size_mb(folder / "out")
            print(
                f"turn {turn}: rosbags' copy {copied:.2f} s ({size_mb(drive) / copied:.0f} MB/s), "
                f"augment {taken:.2f} s ({size_mb(drive) / taken:.0f} MB/s of input, {out:.0f} MB "
                f"written): {100 * copied / taken:.0f} % of the copy's rate"
            )
            shutil.rmtree(folder / "copy")
            shutil.rmtree(folder / "out")
        longer = write_drive(folder / "longer", args.longer * args.seconds, (width, height))
        print(
            f"peak memory: {peak_mb(drive, args.model):.0f} MB, of {args.longer:g} times the drive "
            f"{peak_mb(longer, args.model):.0f} MB",
            flush=True,
        )
        shutil.rmtree(longer)
        shutil.rmtree(drive)
        stride_s = 0.8 if max(package.contract.frames) == 9 else package.contract.frame_period
        drive = write_drive(folder / "drive", args.clips * stride_s, (width, height))
        watched = Watched(Pipeline(package, "cpu"))
        taken = augmented(drive, folder / "out", Model(package, "cpu", load=lambda: watched))
        span = watched.end - watched.begin
        gigabytes = size_mb(drive) / 1000
        print(
            f"{args.model}: {watched.clips} clips, {watched.busy_s:.1f} s of {span:.1f} s in the "
            f"engine: idle {100 * (1 - watched.busy_s / span):.1f} %; all {taken:.1f} s, "
            f"{taken / 60 / gigabytes:.2f} minutes per GB"
        )


if __name__ == "__main__":
    main()

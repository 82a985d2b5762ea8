"""What augment takes beside the model: reading, cutting, keeping and writing.

    python -m benchmarks.augment [--seconds 30] [--longer 3] [--size 1280x720] [--model NAME]
        [--clips 20] [--turns 3] [--work FOLDER]

A synthetic drive of one raw camera at 10 Hz with TF at 50 Hz is written (mcap, and the same as
sqlite3), then:

- pure I/O: one virtual camera of 640x360, with a pass-through in the model's place, which shows the
  source again; beside rosbags' own converter copying the same bag, in turns. Seconds are those of
  the processor, user and system, for others may use the machine.

  The converter reads each message into this process and writes it. Augment does that with camera
  images, camera infos and TF; it has the kernel copy the bag; and beyond a copy it
  1. decodes every image and brings it to the size that is kept, which any model would need;
  2. runs the stand-in, which is the model's place: both are told apart, and I/O is what is left;
  3. places frames, cuts clips, and writes a quarter more bytes than the copy, twice: to the clips
     that --resume needs, then into the bag.

  Both are measured again in processes of their own, as commands are. The converter may then take
  three times as long: whether the memory of a message goes back to the system after each, and is
  cleared anew for the next, depends on what this process has done before.

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
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.convert.converter import convert
from rosbags.rosbag2 import StoragePlugin, Writer

from anyview_ros.augment.answers import INFO, TF, AnswerTypes, transform_message
from anyview_ros.augment.bag_copy import BagCopy
from anyview_ros.augment.run import augment
from anyview_ros.augment.settings import Model, Settings
from anyview_ros.augment.spool import Spool
from anyview_ros.clips.intake.image_preparation import ImagePreparer
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
        frames = np.stack([_resized(frame.image, size) for frame in sources[0].frames])
        if known is not None:
            frames[: len(known)] = known
        nothing = np.empty((0, size[1], size[0]))
        return Synthesis(
            *(frames, nothing.astype(np.uint8), nothing.astype(np.float32), "exact", 1),
            *((size[1], size[0]), 1.0, 0.0, 0.0, 0.0, 0.0, 1),
        )


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    is_same = image.shape[1::-1] == size
    return image if is_same else np.asarray(cv2.resize(image, size), np.uint8)


class Meter:
    """Seconds of the processor by stage, where stages do not call each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def count(self, stage: str, owner: type, method: str) -> None:
        """Count a method from now on."""
        inner = getattr(owner, method)

        def counted(*given: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return inner(*given, **named)
            finally:
                self.seconds[stage] += time.thread_time() - started

        setattr(owner, method, counted)


@dataclass(frozen=True)
class Taken:
    """Hold what something took: seconds of the processor, user and system, and on the clock."""

    user: float
    system: float
    clock: float

    @property
    def both(self) -> float:
        return self.user + self.system


def taken_by(folder: Path, work: Callable[[], object]) -> Taken:
    """Return what a work took, until its folder is on the disk."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    return Taken(
        after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime, ended - started
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


def copied(source: Path, target: Path, storage: str) -> Taken:
    """Copy by rosbags' own converter."""
    none = list[str]()

    def copy() -> None:
        convert([source], target, storage, 9, None, "none", None, None, none, none, none, none)

    return taken_by(target, copy)


def augmented(source: Path, target: Path, model: Model) -> Taken:
    """Augment by a model."""
    cameras = target.with_suffix(".yaml")
    cameras.write_text(CAMERAS)
    return taken_by(
        target, lambda: augment(source, target, cameras, BagOptions(), Settings(), model)
    )


def metered() -> Meter:
    """Count the stages of augment from now on."""
    meter = Meter()
    meter.count("decoding", ImagePreparer, "prepare")
    meter.count("stand-in", PassThrough, "synthesize")
    meter.count("keeping clips", Spool, "append")
    meter.count("writing the bag", BagCopy, "write")
    return meter


def compare(drive: Path, folder: Path, storage: str, through: Model, turns: int) -> None:
    """Print what rosbags' copy and augment take, in turns, and the least of each."""
    meter, least = metered(), dict[str, float]()
    augmented(drive, folder / "out", through)  # what is made once a process is no part of a rate
    shutil.rmtree(folder / "out")
    for turn in range(turns):
        meter.seconds.clear()
        copy = copied(drive, folder / "copy", storage)
        taken = augmented(drive, folder / "out", through)
        out = size_mb(folder / "out")
        shutil.rmtree(folder / "copy")
        shutil.rmtree(folder / "out")
        other = taken.both - sum(meter.seconds.values())
        row = {"copy": copy.both, "augment": taken.both, **meter.seconds, "reading, rest": other}
        for stage, seconds in row.items():
            least[stage] = min(least.get(stage, seconds), seconds)
        print(
            f"{storage}, turn {turn}, user + system: copy {copy.user:.2f} + {copy.system:.2f} s, "
            f"augment {taken.user:.2f} + {taken.system:.2f} s ({out:.0f} MB written); "
            f"on the clock {copy.clock:.1f} and {taken.clock:.1f} s",
            flush=True,
        )
    parts = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in least.items())
    io = least["augment"] - least["decoding"] - least["stand-in"]
    print(
        f"{storage}, least of {turns} turns: {parts} s; I/O {io:.2f} s at "
        f"{size_mb(drive) / io:.0f} MB/s: {100 * least['copy'] / io:.0f} % of the copy's rate, "
        f"with decoding and stand-in {100 * least['copy'] / least['augment']:.0f} %",
        flush=True,
    )


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def own_peak_mb() -> float:
    """Peak memory of this program. Not that of getrusage: it begins with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def compare_alone(drive: Path, folder: Path, storage: str, model: str, turns: int) -> None:
    """Print what both take in processes of their own, in turns, and the least of each."""
    copies, augments = list[float](), list[tuple[float, float]]()
    for _ in range(turns):
        copies.append(in_a_process(drive, folder, model, "--copy", storage)[1])
        _, taken, model_s = in_a_process(drive, folder, model)
        augments.append((taken - model_s, taken))
    io, whole = min(augments)
    print(
        f"{storage}, in processes of their own: copy {', '.join(f'{s:.2f}' for s in copies)} s, "
        f"augment {', '.join(f'{s:.2f}' for _, s in augments)} s; least without decoding and "
        f"stand-in {io:.2f} s: {100 * min(copies) / io:.0f} % of the copy's rate, "
        f"with them {100 * min(copies) / whole:.0f} %",
        flush=True,
    )


def in_a_process(source: Path, folder: Path, model: str, *more: str) -> list[float]:
    """Have a new process augment by the pass-through, or copy.

    Return its peak memory in MB, and seconds of the processor: of the work, and of decoding and the
    stand-in in it.
    """
    command = [sys.executable, "-m", "benchmarks.augment", "--child", str(source), "--model", model]
    command += ["--work", str(folder), *more]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(figure) for figure in ended.stdout.split()[-3:]]


def child(args: argparse.Namespace, folder: Path, through: Model) -> None:
    """Print what `in_a_process` returns."""
    meter = metered()
    if args.copy:
        taken = copied(args.child, folder / "copy", args.copy)
    else:
        taken = augmented(args.child, folder / "out", through)
    seconds = meter.seconds
    print(own_peak_mb(), taken.both, seconds["decoding"] + seconds["stand-in"])


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    found.add_argument("--seconds", type=float, default=30.0, help="of the drive")
    found.add_argument("--longer", type=float, default=3.0)
    found.add_argument("--size", default="1280x720")
    found.add_argument("--model", default="worlds-composite-10m")
    found.add_argument("--clips", type=int, default=20, help="of the model")
    found.add_argument("--turns", type=int, default=3)
    found.add_argument("--work", type=Path, help="folder on the disk that is measured")
    found.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    found.add_argument("--copy", default="", help=argparse.SUPPRESS)
    return found


def main() -> None:
    args = parser().parse_args()
    package = load_package(find_package(args.model))
    through = Model(package, "cpu", load=PassThrough)
    with TemporaryDirectory(prefix="anyview-", dir=args.work) as name:
        folder = Path(name)
        if args.child:
            child(args, folder, through)
            return
        width, height = map(int, args.size.split("x"))
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        drive = write_drive(folder / "drive", args.seconds, (width, height))
        print(f"drive: {args.seconds:g} s of {args.size} at 10 Hz, {size_mb(drive):.0f} MB")
        copied(drive, folder / "drive3", "sqlite3")
        for bag, storage in ((drive, "mcap"), (folder / "drive3", "sqlite3")):
            compare_alone(bag, folder, storage, args.model, args.turns)
            compare(bag, folder, storage, through, args.turns)
        shutil.rmtree(folder / "drive3")
        longer = write_drive(folder / "longer", args.longer * args.seconds, (width, height))
        print(
            f"peak memory: {in_a_process(drive, folder, args.model)[0]:.0f} MB, of {args.longer:g} "
            f"times the drive {in_a_process(longer, folder, args.model)[0]:.0f} MB",
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
            f"engine: idle {100 * (1 - watched.busy_s / span):.1f} %; all {taken.clock:.1f} s, "
            f"{taken.clock / 60 / gigabytes:.2f} minutes per GB"
        )


if __name__ == "__main__":
    main()

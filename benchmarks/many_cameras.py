"""What the second, fourth and eighth virtual camera cost against the first.

    python -m benchmarks.many_cameras [--model NAME] [--rounds 3] [--threads 1]

All are made from the same source clip, as continuous cameras of one node are: the sources are
encoded and conditioned once (`engine.shared_sources`). Process time of one clip of each camera,
median over the rounds.
"""

from __future__ import annotations

import argparse
import platform
import time
from statistics import median

import numpy as np

from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.imaging import resize
from anyview_ros.packages import DEFAULT_MODEL, ModelPackage, find_package, load_package

COUNTS = (1, 2, 4, 8)


def source(contract: Contract, seed: int) -> Clip:
    """Noise that stands still; what a clip shows does not change what it costs."""
    camera = Camera.from_fov(256, 144, 1.2)
    height, width = resize.model_size(contract, camera)
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    frames = range(contract.usual_frames(""))
    camera = camera.resized(width, height)
    return Clip(tuple(Frame(10**9 + k * 10**8, small, camera, np.eye(4)) for k in frames))


def views(clip: Clip, count: int) -> list[View]:
    """Cameras side by side, 256x144."""
    camera = clip.frames[0].camera.resized(256, 144)
    poses = [rigid(np.eye(3), (0.3 * k, 0.0, 0.0)) for k in range(count)]
    return [View(camera, np.tile(pose, (len(clip), 1, 1))) for pose in poses]


def seconds(pipeline: Pipeline, clip: Clip, count: int) -> float:
    """Process time of one clip of each of `count` cameras."""
    started = time.process_time()
    for view in views(clip, count):
        pipeline.synthesize([clip], view, SynthesisOptions())
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    package = load_package(find_package(arguments.model))
    print(f"{package.contract.name}, {platform.machine()}, {arguments.threads} threads")
    _table(package, arguments.rounds, arguments.threads)


def _table(package: ModelPackage, rounds: int, threads: int) -> None:
    pipeline = Pipeline(package, "cpu", threads)
    seconds(pipeline, source(package.contract, 0), 1)  # the first run allocates
    print("| cameras | s for all | s for each further one | against the first |")
    print("| --- | --- | --- | --- |")
    first = 0.0
    for count in COUNTS:
        took = median(
            seconds(pipeline, source(package.contract, 1 + k + 100 * count), count)
            for k in range(rounds)
        )
        first = first or took
        further = (took - first) / (count - 1) if count > 1 else took
        share = further / first
        print(f"| {count} | {took:.3f} | {further:.3f} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()

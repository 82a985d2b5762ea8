"""Memory and CPU time of clips of three cameras and two keyframes, in one process, without ROS.

    MALLOC_ARENA_MAX=1 python -m benchmarks.clip_memory [--clips 4] [--model NAME]

The cameras are 640x360, drive at 5 m/s and see noise; each clip is of other frames, with the
settings of the inference process. A row is what the process holds alone (proportional set size of
anonymous memory) once a clip is made, and how much of that it can give back. The last line is a
digest of the last clip's frames: the same before and after a change of memory alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import cv2
import numpy as np

from anyview_ros.engine.pipeline import Pipeline, Synthesis, SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.node.allocator import give_back_freed_memory
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.rigs import mounted

MB = 1000  # kB
CAMERA = Camera.from_fov(640, 360, 1.4)
MOUNTS = [mounted((1.6, 0.0, 1.5), yaw, -0.05) for yaw in (0.0, 0.9, -0.9)]
TO_THE_LEFT = rigid(np.eye(3), (0.0, 1.8, 0.0))
PERIOD_NS, COUNT = 10**8, 9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=4, help="made one after the other (4)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package")
    arguments = parser.parse_args()
    pipeline = Pipeline(load_package(find_package(arguments.model)), "cpu")
    print(f"loaded: {_held_mb():.0f} MB", flush=True)
    for k in range(arguments.clips):
        before_s = sum(os.times()[:2])
        made = _made(pipeline, (10 + k) * 10**9)
        cpu_s, held = sum(os.times()[:2]) - before_s, _held_mb()
        print(f"clip {k}: {held:.0f} MB, {cpu_s:.2f} s of CPU", flush=True)
    give_back_freed_memory()
    print(f"after freed memory was given back: {_held_mb():.0f} MB")
    print(hashlib.sha256(made.frames.tobytes()).hexdigest()[:16])


def _made(pipeline: Pipeline, start_ns: int) -> Synthesis:
    clips = [_seen(camera, start_ns) for camera in range(3)]
    for camera, age_s in ((0, 3), (1, 5)):
        clips.append(Clip.held(_seen(camera, start_ns - age_s * 10**9).frames[0], COUNT))
    poses = np.stack([frame.world_from_cam for frame in clips[0].frames])
    return pipeline.synthesize(clips, View(CAMERA, TO_THE_LEFT @ poses), SynthesisOptions())


def _seen(camera: int, start_ns: int) -> Clip:
    """Nine frames of a picture that passes by."""
    rng = np.random.default_rng(camera)
    coarse = rng.integers(0, 255, (36, 200, 3), np.uint8)
    wide = cv2.resize(coarse, (2400, CAMERA.height), interpolation=cv2.INTER_CUBIC)
    frames = []
    for stamp_ns in range(start_ns, start_ns + COUNT * PERIOD_NS, PERIOD_NS):
        left = 3 * (stamp_ns // PERIOD_NS) % (2400 - CAMERA.width)
        image = np.ascontiguousarray(wide[:, left : left + CAMERA.width])
        world_from_base = rigid(np.eye(3), (5e-9 * stamp_ns, 0.0, 0.0))
        frames.append(Frame(stamp_ns, image, CAMERA, world_from_base @ MOUNTS[camera]))
    return Clip(tuple(frames))


def _held_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return int(next(line for line in lines if line.startswith("Pss_Anon")).split()[1]) / MB


if __name__ == "__main__":
    main()

"""Frames a second of the renderer, and what building a scene costs.

    python -m benchmarks.render [--world street] [--threads 2] [--seeds 4] [--photographs 0.5]

One scene for each seed, seen by the first camera of the rig; the rate of a CPU-second
holds beside other work too.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from itertools import cycle

SIZES = ((128, 128), (256, 144))
SAMPLES = (1, 2)
STAMP_NS, STEP_NS = 14_000_000_000, 100_000_000


def main() -> None:
    arguments = _arguments()
    os.environ["NUMBA_NUM_THREADS"] = str(arguments.threads)  # numba reads it once, when imported
    from anyview_ros.frames import Camera
    from anyview_ros.worlds.render.raycast import render
    from anyview_ros.worlds.world import make_world

    worlds = [make_world(arguments.world, seed) for seed in range(arguments.seeds)]
    if arguments.photographs:
        from anyview_ros.worlds.photograph_packages import PACKAGES
        from anyview_ros.worlds.photographed import PhotographedWorld
        from anyview_ros.worlds.photographs import read_photographs

        pictures = read_photographs(tuple(PACKAGES))
        worlds = [PhotographedWorld(w, pictures, arguments.photographs) for w in worlds]
    poses = [w.world_from_link(w.rig[0].link, STAMP_NS) @ w.rig[0].link_from_cam for w in worlds]
    views = list(zip([w.scene_at(STAMP_NS) for w in worlds], poses, strict=True))
    print(f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads")
    start = time.perf_counter()
    render(*_with_camera(views[0], Camera.from_fov(16, 16, 1.2)))
    print(f"first call (compile, or load from the cache): {time.perf_counter() - start:.1f} s")
    for width, height in SIZES:
        camera = Camera.from_fov(width, height, 1.4)
        for samples in SAMPLES:
            turns: Iterator[tuple] = cycle(views)
            rate, of_cpu = _rates(
                lambda turns=turns, camera=camera, samples=samples: render(
                    *_with_camera(next(turns), camera), samples
                ),
                arguments.seconds,
            )
            size = f"{width}x{height}, {samples}x{samples} rays a pixel"
            print(f"{size}: {rate:.0f} frames/s, {of_cpu:.0f} a CPU-second")
    stamps = iter(range(STAMP_NS, STAMP_NS + 10**15, STEP_NS))
    _, rate = _rates(lambda: worlds[0].scene_at(next(stamps)), arguments.seconds)
    sizes = ", ".join(str(len(scene.primitives)) for scene, _ in views)
    print(f"scene: {1e3 / rate:.2f} ms; primitives: {sizes}")


def _with_camera(view: tuple, camera: object) -> tuple:
    scene, pose = view
    return scene, camera, pose


def _rates(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Calls a second of wall time and of this process's CPU time, after one call to warm up."""
    call()
    start, spent, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - start), count / (time.process_time() - spent)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", default="street")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--photographs", type=float, default=0.0, help="share of the surfaces")
    return parser.parse_args()


if __name__ == "__main__":
    main()

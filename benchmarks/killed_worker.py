"""How long after `kill -9` of the inference process four virtual cameras show the present again.

    python -m benchmarks.killed_worker [--size 160x96] [--times 10] [--out out/killed_worker]

Footage of the street plays at the rate of the model's frames, so that no renderer takes the cores.
In turns the process is killed at any moment, and nothing is done: seconds until each camera has
published a frame of an image that was sent later, the last one's. The laboratory of `anyview chaos`
looks for broken promises meanwhile; the exit status is 1 where there was one.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from pathlib import Path
from random import Random

import numpy as np

from anyview_ros.chaos.lab import Lab, LabPlan, laboratory
from anyview_ros.chaos.own_folder import take_folder
from anyview_ros.demo.harness import graph_environment
from anyview_ros.demo.parameter_words import parameter_words
from anyview_ros.demo.subprocesses import Children, interrupt_once
from anyview_ros.frames import Camera
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.seeds import DEMO_SEED
from anyview_ros.worlds.world import make_world

HFOV = 80.0  # degrees
START_S, EACH_S = 60.0, 30.0  # of footage: before the first time, and for each
LIMIT_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--size", default="160x96", help="WxH")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("out/killed_worker"))
    parser.add_argument("--domain", type=int, default=87)
    asked = parser.parse_args()
    interrupt_once()
    period_s = load_package(find_package(asked.model)).contract.frame_period
    width, height = map(int, asked.size.split("x"))
    take_folder(asked.out)
    moments = round((START_S + EACH_S * asked.times) / period_s)
    film(asked.out, Camera.from_fov(width, height, np.radians(HFOV)), period_s, moments)
    parameters = {
        "source": str(asked.out / "front.mp4"),
        "poses": str(asked.out / "poses.txt"),
        "hfov": HFOV,
        "rate": 1 / period_s,
        "readers": 1,
    }
    plan = LabPlan(asked.out, asked.model, asked.domain, topics=("/front/image_raw",))
    with Children(asked.out, graph_environment(asked.domain)) as rig:
        rig.start("rig", "anyview_ros.node.simulation.sim_rig", parameter_words(parameters))
        with laboratory(plan, print) as lab:
            return report(lab, asked.times)


def film(folder: Path, camera: Camera, period_s: float, moments: int) -> None:
    """Write what the front camera of the street sees, `front.mp4` and `poses.txt`."""
    world = make_world("street", DEMO_SEED)
    front = world.rig[0]
    with (
        VideoWriter(folder / "front.mp4", (camera.width, camera.height)) as video,
        (folder / "poses.txt").open("w") as poses,
    ):
        for k in range(moments):
            time_ns = round(k * period_s * 1e9)
            link = world.world_from_link(front.link, 10**9 + time_ns)
            pose = link @ front.link_from_cam
            video.write(render(world.scene_at(10**9 + time_ns), camera, pose), time_ns)
            numbers = (time_ns / 1e9, *pose[:3, 3], *quaternion_xyzw(pose))
            print(*(f"{number:.9f}" for number in numbers), file=poses)


def report(lab: Lab, times: int) -> int:
    """Print the seconds of each time; 1 if a promise was broken, or a camera did not come back."""
    random = Random(0)
    killed, undisturbed = [], []
    lab.watcher.begin()
    for k in range(times):
        lab.watcher.wait(lambda: False, random.uniform(3.0, 6.0))
        undisturbed.append(lab.seconds_to_show(LIMIT_S))
        lab.watcher.wait(lambda: False, random.uniform(3.0, 6.0))
        os.kill(lab.worker_pid(), signal.SIGKILL)
        killed.append(lab.seconds_to_show(LIMIT_S))
        took = f"killed {killed[-1]:.1f} s, undisturbed {undisturbed[-1]:.1f} s"
        print(f"{k + 1}: {took}", flush=True)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores; seconds, median (least to most)")
    for name, values in (("killed", killed), ("undisturbed", undisturbed)):
        print(f"{name:12} {np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})")
    broken = lab.watcher.broken()
    print(*broken, sep="\n")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())

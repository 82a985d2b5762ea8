"""Seconds that one clip costs, split by stage, without ROS.

    python benchmarks/clip_stages.py [--model NAME] [--repeats 5] [--threads 0] [--speed exact]

The source is the front camera of the street, the target the demo's shifted camera; the first
run, which warms the sessions up, is not counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from anyview_ros.contract import Contract, find_package, load_package
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.tools.demo import DEFAULT_MODEL
from anyview_ros.worlds.raycast import render
from anyview_ros.worlds.street_rig import STREET_RIG
from anyview_ros.worlds.world import make_world

TO_THE_LEFT = rigid(np.eye(3), (0.0, 1.8, 0.0))


def main() -> None:
    arguments = _arguments()
    package = load_package(find_package(arguments.model))
    pipeline = Pipeline(package, arguments.provider, arguments.threads)
    clip, target = _request(package.contract)
    options = SynthesisOptions(speed=arguments.speed)
    rows = list(_runs(pipeline, clip, target, options, arguments.repeats))[1:]
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(
        f"'{package.contract.name}' on {pipeline.provider}, {len(clip)} frames, "
        f"speed {arguments.speed or 'exact'}, median of {len(rows)}"
    )
    for stage in rows[0]:
        print(f"{stage:<10} {median(row[stage] for row in rows):8.3f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package")
    parser.add_argument("--repeats", type=int, default=5, help="clips that are counted (5)")
    parser.add_argument("--threads", type=int, default=0, help="of ONNX Runtime; 0 = one a core")
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--speed", default="", help="exact, fast or draft")
    return parser.parse_args()


def _request(contract: Contract) -> tuple[Clip, View]:
    world, front = make_world("street", 0), STREET_RIG[0]
    period_ns = round(contract.frame_period * 1e9)
    frames = []
    for k in range(max(contract.frames)):
        stamp_ns = 1_000_000_000 + k * period_ns
        world_from_cam = world.world_from_link("base", stamp_ns) @ front.link_from_cam
        image = render(world.scene_at(stamp_ns), front.camera, world_from_cam)
        frames.append(Frame(stamp_ns, image, front.camera, world_from_cam))
    clip = Clip(tuple(frames))
    base_from_target = TO_THE_LEFT @ front.link_from_cam
    bases = [world.world_from_link("base", stamp_ns) for stamp_ns in clip.stamps_ns]
    return clip, View(front.camera, np.stack(bases) @ base_from_target)


def _runs(
    pipeline: Pipeline, clip: Clip, target: View, options: SynthesisOptions, repeats: int
) -> Iterator[dict[str, float]]:
    for _ in range(repeats + 1):
        started = time.perf_counter()
        made = pipeline.synthesize([clip], target, options)
        yield {
            "condition": made.condition_s,
            "denoise": made.denoise_s,
            "a step": made.denoise_s / made.steps,
            "decode": made.decode_s,
            "whole clip": time.perf_counter() - started,
        }


if __name__ == "__main__":
    main()

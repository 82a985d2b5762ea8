"""Seconds that one clip costs, split by stage, without ROS.

    python -m benchmarks.clip_stages [--size HxW ..] [--keyframes N] [--model NAME] [--repeats 5]
        [--threads 0] [--speed exact ..] [--provider cuda cpu]

The source is the front camera of the street, with N keyframes of the seconds before, the target the
demo's shifted camera, both at that size; each clip is of another moment. The last line is a further
virtual camera on the same sources. The first run, which warms the sessions up, is not counted.

Of several providers, each after the first is compared with it: the frames of the last clip.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import time
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.seeds import DEMO_SEED
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.world import make_world

Images = NDArray[np.uint8]
TO_THE_LEFT = rigid(np.eye(3), (0.0, 1.8, 0.0))


def main() -> None:
    arguments = _arguments()
    package = load_package(find_package(arguments.model))
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}", flush=True)
    pipelines = [Pipeline(package, name, arguments.threads) for name in arguments.provider]
    for size, speed in itertools.product(arguments.size, arguments.speed):
        first: Images | None = None
        for pipeline in pipelines:
            frames, *rows = _runs(pipeline, arguments, size, speed)
            print(
                f"'{package.contract.name}' on {pipeline.provider}, {len(frames)} frames, "
                f"{size}, speed {speed}, median of {len(rows)}"
            )
            for stage in rows[0]:
                print(f"{stage:<14} {median(row[stage] for row in rows):8.3f} s")
            print("" if first is None else _apart(frames, first), flush=True)
            first = frames if first is None else first


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package")
    parser.add_argument("--size", nargs="+", default=["144x256"], help="HxW of sources and target")
    parser.add_argument("--keyframes", type=int, default=0, help="of the source, beside its clip")
    parser.add_argument("--repeats", type=int, default=5, help="clips that are counted (5)")
    parser.add_argument("--threads", type=int, default=0, help="of ONNX Runtime; 0 = one a core")
    parser.add_argument("--provider", nargs="+", default=["auto"], help="auto, cpu or cuda")
    parser.add_argument("--speed", nargs="+", default=["exact"], help="exact, fast or draft")
    return parser.parse_args()


def _request(
    contract: Contract, size: tuple[int, int], keyframes: int, moment: int
) -> tuple[list[Clip], View]:
    """The source's clip of a moment and keyframes of before, and the target."""
    world, front = make_world("street", DEMO_SEED), STREET_RIG[0]
    camera = front.camera.resized(size[1], size[0])
    period_ns = round(contract.frame_period * 1e9)
    start_ns = (5 + moment) * 10**9

    def seen(stamp_ns: int) -> Frame:
        world_from_cam = world.world_from_link("base", stamp_ns) @ front.link_from_cam
        image = render(world.scene_at(stamp_ns), camera, world_from_cam)
        return Frame(stamp_ns, image, camera, world_from_cam)

    frames = tuple(seen(start_ns + k * period_ns) for k in range(max(contract.frames)))
    past = [start_ns - (k + 1) * 10**9 for k in range(keyframes)]
    held = [
        Clip.held(seen(ns), len(frames), tuple(seen(ns + k * period_ns) for k in (-4, -2, 2)))
        for ns in past
    ]
    base_from_target = TO_THE_LEFT @ front.link_from_cam
    bases = [world.world_from_link("base", frame.stamp_ns) for frame in frames]
    return [Clip(frames), *held], View(camera, np.stack(bases) @ base_from_target)


def _runs(
    pipeline: Pipeline, arguments: argparse.Namespace, size: str, speed: str
) -> tuple[Any, ...]:
    """The frames of the last clip, then the seconds of every one but the first, by stage."""
    height, width = map(int, size.split("x"))
    options = SynthesisOptions(speed=speed)
    contract = pipeline.package.contract
    rows = []
    for moment in range(arguments.repeats + 1):
        clips, target = _request(contract, (height, width), arguments.keyframes, moment)
        aside = View(target.camera, target.world_from_cam @ rigid(np.eye(3), (0.3, 0.0, 0.0)))
        started = time.perf_counter()
        made = pipeline.synthesize(clips, target, options)
        first = time.perf_counter()
        pipeline.synthesize(clips, aside, options)
        rows.append(
            {
                "condition": made.condition_s,
                "denoise": made.denoise_s,
                "a step": made.denoise_s / made.steps,
                "decode, detail": made.decode_s,
                "whole clip": first - started,
                "another camera": time.perf_counter() - first,
            }
        )
    return made.frames, *rows[1:]


def _apart(found: Images, expected: Images) -> str:
    apart = np.abs(found.astype(int) - expected)
    return (
        f"apart from the first: {apart.mean():.4f} grey levels in the mean, {apart.max()} at most, "
        f"{100 * (apart > 2).mean():.3f} % of the values by more than 2\n"
    )


if __name__ == "__main__":
    main()

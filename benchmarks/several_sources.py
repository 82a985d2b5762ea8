"""What more sources gain: clips made from one, two and three cameras of a robot's rig.

    python -m benchmarks.several_sources [--model NAME] [--kinds street,table]
        [--seeds 900000:900008] [--speed SPEED] [--threads 1]

In each world of a seed a free camera is drawn; the node's own choice says which cameras of the rig
it is made from, at most 1, 2 and so on up to what the model takes. Only clips count for which the
most there may be are chosen: those that one camera sees whole, or none, gain nothing by another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.source_choice import (
    Candidate,
    rank_sources,
    seen_points,
    select_complementary,
)
from anyview_ros.contract import Contract
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.imaging.resize import model_size
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render_clip
from anyview_ros.worlds.world import World, make_world

STREAM = 0x50AC3  # keeps these random numbers apart from training's and the bench's
LATEST_START_S = 60.0
DRAWS = 50  # of target cameras in a world, until one needs all the sources there may be
INSTANTS = 3


@dataclass(frozen=True)
class Asked:
    """A target, and what the rig saw meanwhile."""

    stamps_ns: list[int]
    sources: Mapping[str, View]
    target: View
    candidates: Mapping[str, Candidate]


@dataclass(frozen=True)
class Gain:
    """One clip made from some sources.

    Args:
        seen: share of the target's samples that any source sees.
        seconds: of the whole synthesis.
    """

    sources: int
    seen: float
    psnr_db: float
    seconds: float


def view(
    world: World, link: str, link_from_cam: NDArray[np.float64], camera: Camera, stamps: list[int]
) -> View:
    poses = [world.world_from_link(link, stamp) @ link_from_cam for stamp in stamps]
    return View(camera, np.stack(poses))


def asked(world: World, contract: Contract, rng: np.random.Generator) -> Asked:
    height, width = model_size(contract, Camera.from_fov(256, 144, 1.0))
    start_ns, period_ns = round(1e9 * rng.uniform(1, LATEST_START_S)), contract.frame_period * 1e9
    stamps = [start_ns + round(k * period_ns) for k in range(max(contract.frames))]
    sources = {
        c.name: view(world, c.link, c.link_from_cam, c.camera.resized(width, height), stamps)
        for c in world.rig
    }
    mount = world.sample_target(rng, world.sample_source(rng))
    links = np.stack([world.world_from_link(mount.link, stamp) for stamp in stamps])
    target = View(mount.camera(16, 9).resized(width, height), mount.world_from_cam(links))
    at = np.linspace(0, len(stamps) - 1, INSTANTS).round().astype(int)
    return Asked(
        stamps,
        sources,
        target,
        {
            name: Candidate(
                View(source.camera, source.world_from_cam[at]),
                View(target.camera, target.world_from_cam[at]),
            )
            for name, source in sources.items()
        },
    )


def chosen(question: Asked, scale: float, most: int) -> tuple[str, ...]:
    first = rank_sources(question.candidates, scale)[0]
    return select_complementary(first, question.candidates, scale, most).names


def clip(world: World, source: View, stamps: list[int]) -> Clip:
    images = render_clip(world, source.camera, source.world_from_cam, stamps)
    posed = zip(stamps, images, source.world_from_cam, strict=True)
    return Clip(tuple(Frame(ns, image, source.camera, pose) for ns, image, pose in posed))


def gains(world: World, pipeline: Pipeline, speed: str) -> Iterator[Gain]:
    """One for each number of sources, of a target that needs all of them; none if none does."""
    contract, scale = pipeline.package.contract, world.scene_scale
    rng = np.random.default_rng([world.seed, STREAM])
    most = min(contract.max_sources, len(world.rig))
    for _ in range(DRAWS):
        question = asked(world, contract, rng)
        if len(chosen(question, scale, most)) == most:
            break
    else:
        return
    target, stamps = question.target, question.stamps_ns
    truth = render_clip(world, target.camera, target.world_from_cam, stamps)
    names = chosen(question, scale, most)
    clips = {name: clip(world, question.sources[name], stamps) for name in names}
    for count in range(1, most + 1):
        used = names[:count]
        pairs = [question.candidates[name] for name in used]
        seen = [seen_points(pair.source, pair.target, scale) for pair in pairs]
        began = time.perf_counter()
        made = pipeline.synthesize(
            [clips[name] for name in used], target, SynthesisOptions(speed, scene_scale=scale)
        )
        took = time.perf_counter() - began
        whole = float(np.mean(np.any(seen, axis=0)))
        yield Gain(count, whole, psnr(made.frames / 255, truth / 255), took)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    parser.add_argument("--kinds", default="street,table", help="worlds, with commas")
    parser.add_argument("--seeds", default="900000:900008", help="first and last + 1")
    parser.add_argument("--speed", default="", help="of the package; empty: its default")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    pipeline = Pipeline(load_package(find_package(arguments.model)), threads=arguments.threads)
    first, last = map(int, arguments.seeds.split(":"))
    print(f"| {pipeline.package.contract.name} | sources | clips | seen | PSNR, dB | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in arguments.kinds.split(","):
        made = [
            gain
            for seed in range(first, last)
            for gain in gains(make_world(kind, seed), pipeline, arguments.speed)
        ]
        for count in sorted({gain.sources for gain in made}):
            rows = [gain for gain in made if gain.sources == count]
            seen, decibel, took = np.mean([(g.seen, g.psnr_db, g.seconds) for g in rows], axis=0)
            print(f"| {kind} | {count} | {len(rows)} | {seen:.2f} | {decibel:.2f} | {took:.2f} |")


if __name__ == "__main__":
    main()

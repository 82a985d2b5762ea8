"""Whether a long sequence stays true: 60 s of clips on a world, apart and continued.

    python -m benchmarks.drift [--model NAME] [--kind street] [--seed 900000] [--seconds 60]
        [--speed exact] [--threads 1] [--out docs/images/drift.png]

One virtual camera beside the vehicle's front camera. `apart`: clip after clip, nothing in common
but the seed. `continued`: as a stream makes them (`engine.continuation`): each begins with the
last frame of the one before. `smoothed`: the same for a model that takes no known frames.

PSNR against the rendered truth in every ten seconds tells drift; the change of the error from
frame to frame, at the seams beside elsewhere, tells whether one sees them. A seam lies between two
latent frames, which are decoded apart: what it adds shows beside the borders of latent frames
within clips.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.contract import Contract
from anyview_ros.engine.continuation import PreviousClip, blend_seam, known_frames
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.evaluation.clip_metrics import unsteadiness
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.imaging import resize
from anyview_ros.media.plots import line_plot
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.world import World, make_world

FIRST_NS = 1_000_000_000
SHIFT_M = {"street": 1.8, "table": 0.15}
TEN_SECONDS = 100

Images = NDArray[np.uint8]


def filmed(world: World, frames: int, size: tuple[int, int]) -> tuple[list[Frame], list[Frame]]:
    """The front camera's frames, and those of the virtual camera to its left, at (H, W)."""
    rig = world.rig[0]
    camera = rig.camera.resized(size[1], size[0])
    to_the_left = rig.link_from_cam @ rigid(np.eye(3), (-SHIFT_M[world.kind], 0.0, 0.0))
    found: tuple[list[Frame], list[Frame]] = ([], [])
    for k in range(frames):
        stamp = FIRST_NS + k * 100_000_000
        scene, world_from_link = world.scene_at(stamp), world.world_from_link(rig.link, stamp)
        for kept, link_from_cam in zip(found, (rig.link_from_cam, to_the_left), strict=True):
            pose = world_from_link @ link_from_cam
            kept.append(Frame(stamp, render(scene, camera, pose), camera, pose))
    return found


def sequence(
    pipeline: Pipeline,
    source: list[Frame],
    target: list[Frame],
    options: SynthesisOptions,
    overlap: int,
    contract: Contract,
) -> tuple[Images, list[int]]:
    """(N, H, W, 3) of the virtual camera, and each frame's number in the clip it was made in."""
    length = contract.usual_frames(options.speed)
    images: list[Images] = []
    made, places, start = None, list[int](), 0
    while start + length <= len(source):
        clip = Clip(tuple(source[start : start + length]))
        camera = target[start].camera
        view = View(camera, np.stack([f.world_from_cam for f in target[start : start + length]]))
        size = (camera.height, camera.width)
        before = made.overlap(clip.stamps_ns, size) if made else np.empty((0, *size, 3), np.uint8)
        known = known_frames(contract, before, length, options)
        new = blend_seam(pipeline.synthesize([clip], view, options, known=known).frames, before)
        made = PreviousClip(clip.stamps_ns, new)
        places += range(len(before), length)
        images.append(new[len(before) :])
        start += length - overlap
    return np.concatenate(images), places


def steps_of(places: list[int], group: int) -> tuple[list[int], list[int], list[int]]:
    """Frames that differ from the one before by a seam, by a latent frame of one clip, or by
    neither.

    Args:
        places: of each frame in its clip.
        group: frames of a latent frame.
    """
    steps = range(1, len(places))
    seams = [k for k in steps if places[k] <= places[k - 1]]
    borders = [k for k in steps if k not in seams and places[k] % group == 1]
    return seams, borders, sorted(set(steps) - {*seams, *borders})


def main() -> None:
    arguments = _arguments()
    package = load_package(find_package(arguments.model))
    contract = package.contract
    world = make_world(arguments.kind, arguments.seed)
    size = resize.model_size(contract, world.rig[0].camera)
    source, target = filmed(world, round(arguments.seconds * 10), size)
    pipeline = Pipeline(package, "cpu", arguments.threads)
    options = SynthesisOptions(speed=arguments.speed, scene_scale=world.scene_scale)
    shape = ClipShape.of(contract)
    print(f"{contract.name}, {arguments.kind} {arguments.seed}, {arguments.seconds:g} s")
    print(
        "| | PSNR, each 10 s, dB | mean | unsteadiness | at seams | at latent frames | elsewhere |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    curves, truth = {}, np.stack([frame.image for frame in target])
    alone = replace(contract, known_frames=False)
    ways = {"apart": (0, alone), "smoothed": (shape.overlap, alone)}
    for name, way in (ways | {"continued": (shape.overlap, contract)}).items():
        images, places = sequence(pipeline, source, target, options, *way)
        wanted = truth[: len(images)]
        each = [psnr(a / 255.0, b / 255.0) for a, b in zip(images, wanted, strict=True)]
        tens = [np.mean(each[k : k + TEN_SECONDS]) for k in range(0, len(each), TEN_SECONDS)]
        kinds = (None, *steps_of(places, contract.latent.time))
        steady = [unsteadiness(images, wanted, steps) for steps in kinds]
        cells = " ".join(f"{value:.2f}" for value in tens)
        numbers = " | ".join(f"{value:.2f}" for value in (np.mean(each), *steady))
        print(f"| {name} | {cells} | {numbers} |")
        smooth = np.convolve(each, np.ones(10) / 10, "valid")
        curves[name] = [(k / 10 + 0.5, value) for k, value in enumerate(smooth)]
    if arguments.out:
        title = f"{contract.name}, {arguments.kind}: PSNR over time (dB, mean of 1 s)"
        save_picture(line_plot(curves, title), arguments.out, MIXED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--kind", default="street", choices=sorted(SHIFT_M))
    parser.add_argument("--seed", type=int, default=900000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--speed", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

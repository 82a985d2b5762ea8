"""What a camera's past gives two virtual cameras of the street, as the node gives it to them.

    python -m benchmarks.remembering [--model NAME] [--seeds 730000:730006]
        [--standing-seeds 740000:740005] [--threads 1] [--picture FILE.png]

A chase camera, 7 m behind the front camera's car and 3.2 m up, at 288x480: PSNR, sharpness and
perceptual distance of the middle frame, from the front camera alone, with its keyframes, and from
the front, left and right cameras. And a camera that stands where the car was at 8 s, at 160x96:
PSNR after so many seconds of driving on, from the front camera alone and with its keyframes.
Keyframes are chosen as the node chooses them, of two frames a second.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.keyframes import choose_keyframes
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.evaluation import perceptual
from anyview_ros.evaluation.clip_metrics import sharpness
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.evaluation.past import past_of
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from anyview_ros.worlds.render.raycast import render_clip
from anyview_ros.worlds.rigs import BASE, Mount, mounted
from anyview_ros.worlds.world import World, make_world

CHASE, CHASE_SIZE = mounted((-7.0, 0.0, 3.2), 0.0, -0.15), (288, 480)
STANDING, STANDING_SIZE = mounted((0.0, 1.0, 2.0), 0.1, -0.05), (96, 160)
LEFT_NS, LATER_S = 8_000_000_000, (0.5, 2.0, 5.0, 9.0)
FIELD_OF_VIEW = 1.2  # radians
CHASE_NS = 12_000_000_000  # ten seconds of past, and two of driving before them

Images = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--seeds", default="730000:730006")
    parser.add_argument("--standing-seeds", default="740000:740005")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    pipeline = Pipeline(load_package(find_package(arguments.model)), "cpu", arguments.threads)
    distance = perceptual.load(perceptual.metric_name())
    rows: dict[str, list[list[float]]] = defaultdict(list)
    pictures = []
    for seed in range(*map(int, arguments.seeds.split(":"))):
        world, shown = make_world("street", seed), []
        stamps = instants(CHASE_NS)
        poses = [world.world_from_link(BASE, ns) @ CHASE for ns in stamps]
        target = View(camera_of(CHASE_SIZE), np.stack(poses))
        truth = render_clip(world, target.camera, target.world_from_cam, stamps)
        for name, clips in given(world, stamps, target, CHASE_SIZE, beside=True):
            frames = pipeline.synthesize(clips, target, SynthesisOptions()).frames
            middle = slice(len(stamps) // 2, len(stamps) // 2 + 1)
            pair = frames[middle], truth[middle]
            far = np.nan if distance is None else distance(*pair)
            rows[name].append([decibels(*pair), sharpness(*pair), far])
            shown.append(frames[middle][0])
        pictures.append(np.vstack([*shown, truth[len(stamps) // 2]]))
    print("| chase camera | PSNR | sharpness | perceptual |\n| --- | --- | --- | --- |")
    for name, scores in rows.items():
        found = np.mean(scores, axis=0)
        print(f"| {name} | {found[0]:.2f} | {found[1]:.2f} | {found[2]:.3f} |", flush=True)
    print_standing(pipeline, range(*map(int, arguments.standing_seeds.split(":"))))
    if arguments.picture is not None:
        cv2.imwrite(str(arguments.picture), np.hstack(pictures)[..., ::-1])


def print_standing(pipeline: Pipeline, seeds: range) -> None:
    scores: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in seeds:
        world = make_world("street", seed)
        pose = world.world_from_link(BASE, LEFT_NS) @ STANDING
        for later in LATER_S:
            stamps = instants(LEFT_NS + round(1e9 * later))
            target = View(camera_of(STANDING_SIZE), np.stack([pose] * len(stamps)))
            truth = render_clip(world, target.camera, target.world_from_cam, stamps)
            for name, clips in given(world, stamps, target, STANDING_SIZE):
                frames = pipeline.synthesize(clips, target, SynthesisOptions()).frames
                scores[name][later].append(decibels(frames, truth))
    print("\n| standing camera, after | " + " | ".join(f"{later:g} s" for later in LATER_S) + " |")
    print("| " + " | ".join(["---"] * (1 + len(LATER_S))) + " |")
    for name, of_name in scores.items():
        means = (f"{np.mean(of_name[later]):.2f}" for later in LATER_S)
        print(f"| {name} | " + " | ".join(means) + " |", flush=True)


def given(
    world: World, stamps: list[int], target: View, size: tuple[int, int], beside: bool = False
) -> Iterator[tuple[str, list[Clip]]]:
    """Yield the clips that a target is made of: of the front camera, with its past, of three."""
    front = clip_of(world, "front", stamps, size)
    yield "front", [front]
    mount, camera = mount_of(world, "front"), front.frames[0].camera
    past = past_of(world, mount, camera, stamps[0])
    chosen = choose_keyframes(target, [front], past, world.scene_scale, 2)
    yield "front and two keyframes", [front, *(p.still_clip(world, len(stamps)) for p in chosen)]
    if beside:
        names = ("left", "right")
        yield "front, left, right", [front, *(clip_of(world, n, stamps, size) for n in names)]


def clip_of(world: World, name: str, stamps: list[int], size: tuple[int, int]) -> Clip:
    mount = mount_of(world, name)
    links = np.stack([world.world_from_link(mount.link, stamp) for stamp in stamps])
    poses = mount.world_from_cam(links)
    (camera,) = (c.camera.resized(size[1], size[0]) for c in world.rig if c.name == name)
    images = render_clip(world, camera, poses, stamps)
    frames = zip(stamps, images, poses, strict=True)
    return Clip(tuple(Frame(ns, image, camera, pose) for ns, image, pose in frames))


def mount_of(world: World, name: str) -> Mount:
    (found,) = (c for c in world.rig if c.name == name)
    return Mount(found.link_from_cam, FIELD_OF_VIEW, link=found.link)


def instants(first_ns: int) -> list[int]:
    return [first_ns + k * 100_000_000 for k in range(9)]


def decibels(frames: Images, truth: Images) -> float:
    return psnr(frames / 255, truth / 255)


def camera_of(size: tuple[int, int]) -> Camera:
    return Camera.from_fov(size[1], size[0], FIELD_OF_VIEW)


if __name__ == "__main__":
    main()

"""Questions and roots small enough for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anyview_ros.engine.pipeline import Synthesis, SynthesisOptions
from anyview_ros.evaluation.task import Task
from anyview_ros.evaluation.world_suite import WorldSuite
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import look_at
from anyview_ros.packages import load_package
from tests.packages import make_package

HEIGHT, WIDTH, FRAMES = 24, 32, 5
PERIOD_NS = 10**8
CAMERA = Camera.from_fov(WIDTH, HEIGHT, 1.2)


def world_suite(seeds: tuple[int, int] = (7, 9), frames: int = FRAMES) -> WorldSuite:
    """Every split of the street, small."""
    changes = ("narrow", "extreme", "long")
    return WorldSuite(("street",), changes, seeds, (48, 80), frames, PERIOD_NS, keyframes=2)


def memory_suite(seeds: tuple[int, int]) -> WorldSuite:
    """Cameras that moved before, of both kinds of world, small."""
    kinds = ("street", "table")
    return WorldSuite(kinds, ("memory",), seeds, (48, 80), FRAMES, PERIOD_NS, keyframes=2)


def texture(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(..., 3): a smooth pattern on the ground, metres."""
    waves = [np.sin(0.9 * x + 0.3 * k) * np.cos(0.7 * y - 0.5 * k) for k in range(3)]
    return np.asarray(128 + 90 * np.stack(waves, axis=-1), np.uint8)


def poses(x: float, height: float = 4.0, count: int = FRAMES) -> NDArray[np.float64]:
    """(T, 4, 4): a camera above the ground that looks down ahead, and moves on."""
    return np.stack(
        [look_at((x + 0.1 * k, 0.2 * k, height), (x + 3, 0.5, 0)) for k in range(count)]
    )


def frames_of(images: NDArray[np.uint8], places: NDArray[np.float64]) -> tuple[Frame, ...]:
    height, width = images.shape[1:3]
    camera = CAMERA.resized(width, height)
    pairs = zip(images, places, strict=True)
    return tuple(Frame((k + 1) * PERIOD_NS, i, camera, p) for k, (i, p) in enumerate(pairs))


def noise_task(seed: int) -> Task:
    """Images of noise: nothing of it can be guessed."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    return Task(frames_of(images[0], poses(seed)), View(CAMERA, poses(seed + 1)), images[1], 0.1)


class Oracle:
    """A pipeline that knows the answers of some tasks, and paints grey for any other."""

    def __init__(self, folder: Path, *tasks: Task) -> None:
        self.package = load_package(make_package(folder / "oracle"))
        self.tasks = tasks
        self.asked: list[SynthesisOptions] = []
        self.sources: list[int] = []

    def synthesize(self, sources: list[Clip], target: View, options: SynthesisOptions) -> Synthesis:
        self.asked.append(options)
        self.sources.append(len(sources))
        shape = (len(sources[0]), target.camera.height, target.camera.width, 3)
        frames = np.full(shape, 128, np.uint8)
        for task in self.tasks:
            for start in range(len(task.truth) - len(sources[0]) + 1):
                part = slice(start, start + len(sources[0]))
                same = np.array_equal(sources[0].images, task.source_images[part])
                poses = task.target.world_from_cam[part]
                if same and np.allclose(target.world_from_cam, poses):
                    frames = task.truth[part]
        no_spread = np.empty((0, *shape[1:3]), np.uint8)
        rest = ("exact", 1, shape[1:3], options.scene_scale, 0.0, 0.0, 0.0, 0.0, 1)
        no_depth = np.empty((0, *frames.shape[1:3]), np.float32)
        return Synthesis(frames, no_spread, no_depth, *rest)


def write_scene(folder: Path, seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    """A scene of five frames in the layout of the benchmark, cam1 the input, cam0 the target."""
    rng = np.random.default_rng(seed)
    camera = Camera.from_fov(size[1], size[0], 1.2)
    for name, x in (("cam0", 1.0), ("cam1", 0.0)):
        for kind in ("rgb", "lowdim"):
            (folder / kind / name).mkdir(parents=True)
        coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        for k, pose in enumerate(poses(x)):
            image.save(folder / "rgb" / name / f"{k:010d}.png")
            file = folder / "lowdim" / name / f"{k:010d}.npz"
            np.savez(file, intrinsics=camera.matrix, extrinsics=pose)
    metadata = {
        "info": {"name": "ddad", "storage": "frames"},
        "cameras": ["cam0", "cam1"],
        "rgb": {"extension": "png"},
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def write_root(root: Path) -> Path:
    """Two splits of two episodes and one, in a group each, and one split in no group."""
    splits = {
        "ddad_FL": {"episodes": ["ddad_FL_ep000", "ddad_FL_ep001"], "dir": "zero_shot/ddad_FL"},
        "ddad_FR": {"episodes": ["ddad_FR_ep000"], "redistributable": True, "dir": "ddad_FR"},
        "alone": ["alone_ep000"],
    }
    groups = {"DDAD": ["ddad_FL", "ddad_FR"]}
    (root).mkdir(parents=True, exist_ok=True)
    (root / "splits.json").write_text(json.dumps({"splits": splits, "groups": groups}))
    for k, place in enumerate(
        ("zero_shot/ddad_FL/ddad_FL_ep000", "zero_shot/ddad_FL/ddad_FL_ep001")
    ):
        write_scene(root / place, k)
    write_scene(root / "ddad_FR/ddad_FR_ep000", 2)
    write_scene(root / "alone/alone_ep000", 3)
    return root

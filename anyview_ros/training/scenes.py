"""Clips of procedural worlds, each seen by several cameras, rendered once into shards on disk.

Everything follows from (config, seed): which cameras, where, when, and the pixels.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.training.config import SceneConfig
from anyview_ros.worlds.raycast import render
from anyview_ros.worlds.rigs import RigCamera, sample_source, sample_target
from anyview_ros.worlds.world import make_world

SHARD = 16  # scenes a file
LATEST_START_S = 60.0


@dataclass(frozen=True)
class SceneViews:
    """One scene: what V cameras saw at the same T instants.

    Args:
        images: (V, T, H, W, 3) uint8.
        cameras: V cameras of that size.
        world_from_cam: (V, T, 4, 4).
        stamps_ns: (T,) int64.
    """

    images: NDArray[np.uint8]
    cameras: tuple[Camera, ...]
    world_from_cam: NDArray[np.float64]
    stamps_ns: NDArray[np.int64]

    def clip(self, view: int) -> Clip:
        return Clip(
            tuple(
                Frame(int(stamp), image, self.cameras[view], pose)
                for stamp, image, pose in zip(
                    self.stamps_ns, self.images[view], self.world_from_cam[view], strict=True
                )
            )
        )

    def view(self, view: int) -> View:
        return View(self.cameras[view], self.world_from_cam[view])


def render_scene(config: SceneConfig, seed: int) -> SceneViews:
    """The scene of a seed. Sources come first among the views."""
    rng = np.random.default_rng([seed, 0x5CE9E])
    world = make_world(config.world, seed)
    start_ns = round(1e9 * rng.uniform(1.0, LATEST_START_S))
    stamps = start_ns + config.period_ns * np.arange(config.frames)
    rig = [_resized(sample_source(rng), config.size) for _ in range(config.sources)]
    rig += [_resized(sample_target(rng), config.size) for _ in range(config.targets)]
    poses = np.empty((config.views, config.frames, 4, 4))
    images = np.empty((config.views, config.frames, *config.size, 3), np.uint8)
    for k, stamp in enumerate(stamps.tolist()):
        scene, world_from_base = world.scene_at(stamp), world.world_from_base(stamp)
        for v, mounted in enumerate(rig):
            poses[v, k] = world_from_base @ mounted.base_from_cam
            images[v, k] = render(scene, mounted.camera, poses[v, k])
    return SceneViews(images, tuple(mounted.camera for mounted in rig), poses, stamps)


def _resized(mounted: RigCamera, size: tuple[int, int]) -> RigCamera:
    height, width = size
    return RigCamera(mounted.name, mounted.camera.resized(width, height), mounted.base_from_cam)


class SceneStore:
    """Scenes of a config in a cache folder, in shards of 16.

    A shard is an array of images, and beside it the cameras, poses and stamps. The images are
    renamed into place last: a shard that is there is complete.

    Args:
        config: what to render.
        cache: folder; each config has its own below it.
    """

    def __init__(self, config: SceneConfig, cache: Path) -> None:
        # The number of scenes does not change a scene, so a cache can grow.
        fields = {k: v for k, v in asdict(config).items() if k != "count"}
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]
        self.config = config
        self.cache = cache
        self.folder = cache / f"{config.world}-{digest}"
        self._open: dict[int, tuple[NDArray[np.uint8], dict[str, NDArray[np.float64]]]] = {}

    @property
    def shards(self) -> int:
        return -(-self.config.count // SHARD)

    def has(self, scenes: int) -> bool:
        """Whether the first `scenes` scenes are rendered."""
        return all(self.has_shard(s) for s in range(-(-scenes // SHARD)))

    def has_shard(self, shard: int) -> bool:
        return self._images(shard).exists()

    def __getitem__(self, index: int) -> SceneViews:
        shard, row = divmod(index, SHARD)
        if shard not in self._open:
            images = np.load(self._images(shard), mmap_mode="r")
            with np.load(self._views(shard)) as views:
                self._open[shard] = images, dict(views)
        images, views = self._open[shard]
        height, width = self.config.size
        cameras = tuple(Camera(width, height, *k) for k in views["intrinsics"][row].tolist())
        return SceneViews(
            images[row], cameras, views["world_from_cam"][row], views["stamps_ns"][row]
        )

    def render_shard(self, shard: int) -> None:
        """Render one shard, unless it is there."""
        if self.has_shard(shard):
            return
        first = self.config.first_seed + shard * SHARD
        scenes = [render_scene(self.config, first + i) for i in range(SHARD)]
        self.folder.mkdir(parents=True, exist_ok=True)
        intrinsics = [[(c.fx, c.fy, c.cx, c.cy) for c in s.cameras] for s in scenes]
        with _renamed(self._views(shard)) as file:
            np.savez(
                file,
                intrinsics=np.array(intrinsics),
                world_from_cam=np.stack([s.world_from_cam for s in scenes]),
                stamps_ns=np.stack([s.stamps_ns for s in scenes]),
            )
        with _renamed(self._images(shard)) as file:
            np.save(file, np.stack([s.images for s in scenes]))

    def _images(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.images.npy"

    def _views(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.views.npz"


@contextmanager
def renderers(store: SceneStore, workers: int) -> Iterator[None]:
    """Processes that render the missing shards, in order, while the body runs.

    They yield to everything else on the machine and end with the body; what is complete stays.
    """
    missing = [s for s in range(store.shards) if not store.has_shard(s)]
    context = multiprocessing.get_context("spawn")
    running = [
        context.Process(target=_render, args=(store.config, store.cache, missing[i::workers]))
        for i in range(min(workers, len(missing)))
    ]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _render(config: SceneConfig, cache: Path, shards: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    os.nice(10)
    store = SceneStore(config, cache)
    for shard in shards:
        store.render_shard(shard)


@contextmanager
def _renamed(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` only when it is complete."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        yield file
    partial.rename(path)

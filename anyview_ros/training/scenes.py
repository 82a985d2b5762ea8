"""Scenes: clips of a procedural world at one time, seen by several cameras.

Everything follows from (config, seed): which cameras, where, when, and the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.photographed import PhotographedWorld
from anyview_ros.worlds.photographs import read_photographs
from anyview_ros.worlds.render.raycast import render_with_depth
from anyview_ros.worlds.rigs import Mount
from anyview_ros.worlds.world import World, make_world

MEAN_IMAGE = "mean-{kind}.png"  # in a package: the mean of scenes of a world, a baseline
LATEST_START_S = 60.0
WIDE_SHARE = 0.7  # of cameras that are 16:9, the others are 4:3


@dataclass(frozen=True, kw_only=True)
class SceneSetConfig:
    """What a run knows of a set of scenes, rendered or from files.

    Args:
        scene_scale: multiplies Plücker moments, 1 / metres.
        count: number of scenes.
        frames: T of a clip.
        frame_period: seconds between frames.
        size: (H, W) in pixels.
        sources: cameras like those of a rig, first in a scene's views; 0 = none is preferred.
        targets: cameras at any place, after them; the fewest of a scene.
    """

    scene_scale: float
    count: int
    frames: int
    frame_period: float
    size: tuple[int, int]
    sources: int
    targets: int

    @property
    def views(self) -> int:
        return self.sources + self.targets


@dataclass(frozen=True, kw_only=True)
class SceneConfig(SceneSetConfig):
    """Clips of procedural worlds, seen by several cameras at once.

    Args:
        world: kind of world, `worlds.make_world`.
        still: the world stands still while the cameras move: 3D supervision, otherwise 4D.
        first_seed: scene i is world seed first_seed + i.
        depth: whether scenes have the inverse depth of every view.
        photographs: share of surfaces and skies that are photographs, 0 to 1.
        photographs_from: packages whose pictures they are, `worlds.photographs`.
    """

    world: str
    still: bool
    first_seed: int
    depth: bool = False
    photographs: float = 0.0
    photographs_from: tuple[str, ...] = tuple(PACKAGES)

    @property
    def period_ns(self) -> int:
        return round(self.frame_period * 1e9)


@dataclass(frozen=True)
class SceneViews:
    """One scene: what V cameras saw at the same T instants.

    Args:
        images: (V, T, H, W, 3) uint8.
        cameras: V cameras of that size.
        world_from_cam: (V, T, 4, 4).
        stamps_ns: (T,) int64.
        inverse_depth: (V, T, H, W) float16, 1 / metres along the optical axis, 0 for the sky; see
            `raycast.render_with_depth`. None where it is unknown.
    """

    images: NDArray[np.uint8]
    cameras: tuple[Camera, ...]
    world_from_cam: NDArray[np.float64]
    stamps_ns: NDArray[np.int64]
    inverse_depth: NDArray[np.float16] | None = None

    def cut(self, first: int, frames: int) -> SceneViews:
        """Return the scene from frame `first` on."""
        part = slice(first, first + frames)
        return SceneViews(
            self.images[:, part],
            self.cameras,
            self.world_from_cam[:, part],
            self.stamps_ns[part],
            None if self.inverse_depth is None else self.inverse_depth[:, part],
        )

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


class SceneSet(Protocol):
    """A set of scenes, read by index."""

    @property
    def config(self) -> SceneSetConfig: ...

    def __getitem__(self, index: int) -> SceneViews: ...


def render_scene(config: SceneConfig, seed: int) -> SceneViews:
    """Render the scene of a seed. Sources come first among the views.

    Raises:
        AnyviewError: as `read_photographs`.
    """
    rng = np.random.default_rng([seed, 0x5CE9E])
    world = make_world(config.world, seed)
    if config.photographs:
        pictures = read_photographs(config.photographs_from)
        world = PhotographedWorld(world, pictures, config.photographs)
    start_ns = round(1e9 * rng.uniform(1.0, LATEST_START_S))
    stamps = start_ns + config.period_ns * np.arange(config.frames)
    mounts = [world.sample_source(rng) for _ in range(config.sources)]
    mounts += [world.sample_target(rng, mounts[i % config.sources]) for i in range(config.targets)]
    cameras = [_camera(mount, config.size, rng) for mount in mounts]
    poses = np.stack([_poses(world, mount, stamps.tolist()) for mount in mounts])
    images = np.empty((config.views, config.frames, *config.size, 3), np.uint8)
    inverse_depth = np.empty(images.shape[:-1], np.float16)
    for k, stamp in enumerate(stamps.tolist()):
        scene = world.scene_at(int(stamps[0]) if config.still else stamp)
        for v, camera in enumerate(cameras):
            pair = render_with_depth(scene, camera, poses[v, k])
            images[v, k], inverse_depth[v, k] = pair
    known = inverse_depth if config.depth else None
    return SceneViews(images, tuple(cameras), poses, stamps, known)


def _poses(world: World, mount: Mount, stamps_ns: list[int]) -> NDArray[np.float64]:
    """Return (T, 4, 4) world_from_cam."""
    links = [world.world_from_link(mount.link, stamp) for stamp in stamps_ns]
    return mount.world_from_cam(np.stack(links))


def _camera(mount: Mount, size: tuple[int, int], rng: np.random.Generator) -> Camera:
    """Return the mount's camera as the robot's resizing leaves it: 16:9 or 4:3, squeezed to the
    size."""
    height, width = size
    wide = rng.random() < WIDE_SHARE
    return mount.camera(16, 9 if wide else 12).resized(width, height)

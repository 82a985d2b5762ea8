"""Synthetic splits from seeds: every question's truth, depth and co-visibility are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.conditioning import model_size
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame, View
from anyview_ros.tools.bench.covisible import covisible, points
from anyview_ros.tools.bench.question import Question, WorldTruth
from anyview_ros.tools.bench.suite import Episode
from anyview_ros.worlds.raycast import render_clip, render_depth
from anyview_ros.worlds.rigs import Mount
from anyview_ros.worlds.world import World, make_world

LONG_CLIPS = 3  # clips of the model, one after the other, in an episode of the split `long`
ASPECT = (16, 9)  # of every camera, squeezed to the model's size as the robot's frames are
LATEST_START_S = 60.0
DRAWS = 200  # of camera pairs, until one fits its split
COARSE = 4  # pixels a side that one pixel stands for when camera pairs are measured
STREAM = 0xBE7C4  # keeps the bench's random numbers apart from training's


@dataclass(frozen=True)
class Change:
    """Which pairs of cameras a split takes, judged at the first frame.

    Args:
        rotation: least and most degrees between the optical axes.
        overlap: least and most share of the target's pixels that the source shows.
        clips: of the model's length, one after the other.
    """

    rotation: tuple[float, float]
    overlap: tuple[float, float]
    clips: int = 1

    def fits(self, rotation: float, overlap: float) -> bool:
        by_rotation = self.rotation[0] <= rotation <= self.rotation[1]
        return by_rotation and self.overlap[0] <= overlap <= self.overlap[1]


CHANGES = {
    "narrow": Change((0, 30), (0.5, 1)),
    "extreme": Change((45, 180), (0.05, 0.5)),
    "long": Change((0, 180), (0.05, 1), LONG_CLIPS),
}


@dataclass(frozen=True)
class WorldSuite:
    """Splits `<kind>_<change>`, an episode for each seed.

    Args:
        kinds: of worlds.
        changes: keys of CHANGES.
        seeds: first and last + 1.
        size: (H, W) of frames.
        frames: of a clip of the model.
        period_ns: between frames.
    """

    kinds: tuple[str, ...]
    changes: tuple[str, ...]
    seeds: tuple[int, int]
    size: tuple[int, int]
    frames: int
    period_ns: int

    @classmethod
    def of(
        cls,
        contract: Contract,
        kinds: tuple[str, ...],
        changes: tuple[str, ...],
        seeds: tuple[int, int],
    ) -> WorldSuite:
        """Clips as the model takes them.

        Raises:
            AnyviewError: `invalid_seeds` for less than two: wrong questions need another scene.
        """
        if not 0 <= seeds[0] < seeds[1] - 1:
            raise AnyviewError(
                "invalid_seeds", f"seeds need at least two worlds, A:B, got {seeds[0]}:{seeds[1]}"
            )
        size = model_size(contract, Camera.from_fov(256, 144, 1.0))
        period_ns = round(contract.frame_period * 1e9)
        return cls(kinds, changes, seeds, size, max(contract.frames), period_ns)

    @property
    def settings(self) -> dict[str, Any]:
        first, last = self.seeds
        return {
            "worlds": list(self.kinds),
            "seeds": f"{first}:{last}",
            "splits": list(self.changes),
            "size": list(self.size),
            "frames": self.frames,
        }

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        return {kind: tuple(f"{kind}_{c}" for c in self.changes) for kind in self.kinds}

    def perceptual_frames(self, count: int) -> list[int]:
        """First, middle and last: the network behind it is slower than most models here."""
        return [0, count // 2, count - 1]

    def episodes(self) -> tuple[Episode, ...]:
        splits = [split for group in self.groups.values() for split in group]
        return tuple(Episode(s, f"{s}_ep{seed:06d}") for s in splits for seed in range(*self.seeds))

    def question(self, episode: Episode) -> Question:
        """Everything of an episode, rendered: a pure function of kind, change and seed."""
        kind, change = episode.split.rsplit("_", 1)
        seed = int(episode.name.rpartition("_ep")[2])
        return self._filmed(make_world(kind, seed), change)

    def stranger(self, episode: Episode) -> Question | None:
        """The next seed's question of the same split; long clips are asked no wrong questions."""
        if CHANGES[episode.split.rsplit("_", 1)[1]].clips > 1:
            return None
        split, seed = episode.split, int(episode.name.rpartition("_ep")[2])
        following = seed + 1 if seed + 1 < self.seeds[1] else self.seeds[0]
        return self.question(Episode(split, f"{split}_ep{following:06d}"))

    def _filmed(self, world: World, change: str) -> Question:
        rng = np.random.default_rng([world.seed, list(CHANGES).index(change), STREAM])
        start_ns = round(1e9 * rng.uniform(1.0, LATEST_START_S))
        count = self.frames * CHANGES[change].clips
        stamps = [start_ns + k * self.period_ns for k in range(count)]
        mounts = _camera_pair(world, CHANGES[change], start_ns, self.size, rng)
        source, target = (_placed(world, mount, stamps, self.size) for mount in mounts)
        images = render_clip(world, source.camera, source.world_from_cam, stamps)
        frames = zip(stamps, images, source.world_from_cam, strict=True)
        return Question(
            source=tuple(Frame(ns, image, source.camera, pose) for ns, image, pose in frames),
            target=target,
            truth=render_clip(world, target.camera, target.world_from_cam, stamps),
            scene_scale=world.scene_scale,
            shown=_truth(world, source, target, stamps),
        )


def _camera_pair(
    world: World, change: Change, stamp_ns: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Mount, Mount]:
    """The first drawn pair of source and target that fits.

    Raises:
        AnyviewError: `no_camera_pair`.
    """
    coarse = (size[0] // COARSE, size[1] // COARSE)
    for _ in range(DRAWS):
        source = world.sample_source(rng)
        target = world.sample_target(rng, source)
        views = [_placed(world, mount, [stamp_ns], coarse) for mount in (source, target)]
        truth = _truth(world, views[0], views[1], [stamp_ns])
        if change.fits(truth.rotation_deg, float(truth.covisible.mean())):
            return source, target
    raise AnyviewError(
        "no_camera_pair",
        f"none of {DRAWS} camera pairs drawn in the world '{world.kind}', seed {world.seed}, has "
        f"{change.rotation[0]} to {change.rotation[1]} degrees between its axes and "
        f"{change.overlap[0]} to {change.overlap[1]} of its target seen",
    )


def _placed(world: World, mount: Mount, stamps: list[int], size: tuple[int, int]) -> View:
    world_from_link = np.stack([world.world_from_link(mount.link, stamp) for stamp in stamps])
    camera = mount.camera(*ASPECT).resized(size[1], size[0])
    return View(camera, mount.world_from_cam(world_from_link))


def _truth(world: World, source: View, target: View, stamps: list[int]) -> WorldTruth:
    seen = [_seen(world, source, target, k, stamp) for k, stamp in enumerate(stamps)]
    return WorldTruth(
        world=world,
        source_xy=np.stack([xy for xy, _ in seen]),
        covisible=np.stack([shown for _, shown in seen]),
        rotation_deg=_between_axes(source.world_from_cam[0], target.world_from_cam[0]),
    )


def _seen(
    world: World, source: View, target: View, k: int, stamp_ns: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`covisible` of the target's pixels at frame k."""
    scene = world.scene_at(stamp_ns)
    poses = source.world_from_cam[k], target.world_from_cam[k]
    depths = [
        render_depth(scene, view.camera, pose)
        for view, pose in zip((source, target), poses, strict=True)
    ]
    met = points(depths[1], target.camera, poses[1])
    return covisible(met, depths[0], source.camera, poses[0])


def _between_axes(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip(a[:3, 2] @ b[:3, 2], -1, 1))))

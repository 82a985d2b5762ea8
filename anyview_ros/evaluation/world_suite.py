"""Synthetic splits from seeds: every task's truth, depth and co-visibility are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.engine.keyframes import choose_keyframes
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.covisible import covisible, points, was_there
from anyview_ros.evaluation.past import SECONDS, Place, left_standing, past_of
from anyview_ros.evaluation.suite import Episode
from anyview_ros.evaluation.task import Task, Visibility, axis_angle_deg
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.imaging.resize import model_size
from anyview_ros.worlds.render.raycast import render_clip, render_depth
from anyview_ros.worlds.rigs import Mount
from anyview_ros.worlds.world import World, make_world

LONG_CLIPS = 3  # clips of the model, one after the other, in an episode of the split `long`
ASPECT = (16, 9)  # of every camera, squeezed to the size of frames as the robot's are
LATEST_START_S = 60.0
DRAWS = 200  # of camera pairs, until one fits its split
COARSE = (24, 40)  # H, W at which camera pairs are measured: they are the same at every size
STANDING = 0.5  # of the targets of `memory`: left standing where the source was
STREAM = 0xBE7C4  # keeps the bench's random numbers apart from training's


@dataclass(frozen=True)
class Change:
    """Which pairs of cameras a split takes, judged at the first frame.

    Args:
        rotation: least and most degrees between the optical axes.
        overlap: least and most share of the target's pixels that the source shows.
        clips: of the model's length, one after the other.
        remembered: least share that the source's camera showed before and does not show now.
    """

    rotation: tuple[float, float]
    overlap: tuple[float, float]
    clips: int = 1
    remembered: float = 0.0

    @property
    def earliest_s(self) -> float:
        """Return seconds after the world's beginning at which a clip may start."""
        return SECONDS if self.remembered else 1.0

    def fits(self, rotation: float, overlap: float, remembered: float) -> bool:
        by_rotation = self.rotation[0] <= rotation <= self.rotation[1]
        by_overlap = self.overlap[0] <= overlap <= self.overlap[1]
        return by_rotation and by_overlap and remembered >= self.remembered


CHANGES = {
    "narrow": Change((0, 30), (0.5, 1)),
    "extreme": Change((45, 180), (0.05, 0.5)),
    "long": Change((0, 180), (0.05, 1), clips=LONG_CLIPS),
    "memory": Change((0, 180), (0, 1), remembered=0.3),
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
        keyframes: of the source's past that the model is given at most, in the split `memory`.
    """

    kinds: tuple[str, ...]
    changes: tuple[str, ...]
    seeds: tuple[int, int]
    size: tuple[int, int]
    frames: int
    period_ns: int
    keyframes: int

    @classmethod
    def of(
        cls,
        contract: Contract,
        kinds: tuple[str, ...],
        changes: tuple[str, ...],
        seeds: tuple[int, int],
        size: tuple[int, int] | None = None,
    ) -> WorldSuite:
        """Return clips as the model takes them.

        Args:
            size: (H, W) of frames; None = the model's.

        Raises:
            AnyviewError: `invalid_seeds` for less than two: negative controls need another scene.
        """
        if not 0 <= seeds[0] < seeds[1] - 1:
            raise AnyviewError(
                "invalid_seeds", f"seeds need at least two worlds, A:B, got {seeds[0]}:{seeds[1]}"
            )
        size = size or model_size(contract, Camera.from_fov(256, 144, 1.0))
        period_ns = round(contract.frame_period * 1e9)
        keyframes = contract.max_sources - 1
        return cls(kinds, changes, seeds, size, max(contract.frames), period_ns, keyframes)

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
    def left_out(self) -> tuple[str, ...]:
        return ()

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        return {kind: tuple(f"{kind}_{c}" for c in self.changes) for kind in self.kinds}

    def perceptual_frames(self, count: int) -> list[int]:
        """Return first, middle and last: the metric's network is slower than most models here."""
        return [0, count // 2, count - 1]

    def episodes(self) -> tuple[Episode, ...]:
        splits = [split for group in self.groups.values() for split in group]
        return tuple(Episode(s, f"{s}_ep{seed:06d}") for s in splits for seed in range(*self.seeds))

    def task(self, episode: Episode) -> Task:
        """Render the task of an episode: a pure function of kind, change and seed."""
        kind, change = episode.split.rsplit("_", 1)
        seed = int(episode.name.rpartition("_ep")[2])
        return self._filmed(make_world(kind, seed), change)

    def changed_s(self, episode: Episode) -> float:
        return 0.0

    def control_scene(self, episode: Episode) -> Task | None:
        """Return the next seed's task of the same split; None for long clips and memory."""
        change = CHANGES[episode.split.rsplit("_", 1)[1]]
        if change.clips > 1 or change.remembered:
            return None
        split, seed = episode.split, int(episode.name.rpartition("_ep")[2])
        following = seed + 1 if seed + 1 < self.seeds[1] else self.seeds[0]
        return self.task(Episode(split, f"{split}_ep{following:06d}"))

    def _filmed(self, world: World, name: str) -> Task:
        change = CHANGES[name]
        rng = np.random.default_rng([world.seed, list(CHANGES).index(name), STREAM])
        start_ns = round(1e9 * rng.uniform(change.earliest_s, LATEST_START_S))
        stamps = [start_ns + k * self.period_ns for k in range(self.frames * change.clips)]
        mounts = _camera_pair(world, change, start_ns, rng)
        source, target = (_placed(world, mount, stamps, self.size) for mount in mounts)
        images = render_clip(world, source.camera, source.world_from_cam, stamps)
        frames = zip(stamps, images, source.world_from_cam, strict=True)
        live = tuple(Frame(ns, image, source.camera, pose) for ns, image, pose in frames)
        past = past_of(world, mounts[0], source.camera, start_ns) if change.remembered else []
        return Task(
            source=live,
            target=target,
            truth=render_clip(world, target.camera, target.world_from_cam, stamps),
            scene_scale=world.scene_scale,
            memory=self._memory(world, live, target, past),
            visibility=_visibility(world, source, target, stamps, past),
            world=world,
        )

    def _memory(
        self, world: World, live: tuple[Frame, ...], target: View, past: list[Place]
    ) -> tuple[Clip, ...]:
        """Return keyframes of the past, each held still for the length of the clip."""
        if not past:
            return ()
        scale = world.scene_scale
        chosen = choose_keyframes(target, [Clip(live)], past, scale, self.keyframes)
        return tuple(place.still_clip(world, len(live)) for place in chosen)


def _camera_pair(
    world: World, change: Change, stamp_ns: int, rng: np.random.Generator
) -> tuple[Mount, Mount]:
    """Return the first drawn pair of source and target that fits.

    Raises:
        AnyviewError: `no_camera_pair`.
    """
    stands = change.remembered > 0 and rng.random() < STANDING
    for _ in range(DRAWS):
        mounts = _drawn(world, stamp_ns, stands, rng)
        source, target = (_placed(world, mount, [stamp_ns], COARSE) for mount in mounts)
        past = past_of(world, mounts[0], source.camera, stamp_ns) if change.remembered else []
        seen = _visibility(world, source, target, [stamp_ns], past)
        rotation = axis_angle_deg(source.world_from_cam[0, :3, 2], target.world_from_cam[0, :3, 2])
        remembered = 0.0 if seen.remembered is None else float(seen.remembered.mean())
        if change.fits(rotation, float(seen.covisible.mean()), remembered):
            return mounts
    raise AnyviewError(
        "no_camera_pair",
        f"none of {DRAWS} camera pairs drawn in the world '{world.kind}', seed {world.seed}, has "
        f"{change.rotation[0]} to {change.rotation[1]} degrees between its axes and "
        f"{change.overlap[0]} to {change.overlap[1]} of its target seen, and "
        f"{change.remembered} of it in the past alone",
    )


def _drawn(
    world: World, stamp_ns: int, stands: bool, rng: np.random.Generator
) -> tuple[Mount, Mount]:
    """Return a source and a target, as the world draws it or standing where the source was."""
    source = world.sample_source(rng)
    if stands:
        return source, left_standing(world, source, stamp_ns, rng)
    return source, world.sample_target(rng, source)


def _placed(world: World, mount: Mount, stamps: list[int], size: tuple[int, int]) -> View:
    world_from_link = np.stack([world.world_from_link(mount.link, stamp) for stamp in stamps])
    camera = mount.camera(*ASPECT).resized(size[1], size[0])
    return View(camera, mount.world_from_cam(world_from_link))


def _visibility(
    world: World, source: View, target: View, stamps: list[int], past: list[Place]
) -> Visibility:
    """Return what the source shows of the target's points at each stamp, and what it showed."""
    met, seen = [], []
    for stamp, source_pose, pose in zip(
        stamps, source.world_from_cam, target.world_from_cam, strict=True
    ):
        scene = world.scene_at(stamp)
        met.append(points(render_depth(scene, target.camera, pose), target.camera, pose))
        depth = render_depth(scene, source.camera, source_pose)
        seen.append(covisible(met[-1], depth, source.camera, source_pose))
    hidden = ~np.stack([shown for _, shown in seen])
    return Visibility(
        source_xy=np.stack([xy for xy, _ in seen]),
        covisible=~hidden,
        hidden=hidden,
        remembered=_remembered(world, past, np.stack(met), hidden) if past else None,
    )


def _remembered(
    world: World, past: list[Place], met: NDArray[np.float64], hidden: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which of the hidden points (T, H, W, 3) the source's camera saw in the past."""
    missing = hidden.copy()
    for place in past:
        found = was_there(met[missing], place.depth(world), place.camera, place.world_from_cam)
        missing[missing] = ~found
    return hidden & ~missing

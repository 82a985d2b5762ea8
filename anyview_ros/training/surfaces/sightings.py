"""Sightings: a frame of a scene, and how it matches others that a robot might have beside it.

What matching costs cost, 0.06 s a frame, is more than all else of a training step. So each scene
has a few sightings, the same for all runs and steps, whose costs are cached on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.finder import supports
from anyview_ros.engine.surfaces.network import (
    FEWEST,
    costs_or_none,
    ground_inverse_depth,
    smooth_costs,
)
from anyview_ros.engine.surfaces.photo_consistency import MOST
from anyview_ros.frames import Frame
from anyview_ros.geometry import inverse, rigid
from anyview_ros.training.augmentation import simulate_camera
from anyview_ros.training.scenes import SceneConfig, SceneViews
from anyview_ros.training.store import SceneStore
from anyview_ros.whole_file import whole_file
from anyview_ros.worlds.render.raycast import render_with_depth
from anyview_ros.worlds.world import make_world

PER_SCENE = 6
ALONE = 0.15  # share of sightings without other frames
MOST_SOURCES = 3  # whose clips are there
FEWER = 0.2  # share of sightings with some of the frames that the engine would take
LEVEL = 240 / MOST  # a step of the cached costs, in 1 / grey levels
# What cameras and TF do to frames that should match; each to a share of the sightings.
PERTURBED = 0.5
TURN, SHIFT = 0.4, 0.02  # at most: pixels; share of the distance to the other frame
# z = 0 is not always the ground: a camera is level and 1.6 m up for want of anything better.
WRONG_GROUND, NO_GROUND = 0.3, 0.1  # shares
WRONG_HEIGHT, WRONG_TILT = 1.5, 0.15  # deviations of its logarithm, and in radians
# What has gone by then moves: inverse depth falls by as much, over scene_scale; or by this share.
LATER_NS = 1_500_000_000
LEFT_STEP, LEFT_SHARE = 0.06, 0.15

Place = tuple[int, int]  # of a frame in a scene: view and time


@dataclass(frozen=True)
class Sighting:
    """One frame as the surface network sees it, and what it should say.

    Args:
        image: (H, W, 3) uint8.
        costs, smooth: (H, W, B) uint8, `LEVEL` steps a grey level.
        ground: (H, W) float32, see `engine.surfaces.finder`.
        truth: (H, W) float32 inverse depth over scene_scale, at most the nearest.
        moving: (H, W) bool, where something moves.
    """

    image: NDArray[np.uint8]
    costs: NDArray[np.uint8]
    smooth: NDArray[np.uint8]
    ground: NDArray[np.float32]
    truth: NDArray[np.float32]
    moving: NDArray[np.bool_]

    def mirrored(self) -> Sighting:
        """Return what it is in a mirror, which has the same ground."""
        return Sighting(
            np.ascontiguousarray(self.image[:, ::-1]),
            np.ascontiguousarray(self.costs[:, ::-1]),
            np.ascontiguousarray(self.smooth[:, ::-1]),
            np.ascontiguousarray(self.ground[:, ::-1]),
            np.ascontiguousarray(self.truth[:, ::-1]),
            np.ascontiguousarray(self.moving[:, ::-1]),
        )


def load_sighting(scenes: SceneStore, index: int, number: int, surfaces: SurfaceRange) -> Sighting:
    """Return a sighting of a scene; its costs are computed once, and then lie beside the scenes.

    Args:
        index: of the scene.
        number: of its sightings, from 0 to below `PER_SCENE`.
    """
    scale = scenes.config.scene_scale
    rng = np.random.default_rng([scenes.config.first_seed + index, number, 0x51647])
    scene = scenes[index]
    place, others = draw_frames(rng, scene, scale)
    stands = perturb_ground(rng, scene.world_from_cam[place])
    file = scenes.folder / f"sightings-{'-'.join(map(str, astuple(surfaces)))}-{scale:g}"
    file /= f"{index:05d}-{number}.npz"
    if len(others) >= FEWEST and file.exists():
        with np.load(file) as kept:
            costs, moving = kept["costs"], kept["moving"]
        return make_sighting(scene, place, costs, moving, surfaces, scale, stands)
    moving = find_moving(scenes.config, index, scene, place)
    frame, *others = perturb(rng, [frame_of(scene, place), *others])
    costs = quantize_costs(costs_or_none(surfaces, frame, others, scale))
    if len(others) >= FEWEST:
        with whole_file(file, shared=True) as partial:
            np.savez(partial, costs=costs, moving=moving)
    return make_sighting(scene, place, costs, moving, surfaces, scale, stands)


def make_sighting(
    scene: SceneViews,
    place: Place,
    costs: NDArray[np.uint8],
    moving: NDArray[np.bool_],
    surfaces: SurfaceRange,
    scene_scale: float,
    stands: NDArray[np.float64],
) -> Sighting:
    """Return what is seen in the frame at `place`, (view, time) of a scene.

    Args:
        stands: (4, 4) world_from_cam as far as the ground is concerned.
    """
    assert scene.inverse_depth is not None, "scenes without depth are refused with the config"
    frame = frame_of(scene, place)
    ground = ground_inverse_depth(frame.camera, stands, surfaces, scene_scale)
    truth = scene.inverse_depth[place].astype(np.float32) / np.float32(scene_scale)
    levels = costs.astype(np.float32) / np.float32(LEVEL)
    smooth = quantize_costs(smooth_costs(levels, frame.image))
    return Sighting(frame.image, costs, smooth, ground, truth.clip(0, surfaces.nearest), moving)


def find_moving(
    config: SceneConfig, index: int, scene: SceneViews, place: Place
) -> NDArray[np.bool_]:
    """Return (H, W), where what is seen at `place` has left the line of sight a little later.

    Args:
        index: of the scene among those of the config.
    """
    assert scene.inverse_depth is not None, "scenes without depth are refused with the config"
    now = scene.inverse_depth[place].astype(np.float32)
    if config.still:
        return np.zeros(now.shape, np.bool_)
    view, time = place
    world = make_world(config.world, config.first_seed + index)
    later = world.scene_at(int(scene.stamps_ns[time]) + LATER_NS)
    _, then = render_with_depth(later, scene.cameras[view], scene.world_from_cam[place])
    step = np.maximum(LEFT_STEP * np.float32(config.scene_scale), LEFT_SHARE * now)
    return np.asarray(now - then > step)


def draw_frames(rng: Generator, scene: SceneViews, scene_scale: float) -> tuple[Place, list[Frame]]:
    """Draw a frame, and those of its clip and of other sources that the engine matches it with."""
    views, times = len(scene.cameras), len(scene.stamps_ns)
    time = int(rng.integers(times))
    sources = rng.permutation(views)[: int(rng.integers(1, MOST_SOURCES + 1))]
    place = int(sources[0]), time
    if rng.random() < ALONE:
        return place, []
    others = supports([scene.clip(int(view)) for view in sources], 0, time, scene_scale)
    if len(others) > FEWEST and rng.random() < FEWER:
        some = rng.permutation(len(others))[: int(rng.integers(FEWEST, len(others)))]
        others = [others[i] for i in some]
    return place, others


def frame_of(scene: SceneViews, place: Place) -> Frame:
    view, time = place
    return Frame(
        int(scene.stamps_ns[time]),
        scene.images[place],
        scene.cameras[view],
        scene.world_from_cam[place],
    )


def perturb(rng: Generator, frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames as cameras and TF give them; the first one's pose is where it is."""
    turn, shift = rng.uniform(0, [TURN, SHIFT]) * (rng.random(2) < PERTURBED)
    images = np.stack([frame.image for frame in frames])
    if rng.random() < PERTURBED:
        images = simulate_camera(rng, images)
    changed = [replace(frame, image=image) for frame, image in zip(frames, images, strict=True)]
    for k, frame in enumerate(changed[1:], start=1):
        pose = frame.world_from_cam
        away = np.linalg.norm((inverse(pose) @ frames[0].world_from_cam)[:3, 3])
        turned = euler2mat(*rng.normal(0, turn / frame.camera.fx, 3))
        error = rigid(turned, rng.normal(0, 1, 3) * shift * away)
        changed[k] = replace(frame, world_from_cam=pose @ error)
    return changed


def perturb_ground(rng: Generator, world_from_cam: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pose of a camera above the ground, sometimes far from the true one, or in it."""
    height, tilt = np.exp(rng.normal(0, WRONG_HEIGHT)), rng.normal(0, WRONG_TILT, 2)
    chance = rng.random()
    if chance >= WRONG_GROUND + NO_GROUND:
        return world_from_cam
    if chance < NO_GROUND:
        height = 0.0
    wrong = rigid(euler2mat(*tilt, 0.0), (0, 0, 0)) @ world_from_cam
    wrong[2, 3] = height * world_from_cam[2, 3]
    return np.asarray(wrong)


def quantize_costs(costs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return costs as bytes, as they are cached; divided by `LEVEL` they are grey levels again."""
    levels: NDArray[np.uint8] = np.rint(costs * np.float32(LEVEL)).astype(np.uint8)
    return levels

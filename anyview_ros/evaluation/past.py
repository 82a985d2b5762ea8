"""What a camera of a world saw in the ten seconds before a clip, and cameras that ask for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.geometry import inverse, rigid
from anyview_ros.worlds.render.raycast import render, render_depth
from anyview_ros.worlds.rigs import BASE, Mount
from anyview_ros.worlds.world import World

SECONDS, PER_SECOND = 10, 2
AROUND_NS = (-400_000_000, -200_000_000, 200_000_000)  # of a keyframe, as the node keeps them
SHIFT = 0.05  # of a camera left standing, from where the source was, in units of 1 / scene_scale
TURN = 0.15  # radians


@dataclass(frozen=True)
class Place:
    """Where a camera was, and when: a frame that is rendered only if it is chosen.

    Args:
        around: where it was just before and after, see `frames.Clip`.
    """

    stamp_ns: int
    camera: Camera
    world_from_cam: NDArray[np.float64]
    around: tuple[Place, ...] = ()

    def still_clip(self, world: World, count: int) -> Clip:
        """Return what it saw, standing still for `count` instants."""
        around = tuple(place.frame(world) for place in self.around)
        return Clip.held(self.frame(world), count, around)

    def frame(self, world: World) -> Frame:
        image = render(world.scene_at(self.stamp_ns), self.camera, self.world_from_cam)
        return Frame(self.stamp_ns, image, self.camera, self.world_from_cam)

    def depth(self, world: World) -> NDArray[np.float32]:
        return render_depth(world.scene_at(self.stamp_ns), self.camera, self.world_from_cam)


def past_of(world: World, mount: Mount, camera: Camera, now_ns: int) -> list[Place]:
    """Return a source's places before `now_ns`, twice a second, the youngest first.

    Empty for a camera that stood still: it remembers what something hid since, and no more.
    """
    period_ns = 10**9 // PER_SECOND
    stamps = [now_ns - (k + 1) * period_ns for k in range(SECONDS * PER_SECOND)]

    def places(stamps_ns: list[int]) -> list[Place]:
        links = np.stack([world.world_from_link(mount.link, stamp) for stamp in stamps_ns])
        poses = mount.world_from_cam(links)
        return [Place(ns, camera, pose) for ns, pose in zip(stamps_ns, poses, strict=True)]

    found = places(stamps)
    if np.allclose([place.world_from_cam for place in found], found[0].world_from_cam):
        return []
    return [
        replace(place, around=tuple(places([place.stamp_ns + ns for ns in AROUND_NS])))
        for place in found
    ]


def left_standing(world: World, source: Mount, now_ns: int, rng: np.random.Generator) -> Mount:
    """Return a camera about where the source was 1 to 10 s ago, that stands there since."""
    then_ns = now_ns - round(1e9 * rng.uniform(1.0, SECONDS))
    was = world.world_from_link(source.link, then_ns) @ source.link_from_cam
    aside, up, back = rng.normal(0, SHIFT, 3) / world.scene_scale
    turn = euler2mat(*rng.normal(0, TURN, 2), 0.0)
    pose = was @ rigid(turn, (aside, 0.2 * up, -abs(back)))
    base_from_cam = inverse(world.world_from_link(BASE, now_ns)) @ pose
    return Mount(base_from_cam, np.radians(rng.uniform(55, 95)), standing=True)

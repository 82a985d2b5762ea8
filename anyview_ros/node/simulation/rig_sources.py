"""What a rig of cameras sees, moment by moment: a procedural world, a still, or real footage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import STANDING_CAMERA, inverse
from anyview_ros.media.stereo_pair import MOTORCYCLE, motorcycle
from anyview_ros.media.video import Trajectory, open_footage, read_trajectory
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.rigs import BASE
from anyview_ros.worlds.world import make_world

FIXED_FRAME = "odom"
VIDEO_CAMERA = "front"
STILL_CAMERA = "left"
ASSUMED = "assumed"  # a video's pose, in the world that the rig names
ASSUMED_POSE = (
    f"nobody says where the video's camera was: it is taken to stand level, "
    f"{STANDING_CAMERA[2, 3]:g} m above the ground; where that is wrong, views are too: give its "
    "poses (docs/video.md)"
)
FIRST_STAMP_NS = 1_000_000_000  # stamp 0 means "not set" in ROS


def link_frame(link: str) -> str:
    """Return the frame id of a link of `World.world_from_link`."""
    return f"{link}_link"


BASE_FRAME = link_frame(BASE)


def optical_frame(camera: str) -> str:
    """Return the frame id of a camera, by REP 103's suffix."""
    return f"{camera}_optical_frame"


@dataclass(frozen=True)
class Link:
    """`parent_from_child` (4, 4), as TF has it."""

    parent: str
    child: str
    parent_from_child: NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """Everything that is true at one stamp: where the rig was, and what each camera saw."""

    stamp_ns: int
    links: tuple[Link, ...]
    images: Mapping[str, NDArray[np.uint8]]


class Source(Protocol):
    """Cameras by name, links that never change, and what `~/world` says about it all."""

    @property
    def cameras(self) -> Mapping[str, Camera]: ...

    @property
    def static_links(self) -> tuple[Link, ...]: ...

    @property
    def world(self) -> Mapping[str, object]: ...

    def moments(self) -> Iterator[Moment]: ...


class WorldSource:
    """A robot with its rig in a procedural world.

    Args:
        kind, seed: of `worlds.make_world`.
        period_ns: between two moments, exactly.
        num_moments: how many; 0 = without end.
    """

    def __init__(self, kind: str, seed: int, period_ns: int, num_moments: int = 0) -> None:
        self._world = make_world(kind, seed)
        self._period_ns = period_ns
        self._num_moments = num_moments
        self.cameras = {c.name: c.camera for c in self._world.rig}
        self.static_links = tuple(
            Link(link_frame(c.link), optical_frame(c.name), c.link_from_cam)
            for c in self._world.rig
        )
        # Links that move against the base, each a child of it in TF.
        self._moving = sorted({c.link for c in self._world.rig} - {BASE})
        self.world = {"kind": kind, "seed": seed, "fixed_frame": FIXED_FRAME}

    def moments(self) -> Iterator[Moment]:
        for stamp_ns in _grid(self._period_ns, self._num_moments):
            yield self._moment(stamp_ns)

    def _moment(self, stamp_ns: int) -> Moment:
        at = {link: self._world.world_from_link(link, stamp_ns) for link in (BASE, *self._moving)}
        base_from_world = inverse(at[BASE])
        links = [Link(FIXED_FRAME, BASE_FRAME, at[BASE])]
        links += [Link(BASE_FRAME, link_frame(m), base_from_world @ at[m]) for m in self._moving]
        scene = self._world.scene_at(stamp_ns)
        images = {
            c.name: render(scene, c.camera, at[c.link] @ c.link_from_cam) for c in self._world.rig
        }
        return Moment(stamp_ns, tuple(links), images)


class StillSource:
    """The left camera of a stereo pair at `STANDING_CAMERA`, seeing one picture all the time.

    Args:
        period_ns: between two moments.
        num_moments: how many; 0 = without end.

    Raises:
        AnyviewError: as `stereo_pair.motorcycle`.
    """

    def __init__(self, period_ns: int, num_moments: int = 0) -> None:
        pair = motorcycle()
        self._image, self._period_ns, self._num_moments = pair.left, period_ns, num_moments
        self.cameras = {STILL_CAMERA: pair.left_camera}
        self.static_links = (Link(FIXED_FRAME, optical_frame(STILL_CAMERA), STANDING_CAMERA),)
        self.world = {"kind": MOTORCYCLE, "fixed_frame": FIXED_FRAME}

    def moments(self) -> Iterator[Moment]:
        for stamp_ns in _grid(self._period_ns, self._num_moments):
            yield Moment(stamp_ns, (), {STILL_CAMERA: self._image})


class VideoSource:
    """One camera whose images are real footage.

    Args:
        path: video file or folder of images.
        horizontal_fov: radians.
        poses: file of `video.read_trajectory`; without it the camera stands still at
            `STANDING_CAMERA`, with one pose in it where that says.
        period_ns: frames nearest to this grid are taken, each with its own time.
        num_moments: how many at most; 0 = all.

    Raises:
        AnyviewError: as `video.open_footage` and `video.read_trajectory`; `missing_hfov`.
    """

    def __init__(
        self,
        path: Path,
        horizontal_fov: float,
        poses: Path | None,
        period_ns: int,
        num_moments: int = 0,
    ) -> None:
        if horizontal_fov <= 0 and path.exists():  # else that is what is wrong
            raise AnyviewError(
                "missing_hfov",
                f"a video needs its camera's horizontal field of view to play '{path}'; give "
                "--hfov DEGREES (a phone's main camera is near 65, an action camera near 90)",
            )
        self._footage = open_footage(path, period_ns)
        self._period_ns, self._num_moments = period_ns, num_moments
        self._path = path
        self.assumes_pose = poses is None
        self._trajectory = read_trajectory(poses) if poses else _standing()
        self.cameras = {VIDEO_CAMERA: Camera.from_fov(*self._footage.size, horizontal_fov)}
        self.static_links = self._links(0) if self._stands else ()
        self.world = {
            "kind": "video",
            "source": path.name,
            "fixed_frame": FIXED_FRAME,
            "pose": ASSUMED if self.assumes_pose else "given",
        }

    @property
    def _stands(self) -> bool:
        return len(self._trajectory.times_ns) == 1

    def moments(self) -> Iterator[Moment]:
        """Yield the frames within the poses' time: no pose is extrapolated."""
        shown, offset_ns = 0, None
        for time_ns, image in self._footage.frames(self._period_ns):
            self._check_size(time_ns, image)
            if offset_ns is None:
                offset_ns = max(0, FIRST_STAMP_NS - time_ns)
            links = () if self._stands else self._links(time_ns)
            if not (self._stands or links):
                continue
            yield Moment(time_ns + offset_ns, links, {VIDEO_CAMERA: image})
            shown += 1
            if shown == self._num_moments:
                return
        if not shown:
            raise AnyviewError(
                "invalid_poses",
                f"no frame of '{self._path}' lies within the poses' time, "
                f"{self._trajectory.times_ns[0] / 1e9:.3f} to "
                f"{self._trajectory.times_ns[-1] / 1e9:.3f} s; the timestamps are seconds on the "
                "video's own clock",
            )

    def _check_size(self, time_ns: int, image: NDArray[np.uint8]) -> None:
        (width, height), (now_height, now_width) = self._footage.size, image.shape[:2]
        if (width, height) != (now_width, now_height):
            raise AnyviewError(
                "size_changed",
                f"a camera needs images of one size, '{self._path}' changes from {width}x{height} "
                f"to {now_width}x{now_height} at {time_ns / 1e9:.3f} s; cut it there, or bring it "
                f"to one size: ffmpeg -i VIDEO -vf scale={width}:{height} one-size.mp4",
            )

    def _links(self, time_ns: int) -> tuple[Link, ...]:
        world_from_cam = self._trajectory.at(time_ns)
        if world_from_cam is None:
            return ()
        return (Link(FIXED_FRAME, optical_frame(VIDEO_CAMERA), world_from_cam),)


def _grid(period_ns: int, num_moments: int) -> Iterator[int]:
    """Yield stamps a period apart; without end if `num_moments` is 0."""
    for k in range(num_moments) if num_moments else count():
        yield FIRST_STAMP_NS + k * period_ns


def _standing() -> Trajectory:
    return Trajectory((0,), STANDING_CAMERA[None])

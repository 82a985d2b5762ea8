"""The clips of a recording, read when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import BagCameras
from anyview_ros.datasets.bag_scenes import PIXEL_RULE, bounded_size, read_frame
from anyview_ros.datasets.scene_plan import Instant, Plan
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.imaging.resize import resize_camera

LONGER_SIDE = 640  # of the images in pixels: what the node keeps of a source by default
KEPT_FRAMES = 500  # 640x384: 0.7 MB each


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """Hold what is known of a recorded frame before its image is read.

    Args:
        name: of the camera.
        instant: its place in `Recording.instants`.
        camera: at the size at which the image is read.
        world_from_cam: (4, 4).
    """

    name: str
    instant: int
    stamp_ns: int
    camera: Camera
    world_from_cam: NDArray[np.float64]


class Recording:
    """Instants of a bag at which every camera has a frame, in clips of one length.

    The bag is read by one thread only; poses by any.

    Args:
        bag: open.
        cameras: of the bag.
        plan: of these cameras; one clip or more.

    Raises:
        AnyviewError: `no_complete_clip`.
    """

    def __init__(self, bag: Bag, cameras: BagCameras, plan: Plan) -> None:
        if not plan.scenes:
            why = "".join(f"\n  {reason}" for reason in [*cameras.left_out(), *plan.reasons()])
            raise AnyviewError(
                "no_complete_clip",
                f"the model needs clips of {plan.num_frames} frames, '{bag.path}' has none; record "
                "for longer, or choose cameras that were recorded together. Left out:"
                f"{why or ' nothing'}",
            )
        self.clip_length = plan.num_frames
        self.instants: Sequence[Instant] = [instant for scene in plan.scenes for instant in scene]
        self._bag, self._cameras = bag, cameras.by_name
        self._frames: dict[tuple[str, int], Frame] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the cameras."""
        return tuple(self._cameras)

    def seconds(self) -> NDArray[np.float64]:
        """(N,) time of each instant after the first, by the first camera's stamps."""
        stamps = [self.stamp_ns(k) for k in range(len(self.instants))]
        return (np.array(stamps) - stamps[0]) / 1e9

    def stamp_ns(self, instant: int) -> int:
        """Return the first camera's stamp at an instant."""
        return self.instants[instant][self.names[0]].stamp_ns

    def clip_of(self, instant: int) -> range:
        """Return the instants of the clip that holds one."""
        first = instant - instant % self.clip_length
        return range(first, first + self.clip_length)

    def frame_id(self, name: str) -> str:
        """Return the optical frame of a camera."""
        camera = self._cameras[name]
        return camera.stream.frames[self.instants[0][name].stamp_ns]

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return where a TF frame was, (4, 4); empty = the fixed frame.

        Raises:
            AnyviewError: those of `RecordedTransforms.lookup`.
        """
        return self._cameras[self.names[0]].world_from(frame, stamp_ns)

    def known(self, name: str, instant: int) -> RecordedFrame:
        """Return what is known of a frame without its image."""
        shot = self.instants[instant][name]
        native = shot.lens.camera
        size = bounded_size((native.height, native.width), LONGER_SIDE)
        camera = resize_camera(native, size, PIXEL_RULE)
        return RecordedFrame(name, instant, shot.stamp_ns, camera, shot.world_from_cam)

    def frame(self, name: str, instant: int) -> Frame:
        """Read a frame, rectified, its longer side bounded to `LONGER_SIDE`.

        Raises:
            AnyviewError: `unreadable_image` and those of `read_frame`.
        """
        if (name, instant) not in self._frames:
            while len(self._frames) >= KEPT_FRAMES:
                del self._frames[next(iter(self._frames))]
            self._frames[name, instant] = self._read(name, instant)
        return self._frames[name, instant]

    def clip(self, name: str, instants: range) -> Clip:
        """Read the frames of a camera; errors as of `frame`."""
        return Clip(tuple(self.frame(name, instant) for instant in instants))

    def held(self, known: RecordedFrame) -> Clip:
        """Read a frame as a clip that stands still, with frames around it; errors as of `frame`."""
        clip, step = self.clip_of(known.instant), 2
        around = [k for k in clip[known.instant % step :: step] if k != known.instant]
        frames = tuple(self.frame(known.name, k) for k in around)
        return Clip.held(self.frame(known.name, known.instant), self.clip_length, frames)

    def before(self, instant: int, spacing: int, most: int) -> Iterator[RecordedFrame]:
        """Yield frames of all cameras that are older than an instant, `spacing` instants apart.

        Args:
            most: instants back.
        """
        for k in range(max(0, instant - most), instant, spacing):
            for name in self.names:
                yield self.known(name, k)

    def _read(self, name: str, instant: int) -> Frame:
        camera, shot = self._cameras[name], self.instants[instant][name]
        recorded = self._bag.recorded_at(camera.topic, shot.stamp_ns)
        if recorded is None:
            raise AnyviewError(
                "unreadable_image",
                f"the image of '{camera.topic}' at {shot.stamp_ns / 1e9:.3f} s is no longer in "
                f"'{self._bag.path}'; open a bag that is not being changed",
            )
        return read_frame(self._bag, recorded, camera, shot, LONGER_SIDE)

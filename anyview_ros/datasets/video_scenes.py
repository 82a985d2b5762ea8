"""From monocular video to scenes of one standing camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anyview_ros.datasets.bag_scenes import PIXEL_RULE, bounded_size
from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.datasets.scene_writer import SceneWriter
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import STANDING_CAMERA
from anyview_ros.imaging.resize import resize_camera, resize_image
from anyview_ros.media.video import Footage

CAMERA = "camera"


@dataclass(frozen=True)
class VideoShape:
    """What scenes to cut from a video.

    Args:
        num_frames: of a scene.
        longer_side: of the images in pixels at most; 0 = as they are.
        hfov_deg: horizontal field of view of the camera in degrees.
    """

    num_frames: int
    longer_side: int
    hfov_deg: float


@dataclass(frozen=True)
class Cut:
    """What became of a video.

    Args:
        scenes: written.
        short: frames in runs too short for one.
        joints: where its size changed or its times started again; scenes end there.
    """

    scenes: int
    short: int
    joints: tuple[str, ...]


def write_video_scenes(
    footage: Footage, folders: SceneFolders, shape: VideoShape, on_frame: Callable[[], object]
) -> Cut:
    """Cut a video into scenes of consecutive frames of a time grid.

    Args:
        footage: where a grid time has no frame, or the size changes, a new run begins. Every size
            has a camera of its own, of the same field of view.
        on_frame: called after each frame.

    Raises:
        AnyviewError: `invalid_camera`; those of the footage and of `SceneWriter`.
    """
    before, joints = footage.size, []
    camera = _camera(before, shape)
    with _Runs(folders, shape.num_frames) as runs:
        for time_ns, image in footage.frames(folders.notes.period_ns):
            size = image.shape[1], image.shape[0]
            if size != before:
                joints.append(
                    f"at {time_ns / 1e9:.3f} s the size changes from {before[0]}x{before[1]} to "
                    f"{size[0]}x{size[1]}: a new camera, of the same field of view"
                )
                before, camera = size, _camera(size, shape)
                runs.end()
            pixels = resize_image(image, (camera.height, camera.width), "area")
            runs.add(Frame(time_ns, pixels, camera, STANDING_CAMERA))
            on_frame()
    return Cut(runs.complete, runs.short, (*footage.joints, *joints))


def _camera(size: tuple[int, int], shape: VideoShape) -> Camera:
    """Return the camera of the scenes' images, from the video's (width, height)."""
    width, height = size
    native = Camera.from_fov(width, height, np.radians(shape.hfov_deg))
    return resize_camera(native, bounded_size((height, width), shape.longer_side), PIXEL_RULE)


class _Runs:
    """Writes scene after scene; one that a gap ends too early leaves nothing behind."""

    def __init__(self, folders: SceneFolders, num_frames: int) -> None:
        self.complete = self.short = 0
        self._folders, self._num_frames = folders, num_frames
        self._writer: SceneWriter | None = None
        self._written = 0
        self._first_ns: int | None = None
        self._before = 0

    def __enter__(self) -> _Runs:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def add(self, frame: Frame) -> None:
        place = self._place(frame.stamp_ns)
        if place != self._before + 1:
            self.end()
        self._before = place
        if self._writer is None:
            path, notes = self._folders.path(self.complete), self._folders.notes
            self._writer = SceneWriter(path, [CAMERA], notes)
        self._writer.add(CAMERA, frame)
        self._written += 1
        if self._written == self._num_frames:
            self._writer.close()
            self._writer, self._written = None, 0
            self.complete += 1

    def _place(self, time_ns: int) -> int:
        """On the grid that begins with the first frame, as `nearest_to_grid` chose it."""
        self._first_ns = time_ns if self._first_ns is None else self._first_ns
        period_ns = self._folders.notes.period_ns
        return (time_ns - self._first_ns + period_ns // 2) // period_ns

    def end(self) -> None:
        """Give up the scene that is being written; the next frame begins another."""
        if self._writer is not None:
            self._writer.discard()
        self.short += self._written
        self._writer, self._written = None, 0

"""The values that travel: a camera's intrinsics, a posed frame, a clip of frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError

MAX_SIDE = 8192


@dataclass(frozen=True)
class Camera:
    """A rectified pinhole camera without skew.

    Integer pixel coordinates are pixel centres, as in OpenCV and sensor_msgs/CameraInfo: the
    image spans [-0.5, width - 0.5]. The optical frame is REP-103's: x right, y down, z forward.

    Args:
        width, height: pixels.
        fx, fy, cx, cy: focal lengths and principal point, in pixels of this size.

    Raises:
        AnyviewError: `invalid_camera` when a side is not in 1..8192, a focal length is not
            positive, or a value is not finite.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise AnyviewError(
                "invalid_camera",
                f"image size must be 1..{MAX_SIDE} pixels a side, got {self.width}x{self.height}",
            )
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy]).all():
            raise AnyviewError(
                "invalid_camera",
                f"intrinsics must be finite, got fx {self.fx}, fy {self.fy}, "
                f"cx {self.cx}, cy {self.cy}",
            )
        if self.fx <= 0 or self.fy <= 0:
            raise AnyviewError(
                "invalid_camera",
                f"focal lengths must be positive, got fx {self.fx}, fy {self.fy}; "
                "a camera info with K[0] = 0 is uncalibrated: calibrate the camera",
            )

    @classmethod
    def from_fov(cls, width: int, height: int, horizontal_fov: float) -> Camera:
        """Square pixels, centred principal point, horizontal field of view in radians."""
        if not 0 < horizontal_fov < np.pi:
            raise AnyviewError(
                "invalid_camera",
                "horizontal field of view must be between 0 and 180 degrees, got "
                f"{np.degrees(horizontal_fov):.4g} degrees ({horizontal_fov:.4g} radians)",
            )
        focal = 0.5 * width / np.tan(0.5 * horizontal_fov)
        return cls(width, height, focal, focal, 0.5 * (width - 1), 0.5 * (height - 1))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """K: (3, 3), maps points in the optical frame to homogeneous pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def resized(self, width: int, height: int) -> Camera:
        """The same camera at another size, pixel centres kept: c' = (c + 0.5) * s - 0.5."""
        sx, sy = width / self.width, height / self.height
        return Camera(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
        )


@dataclass(frozen=True)
class Frame:
    """One image, the camera that saw it, where the camera was, and when.

    Args:
        stamp_ns: acquisition time in nanoseconds, as in the source's header.
        image: (H, W, 3) uint8 RGB, of the camera's size.
        camera: intrinsics of `image`.
        world_from_cam: (4, 4) float64, optical frame to fixed frame.
        as_sent: intrinsics at the size at which the camera sent it; None where that is not known.
    """

    stamp_ns: int
    image: NDArray[np.uint8]
    camera: Camera
    world_from_cam: NDArray[np.float64]
    as_sent: Camera | None = None

    def __post_init__(self) -> None:
        assert self.image.shape == (self.camera.height, self.camera.width, 3)
        assert self.image.dtype == np.uint8
        assert self.world_from_cam.shape == (4, 4)


@dataclass(frozen=True)
class Clip:
    """T = 1 + 4k frames of one camera, all of one size: in time order, or one frame held still.

    A clip may be older than the instants it is used for: its frame k stands for instant k.

    Args:
        around: frames of the same camera from about the time of a held one, of any size; they
            tell how far away is what it shows.
    """

    frames: tuple[Frame, ...]
    around: tuple[Frame, ...] = ()

    def __post_init__(self) -> None:
        if len(self.frames) % 4 != 1:
            raise AnyviewError(
                "invalid_num_frames",
                f"a clip has 1 + 4k frames (1, 5, 9, ...), got {len(self.frames)}",
            )
        stamps = self.stamps_ns
        if not self.is_held and any(a >= b for a, b in itertools.pairwise(stamps)):
            raise AnyviewError("invalid_stamps", f"stamps must increase, got {list(stamps)}")
        sizes = {(f.camera.width, f.camera.height) for f in self.frames}
        if len(sizes) > 1:
            raise AnyviewError(
                "size_changed", f"all frames of a clip need one size, got {sorted(sizes)}"
            )

    @classmethod
    def held(cls, frame: Frame, count: int, around: tuple[Frame, ...] = ()) -> Clip:
        """One frame, standing still for `count` instants."""
        return cls((frame,) * count, around)

    def changed(self, change: Callable[[Frame], Frame]) -> Clip:
        """Return the clip of changed frames; one that is held is changed once, and stays held."""
        around = tuple(change(frame) for frame in self.around)
        if self.is_held:
            return Clip.held(change(self.frames[0]), len(self), around)
        return Clip(tuple(change(frame) for frame in self.frames), around)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def is_held(self) -> bool:
        """Whether all instants show one frame."""
        return len(self.frames) > 1 and len(set(self.stamps_ns)) == 1

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return tuple(f.stamp_ns for f in self.frames)

    @property
    def images(self) -> NDArray[np.uint8]:
        """(T, H, W, 3) uint8 RGB."""
        return np.stack([f.image for f in self.frames])

    @property
    def world_from_cam(self) -> NDArray[np.float64]:
        """(T, 4, 4)."""
        return np.stack([f.world_from_cam for f in self.frames])


@dataclass(frozen=True)
class View:
    """What a virtual camera asks for: intrinsics, and one pose for each frame of the clip.

    Args:
        camera: intrinsics and size of the frames wanted.
        world_from_cam: (T, 4, 4) float64.
    """

    camera: Camera
    world_from_cam: NDArray[np.float64]

    def __post_init__(self) -> None:
        assert self.world_from_cam.ndim == 3
        assert self.world_from_cam.shape[1:] == (4, 4)

"""Requests for virtual cameras, checked and turned into values. Every refusal has a name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.placements import Placement
from anyview_ros.clips.virtual.placement_messages import requested_placement
from anyview_ros.contract import Contract
from anyview_ros.engine.trust.uncertainty import check_samples
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 64
PERIOD_TOLERANCE = 0.01
MIN_RATE_HZ = 1e-6
LIVE, LOSSLESS = 0, 1  # modes of anyview_ros/VirtualCamera


@dataclass(frozen=True)
class StreamRequest:
    """How a virtual camera is published continuously.

    Args:
        rate_hz: of the source's time, above 0.
        lossless: whether every frame is answered, whatever the delay.
        priority: 0 to 255, see `FairQueue`.
    """

    rate_hz: float
    lossless: bool
    priority: int


@dataclass(frozen=True)
class CameraRequest:
    """A checked `anyview_ros/VirtualCamera`.

    Args:
        placement: where it is, over time.
        size: (width, height) in pixels, None = the first source's.
        intrinsics: None = from `horizontal_fov`.
        horizontal_fov: radians, 0 = the first source's.
        sources: names, empty = chosen by the node.
        stream: None = on request only.
        message: as it came: an anyview_ros/VirtualCamera, or what has its fields.
    """

    name: str
    placement: Placement
    size: tuple[int, int] | None
    intrinsics: Camera | None
    horizontal_fov: float
    sources: tuple[str, ...]
    stream: StreamRequest | None
    message: Any

    @property
    def frame_id(self) -> str:
        return optical_frame(self.name)

    @property
    def takes_the_sources_lens(self) -> bool:
        """Return whether some of `camera` depends on the source."""
        return self.intrinsics is None and not (self.size and self.horizontal_fov)

    def camera(self, first_source: Camera) -> Camera:
        """Return the intrinsics; what was left open is taken from the first source's."""
        if self.intrinsics is not None:
            return self.intrinsics
        if self.size is None and not self.horizontal_fov:
            return first_source
        width, height = self.size or (first_source.width, first_source.height)
        source_fov = 2 * math.atan(0.5 * first_source.width / first_source.fx)
        return Camera.from_fov(width, height, self.horizontal_fov or source_fov)


def optical_frame(camera_name: str) -> str:
    """Return the frame of a virtual camera's images."""
    return f"{camera_name}_optical_frame"


def camera_request(message: Any, contract: Contract) -> CameraRequest:
    """Check a virtual camera.

    Args:
        message: an anyview_ros/VirtualCamera, or what has its fields.

    Raises:
        AnyviewError: `invalid_name`, `invalid_mode`, `invalid_rate`, `invalid_priority`,
            `invalid_pose`, `invalid_trajectory`, `invalid_camera`, `invalid_sources`,
            `invalid_uncertainty_samples`.
    """
    check_name(message.name)
    stream = _stream_request(message, contract)
    check_samples(message.uncertainty_samples)
    size, intrinsics = _pinhole(message.camera_info)
    return CameraRequest(
        name=message.name,
        placement=requested_placement(message),
        size=size,
        intrinsics=intrinsics,
        horizontal_fov=_field_of_view(message.horizontal_fov),
        sources=_source_names(message.sources, contract),
        stream=stream,
        message=message,
    )


def check_name(name: str) -> None:
    """Refuse what cannot be a virtual camera's name.

    Raises:
        AnyviewError: `invalid_name`.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise AnyviewError(
            "invalid_name",
            "a virtual camera's name is a lower-case letter, then lower-case letters, digits and "
            f"single underscores, at most {MAX_NAME} in all, got '{name}'",
        )


def _stream_request(message: Any, contract: Contract) -> StreamRequest | None:
    if message.mode > LOSSLESS:
        raise AnyviewError(
            "invalid_mode", f"mode must be 0 (LIVE) or 1 (LOSSLESS), got {message.mode}"
        )
    lossless, most_hz = message.mode == LOSSLESS, 1 / contract.frame_period
    if not 0 <= message.rate <= most_hz * (1 + PERIOD_TOLERANCE):  # NaN is refused too
        raise AnyviewError(
            "invalid_rate",
            f"model '{contract.name}' makes frames {contract.frame_period:g} s apart: rate must be "
            f"0 (on request only) to {most_hz:g} Hz, got {message.rate:g}",
        )
    if 0 < message.rate < MIN_RATE_HZ:
        raise AnyviewError(
            "invalid_rate",
            f"a rate is at least {MIN_RATE_HZ:g} Hz, a frame in 11 days, got {message.rate:g}; "
            "set it higher, or leave it at 0",
        )
    if message.rate:
        return StreamRequest(float(message.rate), lossless, int(message.priority))
    if lossless:
        raise AnyviewError(
            "invalid_mode",
            f"mode LOSSLESS is for continuous cameras: set rate, at most {most_hz:g}",
        )
    if message.priority:
        raise AnyviewError(
            "invalid_priority",
            f"priority {message.priority} is for continuous cameras: set rate, or leave it at 0",
        )
    return None


def _pinhole(info: Any) -> tuple[tuple[int, int] | None, Camera | None]:
    """Return (size, intrinsics) of a camera info in a request; None for what it leaves open."""
    k = np.array(info.k, np.float64).reshape(3, 3)
    _check_rectified(info, k)
    if bool(info.width) != bool(info.height) or (k.any() and not info.width):
        raise _invalid_camera(
            f"width and height must be given together, and with k, got {info.width}x{info.height}"
        )
    if k.any():
        if k[0, 1] or k[1, 0] or not np.array_equal(k[2], (0, 0, 1)):
            raise _invalid_camera(f"k must be [fx 0 cx; 0 fy cy; 0 0 1], got {k.tolist()}")
        camera = Camera(
            width=info.width,
            height=info.height,
            fx=float(k[0, 0]),
            fy=float(k[1, 1]),
            cx=float(k[0, 2]),
            cy=float(k[1, 2]),
        )
        return (info.width, info.height), camera
    if not info.width:
        return None, None
    Camera.from_fov(info.width, info.height, 1.0)  # refuses a bad size
    return (info.width, info.height), None


def _check_rectified(info: Any, k: NDArray[np.float64]) -> None:
    r, p = np.array(info.r).reshape(3, 3), np.array(info.p).reshape(3, 4)
    if np.any(info.d):
        raise _invalid_camera(f"d must be empty or zero, got {np.asarray(info.d).tolist()}")
    if r.any() and not np.allclose(r, np.eye(3)):
        raise _invalid_camera(f"r must be zero or the identity, got {r.tolist()}")
    if p.any() and not np.allclose(p, np.hstack([k, np.zeros((3, 1))])):
        raise _invalid_camera(f"p is derived from k: leave it zero, got {p.tolist()}")
    roi = info.roi
    if max(info.binning_x, info.binning_y) > 1 or any(
        (roi.x_offset, roi.y_offset, roi.width, roi.height)
    ):
        raise _invalid_camera("binning and roi must be unset; ask for the size wanted instead")


def _invalid_camera(text: str) -> AnyviewError:
    return AnyviewError("invalid_camera", f"a virtual camera is a rectified pinhole: {text}")


def _field_of_view(radians: float) -> float:
    if radians != 0:
        Camera.from_fov(1, 1, radians)  # refuses what is not between 0 and pi
    return radians


def _source_names(names: Sequence[str], contract: Contract) -> tuple[str, ...]:
    if len(names) > contract.max_sources or len(set(names)) < len(names):
        raise AnyviewError(
            "invalid_sources",
            f"model '{contract.name}' takes 1..{contract.max_sources} different sources, got "
            f"{len(names)} ({', '.join(names)}); leave sources empty for the node's choice",
        )
    return tuple(names)

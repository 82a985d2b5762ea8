"""From one camera's image messages to rectified images at the size of the buffer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.frame_buffer import difference
from anyview_ros.clips.intake.info_pairing import ImageHeader
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.camera_info import Rectify, lens_from_info
from anyview_ros.imaging.compression import check_compressed, decode_compressed
from anyview_ros.imaging.encodings import check_encoding, decode
from anyview_ros.imaging.lenses import Lens, RectifiedCamera
from anyview_ros.imaging.message_fields import check_header, seconds, stamp_ns
from anyview_ros.imaging.rectification import rectifier
from anyview_ros.imaging.resize import model_size, resize_camera
from anyview_ros.topics import Transport

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

ENOUGH_COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A decoded, rectified and resized image.

    Args:
        image: (H, W, 3) uint8 RGB at the size at which frames are stored, rectified.
        camera: intrinsics of `image`.
        as_sent: the same at the size at which the image came.
        frame_from_cam: (4, 4), of the rectified camera in the frame that the header names.
    """

    image: NDArray[np.uint8]
    camera: Camera
    as_sent: Camera
    frame_from_cam: NDArray[np.float64]


class ImagePreparer:
    """Decodes, rectifies and resizes the images of one camera in one go. Not thread-safe.

    Args:
        topic: of the images; its name may say that they are rectified.
        transport: raw or compressed.
        rectify: see `camera_info.declared_rectified`.
        config: how frames are stored.
        note: called with problems of the calibration, and with its changes.
    """

    def __init__(
        self,
        topic: str,
        transport: Transport,
        rectify: Rectify,
        config: IntakeConfig,
        note: Callable[[AnyviewError], None],
    ) -> None:
        self._topic = topic
        self._rectify = rectify
        self._config = config
        self._note = note
        self._compressed = transport == "compressed"
        self._before: tuple[tuple[int, int], Camera] | None = None
        self.last_camera: tuple[RectifiedCamera, str] | None = None

    def header(self, message: Any) -> ImageHeader:
        """Return what pairing needs of a usable image; nothing is decoded.

        Args:
            message: has the fields of sensor_msgs/Image, or of CompressedImage.

        Raises:
            AnyviewError: why it is not usable.
        """
        check_header(message.header)
        check_size = check_compressed if self._compressed else check_encoding
        width, height = check_size(message)
        stamp = stamp_ns(message.header.stamp)
        return ImageHeader(stamp, message.header.frame_id, width=width, height=height)

    def prepare(self, header: ImageHeader, message: Any, info: CameraInfo) -> PreparedImage:
        """Decode, rectify and resize an image.

        Raises:
            AnyviewError: that the calibration cannot be used, or the image turns out damaged.
        """
        lens = lens_from_info(info, self._rectify, self._topic)
        size = stored_size(self._config, lens.camera)
        way = rectifier(lens, size, self._config.resampler)
        for warning in calibration_warnings(lens, way.coverage, header.frame_id):
            self._note(warning)
        rgb = decode_compressed(message, way.source_size) if self._compressed else decode(message)
        image = way.apply(rgb)
        view = lens.rectified
        camera = resize_camera(view.camera, size, self._config.pixel_rule)
        self._compare(header, camera)
        self.last_camera = view, header.frame_id
        # Where nothing was to do it is the message's memory, which is not ours to keep.
        stored = image.copy() if np.shares_memory(image, rgb) else image
        return PreparedImage(stored, camera, view.camera, view.frame_from_cam)

    def new_epoch(self) -> None:
        """Forget the last calibration: the next image is not compared with it."""
        self._before = None

    def _compare(self, header: ImageHeader, camera: Camera) -> None:
        size, before = (header.width, header.height), self._before
        self._before = size, camera
        if before is None:
            return
        at = seconds(header.stamp_ns)
        if size != before[0]:
            sizes = " to ".join(f"{width}x{height}" for width, height in (before[0], size))
            self._note(AnyviewError("size_changed", f"the images changed from {sizes} at {at}"))
        if change := difference(before[1], camera):
            self._note(
                AnyviewError(
                    "calibration_changed",
                    f"the calibration changed at {at} ({change} at the size it is kept at); "
                    "clips across that time are refused",
                )
            )


def stored_size(config: IntakeConfig, camera: Camera) -> tuple[int, int]:
    """Return (H, W) at which frames are stored: the model's, or larger if they give detail.

    Larger by `source_size`: pixels of the longer side, where the camera has so many; 0 = the
    model's size.

    Args:
        camera: as it sends.
    """
    small = model_size(config, camera)
    if not config.source_size:
        return small
    scale = min(1.0, max(config.source_size, *small) / max(camera.width, camera.height))
    return max(1, round(camera.height * scale)), max(1, round(camera.width * scale))


def calibration_warnings(lens: Lens, coverage: float, frame_id: str) -> Iterator[AnyviewError]:
    """Yield what may be wrong with a calibration that is used nevertheless.

    Args:
        coverage: share of the rectified image that the camera sees.
        frame_id: in the header.
    """
    if coverage < ENOUGH_COVERAGE:
        yield AnyviewError(
            "rectified_border",
            f"{100 - 100 * coverage:.0f} % of the rectified image lies outside of what the camera "
            "sees, and is black; give the driver a P that crops it (calibration with alpha 0)",
        )
    baseline = float(np.linalg.norm(lens.rectified.frame_from_cam[:3, 3]))
    if baseline > 0 and "right" in re.split("[/_]", frame_id):
        yield AnyviewError(
            "stereo_frame",
            f"P puts the camera {baseline:.3f} m beside '{frame_id}', the frame in its header; if "
            "that is its own frame, the baseline counts twice: name the left camera's frame in "
            "the headers, as stereo_image_proc asks, or set P[0][3] to 0",
        )

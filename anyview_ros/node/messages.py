"""ROS messages to values and back: time, images, camera info. Everything doubtful is refused.

The texts name what is wrong with the message; the camera stream adds the topic it came from.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.encodings import check_encoding, decode
from anyview_ros.media.provenance import SYNTHETIC, jpeg

JPEG_QUALITY = 95  # image_transport's
JUMP_NS = 1_000_000_000  # stamps that step back by more are a clock jump, by less a reordering


def stamp_ns(time: Time) -> int:
    """Nanoseconds since the epoch of the clock that stamped the message."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def time_message(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def seconds(duration_ns: int) -> str:
    """Nanoseconds as text for people: "12.300 s"."""
    return f"{duration_ns / 1e9:.3f} s"


def check_header(header: Any) -> None:
    """Refuse the header of an image that cannot be placed in time or space.

    Raises:
        AnyviewError: `zero_stamp`, `empty_frame_id`.
    """
    if stamp_ns(header.stamp) <= 0:
        raise AnyviewError(
            "zero_stamp",
            f"image needs its acquisition time, got stamp {stamp_ns(header.stamp)}; "
            "set header.stamp in the camera driver",
        )
    if not header.frame_id:
        raise AnyviewError(
            "empty_frame_id",
            "image needs the name of its optical frame, got an empty header.frame_id; "
            "set the camera driver's frame_id",
        )


def check_image(message: Any) -> tuple[int, int]:
    """(width, height) of an image whose header and layout are usable; no pixel is touched.

    Raises:
        AnyviewError: as `check_header` and `encodings.check_encoding`.
    """
    check_header(message.header)
    return check_encoding(message)


def rgb_from_image(message: Any) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an image message; for rgb8 a view of the message: read only.

    Raises:
        AnyviewError: as `check_image`.
    """
    check_header(message.header)
    return decode(message)


def image_message(
    image: NDArray[np.uint8] | NDArray[np.float32], stamp_ns: int, frame_id: str
) -> Image:
    """rgb8 message of (H, W, 3) uint8, mono8 and 32FC1 of (H, W) uint8 and float32; one copy."""
    height, width = image.shape[:2]
    encoding = "rgb8" if image.ndim == 3 else "mono8" if image.dtype == np.uint8 else "32FC1"
    message = Image(height=height, width=width, encoding=encoding, step=image.nbytes // height)
    message.is_bigendian = sys.byteorder == "big"
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    pixels = array("B")  # the one type whose elements the setter does not check: 0.9 ms at 1080p
    pixels.frombytes(np.ascontiguousarray(image).view(np.uint8).data)
    message.data = pixels
    return message


def compressed_message(image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> CompressedImage:
    """JPEG of (H, W, 3) synthesized RGB, which says of itself that it is synthetic."""
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")  # as image_transport has it
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    file = array("B")  # see image_message
    file.frombytes(jpeg(image, SYNTHETIC, JPEG_QUALITY))
    message.data = file
    return message


def info_message(camera: Camera, stamp_ns: int, frame_id: str) -> CameraInfo:
    """Camera info of a rectified image: no distortion, R identity, P = [K 0]."""
    message = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob")
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = frame_id
    message.d = [0.0] * 5
    message.k = camera.matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([camera.matrix, np.zeros((3, 1))]).ravel()
    return message

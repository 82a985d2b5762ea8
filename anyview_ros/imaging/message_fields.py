"""Fields of ROS messages as values: time, header, pixels. Messages of rclpy and of bags alike.

The texts name what is wrong with the message; who reads it adds the topic that it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.encodings import check_encoding, decode

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time

JUMP_NS = 1_000_000_000  # stamps that step back by more are a clock jump, by less a reordering


def stamp_ns(time: Time) -> int:
    """Nanoseconds since the epoch of the clock that stamped the message."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


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

"""Messages to values and back, against slow references and the definitions of the messages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging import message_fields
from anyview_ros.node import messages
from tests.node.pixels import raw_message


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_message(stamp_ns: int) -> None:
    assert message_fields.stamp_ns(messages.time_message(stamp_ns)) == stamp_ns


def test_image_message_is_what_the_slow_way_makes() -> None:
    pixels = noise(5, 7, 3)
    fast = messages.image_message(pixels, 1_000_000_000, "front_optical_frame")
    assert fast == raw_message(pixels.reshape(5, -1), "rgb8", (7, 5))
    assert fast.data.typecode == "B"
    upside_down = messages.image_message(pixels[::-1], 1, "a")  # not contiguous
    np.testing.assert_array_equal(message_fields.rgb_from_image(upside_down), pixels[::-1])


def test_images_survive_serialization() -> None:
    pixels = noise(5, 7, 3)
    sent = messages.image_message(pixels, 7, "a")
    received = deserialize_message(serialize_message(sent), Image)
    np.testing.assert_array_equal(message_fields.rgb_from_image(received), pixels)


@pytest.mark.parametrize("check", [message_fields.check_image, message_fields.rgb_from_image])
def test_unusable_headers_are_refused(check: Callable[[Image], object]) -> None:
    message = messages.image_message(noise(4, 6, 3), 0, "front_optical_frame")
    with pytest.raises(AnyviewError, match=r"set header\.stamp in the camera driver") as error:
        check(message)
    assert error.value.code == "zero_stamp"
    message = messages.image_message(noise(4, 6, 3), 1, "")
    with pytest.raises(AnyviewError, match=r"empty header\.frame_id") as error:
        check(message)
    assert error.value.code == "empty_frame_id"


def test_pixels_are_checked_too() -> None:
    message = messages.image_message(noise(4, 6, 3), 1, "a")
    assert message_fields.check_image(message) == (6, 4)
    message.encoding = "16UC1"
    with pytest.raises(AnyviewError, match="got '16UC1'"):
        message_fields.check_image(message)

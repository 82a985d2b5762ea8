"""What a fault does to messages on their way, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from anyview_ros.chaos import effects
from anyview_ros.chaos.effects import Effect, Kind, Passed, times_of
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.imaging.camera_info import lens_from_info
from anyview_ros.imaging.message_fields import check_image
from anyview_ros.node.messages import image_message, info_message, time_message, transform_message

CAMERA = Camera.from_fov(32, 24, 1.2)
SECOND_NS = 1_000_000_000


def image(stamp_ns: int) -> Any:
    return image_message(np.full((24, 32, 3), 9, np.uint8), stamp_ns, "front_optical_frame")


def message(kind: Kind, stamp_ns: int) -> Any:
    if kind == "image":
        return image(stamp_ns)
    if kind == "info":
        return info_message(CAMERA, stamp_ns, "front_optical_frame")
    if kind == "clock":
        return Clock(clock=time_message(stamp_ns))
    return TFMessage(transforms=[transform_message("odom", "base", np.eye(4), stamp_ns)])


def passed(effect: Effect, kind: Kind, stamps_ns: Sequence[int]) -> list[Passed]:
    return [each for ns in stamps_ns for each in effect(kind, "front", message(kind, ns))]


def test_a_share_of_the_images_is_dropped_and_no_info() -> None:
    effect, stamps = effects.dropping(("image",), 0.3), range(1, 1001)
    assert 650 < len(passed(effect, "image", stamps)) < 750
    assert len(passed(effect, "info", stamps)) == 1000
    of_rear = effects.dropping(("image",), cameras=("rear",))
    assert len(passed(of_rear, "image", stamps)) == 1000


def test_images_come_twice_and_only_one_of_them_counts() -> None:
    assert [each.is_whole for each in passed(effects.doubling, "image", [1])] == [True, False]
    assert len(passed(effects.doubling, "tf", [1])) == 1


def test_every_second_image_is_late() -> None:
    late = [each.delay_s for each in passed(effects.reordering(0.15), "image", range(1, 5))]
    assert late == [0.0, 0.15, 0.0, 0.15]
    assert [e.delay_s for e in passed(effects.reordering(0.15), "tf", [1, 2])] == [0.0, 0.0]


def test_some_kinds_are_late() -> None:
    effect = effects.delaying(("tf",), 2.0)
    assert [each.delay_s for each in passed(effect, "tf", [1])] == [2.0]
    assert [each.delay_s for each in passed(effect, "image", [1])] == [0.0]


def test_damaged_images_are_of_every_kind_that_is_refused() -> None:
    codes = []
    for each in passed(effects.damaging_images(), "image", range(1, 13)):
        try:
            check_image(each.message)
        except AnyviewError as error:
            codes.append(error.code)
            assert not each.is_whole
    assert len(codes) == 6
    assert len(set(codes)) >= 4, codes


def test_damaged_camera_infos_are_refused_or_of_another_size() -> None:
    refused = 0
    for each in passed(effects.damaging_infos(), "info", range(1, 5)):
        try:
            lens = lens_from_info(each.message, "auto", "/front/image_raw")
            assert (lens.camera.width, lens.camera.height) == (39, 48)
        except AnyviewError:
            refused += 1
    assert refused == 3


@pytest.mark.parametrize("kind", effects.STAMPED)
def test_everything_that_has_a_time_is_shifted(kind: Kind) -> None:
    back = effects.shifting(-5 * SECOND_NS)
    (each,) = passed(back, kind, [100 * SECOND_NS])
    assert times_of(kind, each.message) == 95 * SECOND_NS
    (each,) = passed(back, kind, [2 * SECOND_NS])
    assert times_of(kind, each.message) == 1, "never 0, which means that it is not set"


def test_static_transforms_have_no_time() -> None:
    (each,) = passed(effects.shifting(SECOND_NS), "static", [7])
    assert times_of("tf", each.message) == 7


def test_a_loop_begins_where_it_began() -> None:
    seen = passed(effects.looping(2 * SECOND_NS), "image", [k * SECOND_NS for k in range(3, 8)])
    assert [times_of("image", each.message) // SECOND_NS for each in seen] == [3, 4, 3, 4, 3]


def test_a_second_opinion_is_added_and_the_first_stays() -> None:
    one, other = passed(effects.contradicting, "tf", [5])
    assert one.message.transforms[0].transform.translation.x == 0.0
    assert other.message.transforms[0].transform.translation.x == effects.FAR_M
    (image,) = passed(effects.contradicting, "image", [5])
    assert (image.is_whole, image.is_placed) == (True, False)

"""Which camera info is an image's, by stamp, frame and size."""

from __future__ import annotations

import pytest

from anyview_ros.clips.intake.info_pairing import ImageHeader, InfoPairing
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.node.messages import info_message

CAMERA = Camera.from_fov(64, 48, 1.2)


@pytest.mark.parametrize("named", ["front_optical", "/front_optical", ""])
@pytest.mark.parametrize("at_ns", [5, 7])
def test_an_info_may_name_the_frame_with_a_slash_or_not_at_all(named: str, at_ns: int) -> None:
    pairing = InfoPairing("/front/camera_info")
    info = info_message(CAMERA, 5, named)
    pairing.add(info)
    image = ImageHeader(at_ns, "front_optical", 64, 48)
    assert pairing.match(image, patient=False) == (info, True)


def test_infos_whose_stamps_are_no_images_are_reported_but_not_a_single_one() -> None:
    """One that is latched holds for all images, and comes by two subscriptions."""
    pairing = InfoPairing("/front/camera_info")
    for _ in range(2):
        pairing.add(info_message(CAMERA, 5, "front_optical"))
    image = ImageHeader(7, "front_optical", 64, 48)
    assert pairing.match(image, patient=False) == (info_message(CAMERA, 5, "front_optical"), True)
    newer = info_message(CAMERA, 6, "front_optical")
    pairing.add(newer)
    assert pairing.match(image, patient=False) == (newer, False)


def test_an_info_of_another_frame_is_refused() -> None:
    pairing = InfoPairing("/front/camera_info")
    pairing.add(info_message(CAMERA, 5, "left_optical"))
    with pytest.raises(AnyviewError, match="got 'front_optical' and 'left_optical'"):
        pairing.match(ImageHeader(5, "front_optical", 64, 48), patient=False)

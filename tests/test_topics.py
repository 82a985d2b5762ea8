"""Which image topics are cameras, and in which order they are chosen: image_proc's."""

from __future__ import annotations

from itertools import permutations

import pytest

from anyview_ros.topics import camera_choices, cameras_of

INFOS = {"/front/camera_info", "/camera/depth/camera_info", "/rig/front/camera_info"}


@pytest.mark.parametrize(
    "order",
    [
        ["image_rect_color", "image_color", "image_raw", "image_rect", "image_mono"],
        ["image_rect_color", "image_raw", "image_rect"],
        ["image_rect", "image_raw"],
        ["image_raw", "image_rect", "image_mono"],  # image_proc makes it of image_mono
        ["image_color", "image_raw"],
        ["image_raw", "image_mono"],
        ["image_raw", "rectangles"],
        ["image", "image_throttled"],
        ["image_a", "image_b"],
    ],
)
def test_the_order_of_choice(order: list[str]) -> None:
    topics = [f"/front/{name}" for name in order]
    for given in permutations(topics):
        assert camera_choices(given, INFOS, "/") == {"front": topics}
    assert cameras_of(topics, INFOS, "/") == {"front": topics[0]}


@pytest.mark.parametrize(
    "topic",
    [
        "/front/detections_image",
        "/front/image_annotated",
        "/front/image_overlay",
        "/front/depth",
        "/camera/depth/image_rect_raw",
        "/virtual/front/image_raw",
        "/rear/image_raw",  # without camera info
    ],
)
def test_what_is_no_camera(topic: str) -> None:
    assert cameras_of([topic], INFOS, "/") == {}


def test_a_camera_info_elsewhere() -> None:
    infos = {"rear": "/front/camera_info"}
    found = camera_choices(["/rear/image_raw"], INFOS, "/", infos)
    assert found == {"rear": ["/rear/image_raw"]}


def test_grey_images_come_after_colour_whatever_their_names() -> None:
    topics = ["/front/image_rect_color", "/front/image_raw"]
    found = camera_choices(topics, INFOS, "/", grey_topics={"/front/image_rect_color"})
    assert found == {"front": topics[::-1]}


def test_names_are_relative_to_the_nodes() -> None:
    assert cameras_of(["/rig/front/image_raw"], INFOS, "/rig") == {"front": "/rig/front/image_raw"}

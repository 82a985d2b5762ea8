"""How cameras are found in the graph and named."""

from __future__ import annotations

import pytest

from anyview_ros.robot.inputs import cameras_of

INFOS = {
    f"{folder}/camera_info" for folder in ("/front", "/rig/left", "/rig/front", "", "/virtual/a")
}


@pytest.mark.parametrize(
    ("images", "namespace", "cameras"),
    [
        (["/front/image_raw"], "/", {"front": "/front/image_raw"}),
        (["/rig/left/image_raw"], "/", {"rig_left": "/rig/left/image_raw"}),
        (["/rig/left/image_raw"], "/rig", {"left": "/rig/left/image_raw"}),
        (["/rig/left/image_raw"], "/ri", {"rig_left": "/rig/left/image_raw"}),
        (["/image_raw"], "/", {"camera": "/image_raw"}),
        (["/front/image_raw", "/front/image_rect"], "/", {"front": "/front/image_rect"}),
        (["/front/image_b", "/front/image_a"], "/", {"front": "/front/image_a"}),
        (["/rear/image_raw"], "/", {}),
        (["/virtual/a/image_raw"], "/", {}),
        (
            ["/rig/front/image_raw", "/front/image_raw"],
            "/rig",
            {"front": "/front/image_raw"},
        ),
    ],
)
def test_cameras_are_image_topics_with_a_camera_info_beside_them(
    images: list[str], namespace: str, cameras: dict[str, str]
) -> None:
    assert cameras_of(images, INFOS, namespace) == cameras

"""Values refuse what cannot be, by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame

CAMERA = Camera.from_fov(8, 6, 1.0)


def frame(stamp_ns: int, camera: Camera = CAMERA) -> Frame:
    return Frame(stamp_ns, np.zeros((camera.height, camera.width, 3), np.uint8), camera, np.eye(4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0}, "image size must be 1..8192"),
        ({"height": 100000}, "100000"),
        ({"fx": 0.0}, "uncalibrated"),
        ({"cy": float("nan")}, "finite"),
    ],
)
def test_impossible_cameras(changes, words):
    fields = {"width": 8, "height": 6, "fx": 5.0, "fy": 5.0, "cx": 3.5, "cy": 2.5}
    with pytest.raises(AnyviewError, match=words) as caught:
        Camera(**{**fields, **changes})
    assert caught.value.code == "invalid_camera"


@pytest.mark.parametrize("fov", [0.0, -1.0, 3.2, float("nan")])
def test_impossible_field_of_view(fov):
    with pytest.raises(AnyviewError, match="field of view"):
        Camera.from_fov(8, 6, fov)


@given(st.integers(8, 200), st.integers(8, 200))
def test_resizing_keeps_the_rays_of_the_image_borders(width, height):
    camera = Camera(64, 48, 50.0, 60.0, 30.0, 20.0)
    small = camera.resized(width, height)
    for side, edge in ((camera, (-0.5, 63.5)), (small, (-0.5, width - 0.5))):
        tangents = [(x - side.cx) / side.fx for x in edge]
        np.testing.assert_allclose(tangents, [(-0.5 - 30) / 50, (63.5 - 30) / 50])


@pytest.mark.parametrize("count", [0, 2, 4, 8])
def test_a_clip_has_one_and_four_k_frames(count):
    with pytest.raises(AnyviewError, match=f"got {count}"):
        Clip(tuple(frame(i) for i in range(count)))


def test_a_clip_is_in_time_order_and_of_one_size():
    with pytest.raises(AnyviewError, match="stamps must increase"):
        Clip(tuple(frame(stamp) for stamp in (1, 2, 2, 3, 4)))
    other = Camera.from_fov(10, 6, 1.0)
    with pytest.raises(AnyviewError, match=r"\(8, 6\), \(10, 6\)"):
        Clip((*(frame(stamp) for stamp in range(4)), frame(4, other)))


def test_a_held_clip_stays_held_when_its_frames_change():
    changes = []

    def later(one):
        changes.append(one)
        return frame(one.stamp_ns + 1)

    held = Clip.held(frame(7), 5).changed(later)
    assert held.is_held
    assert held.stamps_ns == (8,) * 5
    assert len(changes) == 1
    moving = Clip(tuple(frame(stamp) for stamp in range(5))).changed(later)
    assert moving.stamps_ns == (1, 2, 3, 4, 5)

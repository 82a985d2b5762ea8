"""Wrong stamps, stale pixels and missing parts are seen; what is well is not accused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.chaos.sightings import REMEMBERED, SETTLED_S, Published, SentFrames, thumbnail

PERIOD_NS = 100_000_000
STAMPS = [k * PERIOD_NS for k in range(10, 40)]
NOW_S = 100.0


def picture(stamp_ns: int) -> NDArray[np.uint8]:
    """(48, 64, 3): a texture that moves to the right, 4 pixels a period."""
    texture = np.random.default_rng(1).integers(0, 256, (6, 40), np.uint8)
    wide = np.kron(texture, np.ones((8, 8), np.uint8))
    left = stamp_ns // PERIOD_NS * 4
    return np.repeat(wide[:, left : left + 64, None], 3, axis=2)


@pytest.fixture
def sent() -> dict[str, SentFrames]:
    frames = SentFrames()
    for stamp in STAMPS:
        frames.add(stamp, thumbnail(picture(stamp)), stamp / 1e9)
    return {"front": frames}


def test_a_frame_of_an_image_that_was_sent_is_right(sent: dict[str, SentFrames]) -> None:
    echo = Published("echo", "front")
    for stamp in STAMPS:
        assert list(echo.add_info(stamp, [("front", stamp)], sent, NOW_S)) == []
        seen = thumbnail(picture(stamp) // 2 + 40)  # darker, and of less contrast
        assert list(echo.add_image(stamp, seen, sent, NOW_S)) == []
    assert echo.count == len(STAMPS)


def test_wrong_stamps(sent: dict[str, SentFrames]) -> None:
    echo, stamp = Published("echo"), STAMPS[3]
    never, _ = echo.add_info(stamp + 1, [("front", stamp + 1)], sent, NOW_S)
    assert "never sent" in never
    (other,) = echo.add_info(stamp, [("front", STAMPS[2])], sent, NOW_S)
    assert f"a frame of {stamp} was made of one of {STAMPS[2]}" in other
    (twice,) = echo.add_info(stamp, [("front", stamp)], sent, NOW_S)
    assert f"stamp {stamp} was published 2 times" in twice
    (unknown,) = echo.add_info(STAMPS[5], [("front", STAMPS[5]), ("rear", 7)], sent, NOW_S)
    assert "'rear'" in unknown


def test_a_stamp_comes_again_where_the_clock_jumped_back(sent: dict[str, SentFrames]) -> None:
    echo, stamp = Published("echo"), STAMPS[0]
    sent["front"].add(stamp, thumbnail(picture(stamp)), NOW_S)
    for _ in range(2):
        assert list(echo.add_info(stamp, [("front", stamp)], sent, NOW_S)) == []
    assert list(echo.add_info(stamp, [("front", stamp)], sent, NOW_S))
    echo.new_life(NOW_S)
    assert list(echo.add_info(stamp, [("front", stamp)], sent, NOW_S)) == []


def test_a_stamp_comes_again_where_the_first_time_is_forgotten() -> None:
    """As when the robot starts again, and so few frames are published that theirs are not."""
    echo, frames, black = Published("echo"), SentFrames(), thumbnail(picture(0))
    for k in range(REMEMBERED):
        frames.add(k + 1, black, NOW_S + k)
    assert list(echo.add_info(1, [("front", 1)], {"front": frames}, NOW_S)) == []
    assert list(echo.add_info(1, [("front", 1)], {"front": frames}, NOW_S + 1)), "it was sent once"
    for k in range(REMEMBERED):
        frames.add(k + 1, black, NOW_S + REMEMBERED + k)
    assert list(echo.add_info(1, [("front", 1)], {"front": frames}, NOW_S + 2 * REMEMBERED)) == []


def test_parts_of_a_stamp_that_comes_again_may_come_in_any_order() -> None:
    """Each has a topic of its own; the origin tells that the first time is forgotten."""
    echo, frames, black = Published("echo"), SentFrames(), thumbnail(picture(0))
    for now_s in (NOW_S, NOW_S + 2 * REMEMBERED):
        for k in range(REMEMBERED):
            frames.add(k + 1, black, now_s + k)
        sent, came_s = {"front": frames}, now_s + REMEMBERED
        list(echo.add_image(1, None, sent, came_s))
        echo.add_camera(1, came_s)
        assert list(echo.add_info(1, [("front", 1)], sent, came_s)) == []
        assert list(echo.unpaired(came_s + SETTLED_S)) == []
    list(echo.add_info(1, [("front", 1)], {}, NOW_S + 4 * REMEMBERED))
    without_image, without_camera = echo.unpaired(NOW_S + 4 * REMEMBERED + SETTLED_S)
    assert "without image" in without_image
    assert "without camera info" in without_camera


def test_a_stale_picture(sent: dict[str, SentFrames]) -> None:
    echo = Published("echo", "front")
    old = thumbnail(picture(STAMPS[2]) // 8 + 180)  # bright, and of hardly any contrast
    (stale,) = echo.add_image(STAMPS[-1], old, sent, NOW_S)
    assert f"shows {STAMPS[2]}" in stale
    own = thumbnail(picture(STAMPS[-2]))  # of the same latent frame
    assert list(echo.add_image(STAMPS[-1], own, sent, NOW_S)) == []
    aside = Published("beside")
    assert list(aside.add_image(STAMPS[-1], None, sent, NOW_S)) == []


def test_where_tf_contradicts_itself_no_picture_is_stale() -> None:
    """Nor of the frames that are made of those then; of later ones it is."""
    frames, echo = SentFrames(), Published("echo", "front")
    stamps = [10**9 + k * 10**8 for k in range(60)]
    for k, stamp in enumerate(stamps):
        frames.add(stamp, None if 20 <= k < 40 else thumbnail(picture(stamp)), NOW_S)
    old, sent = thumbnail(picture(stamps[0])), {"front": frames}
    stale = [k for k in range(60) if list(echo.add_image(stamps[k], old, sent, NOW_S))]
    assert set(stale).isdisjoint(range(10, 50))
    assert set(stale) >= set(range(50, 60))


def test_a_scene_that_stands_still_is_not_stale() -> None:
    frames, seen = SentFrames(), thumbnail(picture(STAMPS[0]))
    for stamp in STAMPS:
        frames.add(stamp, seen, NOW_S)
    echo = Published("echo", "front")
    assert list(echo.add_image(STAMPS[-1], seen, {"front": frames}, NOW_S)) == []


def test_parts_that_are_missing_are_told_once_they_should_have_come() -> None:
    echo = Published("echo")
    echo.new_life(0.0)
    echo.add_camera(STAMPS[0], NOW_S)
    list(echo.add_image(STAMPS[0], None, {}, NOW_S))
    assert list(echo.unpaired(NOW_S + SETTLED_S / 2)) == []
    (missing,) = echo.unpaired(NOW_S + SETTLED_S)
    assert "1 frames without origin" in missing
    assert list(echo.unpaired(NOW_S + SETTLED_S)) == [], "it was told"

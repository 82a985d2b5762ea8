"""What a camera saw before: the same for a clip however late it is made, and balanced accounts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.clips.frame_buffer import BufferLimits, FrameBuffer
from anyview_ros.clips.keyframe_store import LEAST_AGE_NS, MemoryLimits
from anyview_ros.clips.ledger import Ledger
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import rigid

MS = 1_000_000
SECOND = 1000 * MS
CAMERA = Camera.from_fov(8, 6, 1.0)
FRAME_BYTES = 8 * 6 * 3
BUFFERED = BufferLimits(max_age_ns=2 * SECOND, max_frames=10**6, max_bytes=10**9)
LONG = replace(BUFFERED, max_age_ns=20 * SECOND)
REMEMBERED = MemoryLimits(max_age_ns=5 * SECOND, max_bytes=10**9, jump_m=2.0)


class Remembering:
    """A camera whose frames go into a buffer of two seconds and a memory of five."""

    def __init__(
        self, limits: MemoryLimits = REMEMBERED, buffered: BufferLimits = BUFFERED
    ) -> None:
        self.ledger = Ledger()
        self.notes: list[AnyviewError] = []
        self.buffer = FrameBuffer("/front", buffered, self.ledger, limits, self.notes.append)

    def see(self, stamp_ns: int, x: float, camera: Camera = CAMERA, yaw: float = 0.0) -> None:
        turn = [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
        image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.ledger.accept()
        self.buffer.add(Frame(stamp_ns, image, camera, rigid(turn, (x, 0, 0))))

    def drive(self, begin_ms: int, end_ms: int, speed: float = 1.0, x: float = 0.0) -> None:
        """Frames at 10 Hz; metres a second, and metres at time 0."""
        for at_ms in range(begin_ms, end_ms, 100):
            self.see(at_ms * MS, x + speed * at_ms / 1000)

    def keyframes_ms(self, first_ms: int, last_ms: int = 0) -> list[int]:
        """Stamps of what a clip may use."""
        found = self.buffer.keyframes(first_ms * MS, (last_ms or first_ms + 800) * MS)
        return [frame.stamp_ns // MS for frame in found]


@pytest.fixture
def camera() -> Remembering:
    return Remembering()


def test_one_in_each_half_second_outlives_the_buffer(camera: Remembering) -> None:
    camera.drive(1000, 9000)
    assert camera.buffer.oldest_ns == 6900 * MS
    assert camera.keyframes_ms(7000) == list(range(2000, 6501, 500))
    assert camera.keyframes_ms(7099) == list(range(2500, 6501, 500)), "five seconds before it"


def test_a_camera_that_stands_is_remembered_as_it_was_last(camera: Remembering) -> None:
    camera.drive(1000, 3000)
    camera.drive(3000, 8000, speed=0.0, x=3.0)
    assert camera.keyframes_ms(7000) == [2000, 2500, 6500]
    camera.drive(8000, 20000, speed=0.0, x=3.0)
    assert camera.keyframes_ms(19000) == [18500]
    assert camera.buffer.remembered < 10


def test_a_slow_camera_moves_too(camera: Remembering) -> None:
    """Each keyframe is within what counts as standing of the one before."""
    camera.drive(1000, 8000, speed=0.02)
    assert len(camera.keyframes_ms(7000)) > 3


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([40, 100, 160, 700]), st.sampled_from([0.0, 0.0, 0.1, 3.0])),
        min_size=30,
        max_size=120,
    ),
    max_frames=st.sampled_from([3, 1000]),
)
def test_a_clip_has_the_same_past_however_late_it_is_made(
    steps: list[tuple[int, float]], max_frames: int
) -> None:
    """As long as its frames are in the buffer; and every frame is accounted for."""
    limits = MemoryLimits(5 * SECOND, max_frames * FRAME_BYTES, jump_m=2.0)
    camera = Remembering(limits)
    known: dict[int, list[int]] = {}
    at_ms, x = 1000, 0.0
    for after_ms, moved in steps:
        at_ms, x = at_ms + after_ms, x + moved
        camera.see(at_ms * MS, x)
        snapshot = camera.ledger.snapshot()
        assert snapshot.balanced
        assert snapshot.buffered >= len(camera.buffer)
        known[at_ms] = camera.keyframes_ms(at_ms, at_ms)
        for first_ms, stamps in known.items():
            if first_ms * MS >= (camera.buffer.oldest_ns or 0):
                assert camera.keyframes_ms(first_ms, first_ms) == stamps
        assert all(a < b for a, b in pairwise(known[at_ms]))
        assert all(stamp <= at_ms - LEAST_AGE_NS // MS for stamp in known[at_ms])
        assert len(known[at_ms]) <= max_frames
        assert snapshot.buffered <= len(camera.buffer) + 14 + 5


def test_what_its_bytes_do_not_hold_is_counted_and_told() -> None:
    camera = Remembering(MemoryLimits(5 * SECOND, 4 * FRAME_BYTES, jump_m=2.0))
    camera.drive(1000, 9000)
    assert camera.keyframes_ms(7000) == [5000, 5500, 6000, 6500], "the newest ones"
    assert {note.code for note in camera.notes} == {"memory_full"}
    assert camera.notes[-1].message == (
        "5 keyframes were let go before they were 5.000 s old, for their 0 MB; lower source_size "
        "or memory_s"
    )
    assert camera.ledger.snapshot().balanced


def test_where_the_fixed_frame_jumps_what_was_before_is_not_used(camera: Remembering) -> None:
    camera.drive(1000, 5000, speed=20.0)
    camera.drive(5000, 8000, speed=20.0, x=3.0)
    assert [note.code for note in camera.notes] == ["fixed_frame_jumped"]
    assert "at 5.000 s the camera is 3.0 m and 0 degrees from where" in camera.notes[0].message
    assert camera.keyframes_ms(6500) == [5000, 5500, 6000]
    assert camera.keyframes_ms(4500, 5300) == [], "nor by a clip across it"
    assert camera.keyframes_ms(4100, 4900) == [1000, 1500, 2000, 2500, 3000, 3500]
    camera.drive(8000, 12000, speed=20.0, x=3.0)
    assert min(camera.keyframes_ms(11000)) == 6000


def test_fast_and_accelerating_is_no_jump(camera: Remembering) -> None:
    """60 m/s, braking with three times the weight, then turning on the spot."""
    for k in range(30):
        t = k / 10
        camera.see((1000 + 100 * k) * MS, 60 * t - 15 * t**2 if t < 2 else 60.0, yaw=max(0, t - 2))
    assert camera.notes == []


def test_a_turn_that_nothing_explains_is_a_jump(camera: Remembering) -> None:
    camera.drive(1000, 2000)
    camera.see(2000 * MS, 2.0, yaw=0.8)
    assert "0.0 m and 46 degrees" in camera.notes[0].message


def test_a_steady_turn_is_no_jump_and_hides_none(camera: Remembering) -> None:
    """1.2 radians a second, in steps of up to 34 degrees; then a radian more at once."""
    for at_ms in (1000, 1400, 1500, 2000, 2500, 2600):
        camera.see(at_ms * MS, 0.0, yaw=1.2 * at_ms / 1000)
    assert camera.notes == []
    camera.see(2700 * MS, 0.0, yaw=1.2 * 2.7 + 1.0)
    assert "0.0 m and 57 degrees" in camera.notes[0].message


@pytest.mark.parametrize(("degrees", "notes"), [(29.5, 0), (30.5, 1)])
def test_thirty_degrees_at_once_are_a_jump(camera: Remembering, degrees: float, notes: int) -> None:
    camera.drive(1000, 2000)
    camera.see(2000 * MS, 2.0, yaw=np.radians(degrees))
    assert len(camera.notes) == notes


def test_a_frame_that_comes_late_is_no_keyframe_and_no_jump(camera: Remembering) -> None:
    camera.drive(1000, 3000)
    camera.see(2450 * MS, 90.0)
    camera.drive(3000, 4000)
    assert camera.notes == []
    assert camera.keyframes_ms(4000) == [1000, 1500, 2000, 2500, 3000, 3500]


def test_a_long_drive_takes_no_more_memory_and_keyframes_stay_whole(camera: Remembering) -> None:
    """Jumps and small frames go with the last keyframe that needs them."""
    for begin_ms in range(1000, 61_000, 3000):
        camera.drive(begin_ms, begin_ms + 3000, x=0.01 * begin_ms)  # and 30 m more each time
    camera.drive(61_000, 69_000, x=600.0)
    assert len(camera.notes) == 20
    store = camera.buffer._keyframes
    assert len(store) == 16
    assert len(store._around) <= 5 * 9
    assert len(store._jumps) <= 2
    oldest = camera.buffer.keyframes(65_900 * MS, 66_000 * MS)[0]
    assert oldest.stamp_ns == 61_000 * MS
    around = camera.buffer.held(oldest, 9).around
    assert [frame.stamp_ns // MS for frame in around] == [61_200, 61_400], "since the last jump"


def test_after_a_pause_a_camera_may_be_anywhere(camera: Remembering) -> None:
    camera.drive(1000, 2000)
    camera.see(2600 * MS, 30.0)
    assert camera.notes == []


def test_another_calibration_leaves_what_was_seen_before(camera: Remembering) -> None:
    camera.drive(1000, 3000)
    for at_ms in range(3000, 6000, 100):
        camera.see(at_ms * MS, at_ms / 1000, CAMERA.resized(16, 12))
    found = camera.buffer.keyframes(5000 * MS, 5800 * MS)
    assert {frame.image.shape for frame in found} == {(6, 8, 3), (12, 16, 3)}
    assert all(frame.image.shape[1] == frame.camera.width for frame in found)


def both_ways_ms(camera: Remembering, first_ms: int, last_ms: int) -> list[int]:
    """Stamps of what a clip may use of the time before and after it."""
    found = camera.buffer.keyframes(first_ms * MS, last_ms * MS, after=True)
    return [frame.stamp_ns // MS for frame in found]


def test_a_recording_is_remembered_both_ways() -> None:
    camera = Remembering(buffered=LONG)
    camera.drive(1000, 9000)
    before, after = list(range(1000, 3501, 500)), list(range(5500, 8501, 500))
    assert both_ways_ms(camera, 4000, 4800) == before + after
    assert camera.keyframes_ms(4000, 4800) == before
    assert both_ways_ms(camera, 4000, 5000)[-7:] == after
    assert both_ways_ms(camera, 4000, 5001)[-7:] == [3500, *after[1:]]
    camera.drive(9000, 12000)
    assert both_ways_ms(camera, 4000, 4800)[-1] == 9500, "five seconds after it"
    assert both_ways_ms(camera, 4000, 5000)[-1] == 10000


def test_after_a_clip_the_first_of_a_place_is_taken_up_to_the_next_jump() -> None:
    camera = Remembering(buffered=LONG)
    camera.drive(1000, 3000)
    camera.drive(3000, 6000, speed=0.0, x=3.0)
    camera.drive(6000, 7200, x=-3.0)
    assert both_ways_ms(camera, 1800, 2400)[1:] == [3000, 6500, 7000]
    camera.drive(7200, 9000, x=40.0)  # elsewhere at once
    assert len(camera.notes) == 1
    assert both_ways_ms(camera, 1800, 2400)[1:] == [3000, 6500, 7000]
    assert both_ways_ms(camera, 7300, 7400) == [8000, 8500]


def test_after_a_clip_the_nearest_are_taken_that_the_bytes_hold() -> None:
    camera = Remembering(MemoryLimits(5 * SECOND, 3 * FRAME_BYTES, jump_m=2.0), LONG)
    camera.drive(1000, 12000)
    assert both_ways_ms(camera, 7200, 7300) == [5500, 6000, 6500, 8000, 8500, 9000]


def quarter(frame: Frame) -> Frame:
    return replace(frame, image=frame.image[::2, ::2], camera=frame.camera.resized(4, 3))


def test_small_frames_about_a_keyframe_come_with_it() -> None:
    """Take those of half a second before and after, on this side of a jump."""
    camera = Remembering(replace(REMEMBERED, small=quarter), LONG)
    camera.drive(1000, 5300)
    camera.drive(5300, 9000, x=40.0)

    def around_ms(at_ms: int) -> list[int]:
        keyframe = camera.buffer.nearest(at_ms * MS)
        assert keyframe is not None
        around = camera.buffer.held(keyframe, 9).around
        assert {frame.image.shape for frame in around} == {(3, 4, 3)}
        return [frame.stamp_ns // MS for frame in around]

    assert around_ms(4000) == [3600, 3800, 4200, 4400]
    assert around_ms(4500) == [4000, 4200, 4400, 4600, 4800, 5000]
    assert around_ms(5000) == [4600, 4800, 5200]
    assert around_ms(5500) == [5400, 5600, 5800, 6000]


def test_keyframes_go_with_their_epoch_and_used_ones_are_counted(camera: Remembering) -> None:
    camera.drive(1000, 9000)
    camera.buffer.held(camera.buffer.keyframes(7000 * MS, 7800 * MS)[0], 9)
    camera.buffer.clear()
    snapshot = camera.ledger.snapshot()
    assert (snapshot.buffered, snapshot.retired_used, snapshot.balanced) == (0, 1, True)
    assert camera.keyframes_ms(7000) == []
    assert camera.buffer.remembered == 0


def test_without_a_memory_nothing_is_kept() -> None:
    camera = Remembering(MemoryLimits(0, 0, 0.0))
    camera.drive(1000, 9000, speed=100.0)
    assert camera.keyframes_ms(7000) == []
    assert camera.ledger.snapshot().buffered == len(camera.buffer)


def test_frames_around_a_keyframe_have_one_size(camera: Remembering) -> None:
    """Also where the shape of the camera's images changed amid them: they travel as one array."""
    camera.drive(0, 1500)
    for at_ms in range(1500, 4000, 100):
        camera.see(at_ms * MS, at_ms / 1000, Camera.from_fov(8, 8, 1.0))
    kept = camera.buffer.keyframes(3900 * MS, 3900 * MS)
    assert len(kept) > 2
    for frame in kept:
        around = camera.buffer.held(frame, 9).around
        assert {each.image.shape for each in around} == {frame.image.shape}

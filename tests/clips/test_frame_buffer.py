"""The recent past of a camera: bounds, accounts, and clips against a brute-force reference."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.clips.frame_buffer import BufferLimits, FrameBuffer
from anyview_ros.clips.ledger import Ledger
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.time_grid import GridFilter, times_before

MS = 1_000_000
CAMERA = Camera.from_fov(8, 6, 1.0)
WIDE = BufferLimits(max_age_ns=10**12, max_frames=10**6, max_bytes=10**9)


def frame(stamp_ns: int) -> Frame:
    return Frame(stamp_ns, np.zeros((6, 8, 3), np.uint8), CAMERA, np.eye(4))


def filled(stamps_ns: list[int], limits: BufferLimits = WIDE) -> FrameBuffer:
    ledger = Ledger()
    buffer = FrameBuffer("/front/image_raw", limits, ledger)
    for stamp in stamps_ns:
        ledger.accept()
        buffer.add(frame(stamp))
    return buffer


def every(period_ms: int, count: int, start_ms: int = 1000) -> list[int]:
    return [(start_ms + k * period_ms) * MS for k in range(count)]


def refused(buffer: FrameBuffer, *request: int) -> AnyviewError:
    with pytest.raises(AnyviewError) as error:
        buffer.clip(*request)
    return error.value


def test_a_clip_of_a_steady_stream_is_its_last_frames() -> None:
    stamps = every(100, 20)
    clip = filled(stamps).clip(0, 5, 100 * MS)
    assert clip.stamps_ns == tuple(stamps[-5:])


def test_every_third_frame_of_a_fast_stream() -> None:
    stamps = every(33, 40)
    clip = filled(stamps).clip(stamps[30], 5, 99 * MS)
    assert clip.stamps_ns == tuple(stamps[30 - 12 : 31 : 3])


def test_the_end_may_lie_between_frames_and_behind_the_newest() -> None:
    stamps = every(100, 20)
    buffer = filled(stamps)
    assert buffer.clip(stamps[10] + 40 * MS, 5, 100 * MS).stamps_ns == tuple(stamps[6:11])
    assert buffer.clip(stamps[-1] + 50 * MS, 5, 100 * MS).stamps_ns == tuple(stamps[-5:])


def test_a_frame_is_on_the_grid_up_to_half_a_period_and_a_hundredth_away() -> None:
    buffer = filled([1000 * MS])
    for end_ms in (949, 1051):
        assert buffer.clip(end_ms * MS, 1, 100 * MS).stamps_ns == (1000 * MS,)
    assert refused(buffer, 1052 * MS, 1, 100 * MS).code == "not_yet"
    assert refused(buffer, 948 * MS, 1, 100 * MS).code == "too_old"


def test_times_before_the_first_frame_that_may_move_show_it_standing() -> None:
    """By their own stamps; those within half a period of it are its own."""
    buffer = filled(every(100, 20))
    clip = buffer.clip(1200 * MS, 5, 100 * MS, hold_before_ns=1000 * MS)
    assert clip.stamps_ns == tuple(every(100, 5, start_ms=800))
    assert [id(f.image) for f in clip.frames[:3]] == [id(clip.frames[0].image)] * 3
    assert len({id(f.image) for f in clip.frames}) == 3
    assert times_before(651 * MS, 1000 * MS, 5, 100 * MS) == []
    assert times_before(652 * MS, 1000 * MS, 5, 100 * MS) == [600 * MS]
    assert times_before(0, 1000 * MS, 5, 100 * MS) == []


def test_of_two_that_are_equally_near_the_earlier_is_taken() -> None:
    buffer = filled([1000 * MS, 1100 * MS, 1200 * MS])
    for at_ms, stamp_ms in ((1, 1000), (1050, 1000), (1051, 1100), (1150, 1100), (9000, 1200)):
        nearest = buffer.nearest(at_ms * MS)
        assert nearest is not None
        assert nearest.stamp_ns == stamp_ms * MS
    assert filled([]).nearest(1) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (CAMERA, ""),
        (replace(CAMERA, fx=CAMERA.fx + 0.079), ""),  # a hundredth of 8 pixels
        (replace(CAMERA, fx=CAMERA.fx - 0.081), r"fx 7\.3 to 7\.2"),
        (replace(CAMERA, fy=CAMERA.fy + 1.0), r"fy 7\.3 to 8\.3"),
        (replace(CAMERA, cx=CAMERA.cx + 1.0), r"cx 3\.5 to 4\.5"),
        (replace(CAMERA, cy=CAMERA.cy - 1.0), r"cy 2\.5 to 1\.5"),
        (replace(CAMERA, width=4), "size 8x6 to 4x6"),
        (replace(CAMERA, height=3), "size 8x6 to 8x3"),
    ],
)
def test_a_clip_is_of_one_camera(changed: Camera, said: str) -> None:
    ledger = Ledger()
    buffer = FrameBuffer("/front", WIDE, ledger)
    told = []
    for k, camera in enumerate((CAMERA, CAMERA, *[changed] * 3), start=10):
        ledger.accept()
        image = np.zeros((camera.height, camera.width, 3), np.uint8)
        told.append(buffer.add(Frame(k * 100 * MS, image, camera, np.eye(4))))
    assert told == [False, False, bool(said), False, False]
    assert len(buffer.clip(1100 * MS, 1, 100 * MS)) == 1
    if not said:
        assert len(buffer.clip(0, 5, 100 * MS)) == 5
        return
    with pytest.raises(AnyviewError, match=rf"'/front' changed at 1\.200 s \({said} at") as refusal:
        buffer.clip(0, 5, 100 * MS)
    assert refusal.value.code == "calibration_changed"


def test_after_a_jump_of_the_clock_waiting_helps_again() -> None:
    ledger = Ledger()
    buffer = FrameBuffer("/front", BufferLimits(10**12, 8, 10**9), ledger)
    for stamp in (*every(100, 17), 50 * MS):
        if stamp == 50 * MS:
            assert "raise buffer_s" in refused(buffer, 0, 41, 100 * MS).message
            buffer.clear()
        ledger.accept()
        buffer.add(frame(stamp))
    assert refused(buffer, 0, 41, 100 * MS).message.endswith("; wait 4.0 s")


def test_frames_that_come_late_find_their_place() -> None:
    buffer = filled([1000 * MS, 1200 * MS, 1100 * MS, 1400 * MS, 1300 * MS])
    assert buffer.clip(0, 5, 100 * MS).stamps_ns == tuple(every(100, 5))


@settings(max_examples=300, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 30), min_size=1, max_size=30),
    end=st.integers(0, 400),
    num_frames=st.sampled_from([1, 5, 9]),
    period=st.integers(2, 40),
)
def test_clips_are_those_of_the_definition(
    gaps: list[int], end: int, num_frames: int, period: int
) -> None:
    stamps = (np.cumsum(gaps) * MS).tolist()
    buffer = filled(stamps)
    end_ns = end * MS or stamps[-1]
    grid = [end_ns - k * period * MS for k in reversed(range(num_frames))]
    nearest = [min(stamps, key=lambda stamp: abs(stamp - at)) for at in grid]
    reach = 0.51 * period * MS
    found = all(abs(s - at) <= reach for s, at in zip(nearest, grid, strict=True))
    if found and len(set(nearest)) == num_frames:
        assert buffer.clip(end * MS, num_frames, period * MS).stamps_ns == tuple(nearest)
    else:
        refused(buffer, end * MS, num_frames, period * MS)


def test_an_empty_buffer_is_named() -> None:
    error = refused(filled([]), 0, 5, 100 * MS)
    assert error.code == "empty_buffer"
    assert "need 5 frames, have none of '/front/image_raw'" in error.message


def test_too_few_frames_say_how_long_to_wait() -> None:
    buffer = filled(every(100, 17, start_ms=10700))
    error = refused(buffer, 0, 41, 100 * MS)
    assert error.code == "too_few_frames"
    assert error.message == (
        "need 41 frames until 12.300 s, have 17 of '/front/image_raw'; wait 2.4 s"
    )


def test_waiting_is_not_advised_where_it_does_not_help() -> None:
    stamps = every(100, 17)
    error = refused(filled(stamps), stamps[-1], 41, 100 * MS)
    assert error.message.endswith("; ask for an end_time from 5.000 s on")
    short = BufferLimits(max_age_ns=2000 * MS, max_frames=100, max_bytes=10**9)
    error = refused(filled(stamps, short), 0, 41, 100 * MS)
    assert error.message.endswith("; raise buffer_s (the clip is 4.000 s long)")
    few = BufferLimits(max_age_ns=10**12, max_frames=8, max_bytes=10**9)
    error = refused(filled(stamps, few), 0, 41, 100 * MS)
    assert re.search("have 8 of .* raise buffer_s", error.message)
    large = BufferLimits(max_age_ns=10**12, max_frames=100, max_bytes=8 * 6 * 8 * 3)
    error = refused(filled(stamps, large), 0, 41, 100 * MS)
    assert re.search("have 8 of .* lower source_size", error.message)


def test_an_end_outside_of_the_buffer_is_named() -> None:
    stamps = every(100, 20)
    error = refused(filled(stamps), stamps[-1] + 500 * MS, 5, 100 * MS)
    assert error.code == "not_yet"
    assert (
        "need frames until 3.400 s, the newest of '/front/image_raw' is of 2.900 s; wait 0.500 s"
        in (error.message)
    )
    error = refused(filled(stamps), stamps[0] - 500 * MS, 5, 100 * MS)
    assert error.code == "too_old"
    assert "until 0.500 s, the oldest kept of '/front/image_raw' is of 1.000 s" in error.message


def test_a_gap_is_named() -> None:
    stamps = every(100, 20)
    del stamps[15]
    error = refused(filled(stamps), 0, 9, 100 * MS)
    assert error.code == "clip_gap"
    assert "no frame of '/front/image_raw' within half a period of 2.500 s" in error.message
    assert "frames come every 0.100 s (longest pause 0.200 s)" in error.message
    assert error.message.endswith(": ask for an end_time away from the pause")


def test_a_camera_slower_than_clips_is_named() -> None:
    error = refused(filled(every(200, 20)), 0, 9, 100 * MS)
    assert error.message.endswith(
        "frames come every 0.200 s (longest pause 0.200 s), a clip of this model has one every "
        "0.100 s: raise the camera's rate to 10.0 Hz or more"
    )


def test_a_camera_that_is_a_little_slower_than_clips_has_no_pause() -> None:
    error = refused(filled(every(120, 20)), 0, 9, 100 * MS)
    assert error.message.endswith(": raise the camera's rate to 10.0 Hz or more")


def test_a_duplicate_is_named() -> None:
    # 1.05 s is nearest to both 1.00 s and 1.10 s.
    buffer = filled([stamp * MS for stamp in (800, 900, 1050, 1200, 1300, 1400)])
    error = refused(buffer, 1400 * MS, 5, 100 * MS)
    assert error.code == "clip_duplicate"
    assert "the frame of 1.050 s of '/front/image_raw' is the nearest to two times" in error.message


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (BufferLimits(500 * MS, 1000, 10**9), 6),
        (BufferLimits(10**12, 7, 10**9), 7),
        (BufferLimits(10**12, 1000, 8 * 6 * 8 * 3), 8),
        (BufferLimits(1, 1000, 10**9), 1),
        (BufferLimits(10**12, 1000, 1), 1),  # the newest stays, whatever its size
    ],
)
def test_the_buffer_is_bounded_in_time_frames_and_bytes(limits: BufferLimits, kept: int) -> None:
    stamps = every(100, 20)
    buffer = filled(stamps, limits)
    assert len(buffer) == kept
    assert (buffer.oldest_ns, buffer.newest_ns) == (stamps[-kept], stamps[-1])


def test_limits_must_be_positive() -> None:
    with pytest.raises(AnyviewError, match=r"must be positive, got .*max_frames=0"):
        BufferLimits(1, 0, 1)


def test_clearing_starts_an_epoch() -> None:
    buffer = filled(every(100, 20))
    epoch = buffer.epoch
    buffer.clear()
    assert (len(buffer), buffer.oldest_ns, buffer.newest_ns) == (0, None, None)
    assert buffer.epoch == epoch + 1
    assert refused(buffer, 0, 1, 100 * MS).code == "empty_buffer"


def test_frames_retire_as_used_or_unused() -> None:
    ledger = Ledger()
    buffer = FrameBuffer("/front", BufferLimits(10**12, 10, 10**9), ledger)
    for stamp in every(100, 10):
        ledger.accept()
        buffer.add(frame(stamp))
    buffer.clip(0, 5, 100 * MS)
    buffer.clip(0, 5, 100 * MS)
    buffer.clear()
    snapshot = ledger.snapshot()
    assert (snapshot.retired_used, snapshot.retired_unused, snapshot.buffered) == (5, 5, 0)


def test_clips_are_whole_while_another_thread_adds() -> None:
    ledger = Ledger()
    buffer = FrameBuffer("/front", BufferLimits(3000 * MS, 10**6, 10**9), ledger)
    stop = threading.Event()

    def add() -> None:
        for stamp in every(100, 3000):
            ledger.accept()
            buffer.add(frame(stamp))
        stop.set()

    thread = threading.Thread(target=add)
    thread.start()
    clips = 0
    while not stop.is_set():
        try:
            stamps = buffer.clip(0, 21, 100 * MS).stamps_ns
        except AnyviewError as error:
            assert error.code in ("empty_buffer", "too_few_frames")  # noqa: PT017
            continue
        assert {b - a for a, b in pairwise(stamps)} == {100 * MS}
        clips += 1
    thread.join()
    assert clips > 0
    assert ledger.snapshot().buffered == len(buffer) == 31
    assert ledger.snapshot().balanced


@settings(max_examples=200, deadline=None)
@given(
    rate_hz=st.integers(100, 1200).map(lambda tenths: tenths / 10),
    num_frames=st.sampled_from([5, 9, 41]),
    phase=st.floats(0.0, 1.0),
)
def test_what_the_filter_keeps_serves_any_grid(
    rate_hz: float, num_frames: int, phase: float
) -> None:
    period = 100 * MS
    chosen = GridFilter(period)
    stamps = [round(1e9 * (1 + k / rate_hz)) for k in range(round(7 * rate_hz))]
    kept = [stamp for stamp in stamps if chosen.keep(stamp)]
    assert max(b - a for a, b in pairwise(kept)) <= period + 1000
    if rate_hz > 20:
        assert len(kept) <= 7 * 20 + 1
    end = round(kept[-1] - phase * 1e9)
    assert len(filled(kept).clip(end, num_frames, period)) == num_frames


@pytest.mark.parametrize("unit_ns", [1, 1000])
@pytest.mark.parametrize("rate_hz", [10, 20, 30, 60])
def test_a_multiple_of_the_grid_rate_is_decoded_at_the_grid_rate(
    rate_hz: int, unit_ns: int
) -> None:
    chosen = GridFilter(100 * MS)
    stamps = [10**9 + unit_ns * round(k * 1e9 / rate_hz / unit_ns) for k in range(10 * rate_hz)]
    assert sum(map(chosen.keep, stamps)) == 100


def test_the_filter_starts_over_after_a_reset() -> None:
    chosen = GridFilter(100 * MS)
    assert [chosen.keep(stamp * MS) for stamp in (1000, 1033, 1066)] == [True, False, False]
    chosen.reset()
    assert chosen.keep(5 * MS)

"""Remedies of clips, of the frames that they are cut from, and of streams, done."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from anyview_ros.msg import ClipRequest, VirtualCamera

from anyview_ros.clips.frame_buffer import BufferLimits
from anyview_ros.clips.keyframe_store import MemoryLimits
from anyview_ros.clips.streaming.stream import StreamStatus
from anyview_ros.clips.streaming.stream_ledger import StreamLedger
from anyview_ros.clips.virtual.camera_request import StreamRequest, camera_request
from anyview_ros.frames import Camera
from anyview_ros.node import diagnostics
from anyview_ros.node.clips.clip_request import check_answer_size, check_clip_limits, requested_clip
from anyview_ros.node.clips.fair_queue import FairQueue
from anyview_ros.node.clips.request_queue import RequestQueue
from anyview_ros.node.clips.synthesizer import Synthesizer
from anyview_ros.node.messages import time_message
from anyview_ros.node.parameters import NODE_PARAMETERS
from tests.clips.test_frame_buffer import MS, WIDE, every, filled, refused
from tests.clips.test_keyframe_store import FRAME_BYTES, Remembering
from tests.remedies.listed import (
    can_be_lowered,
    can_be_raised,
    code_of,
    does,
    is_outside,
    shipped,
    takes,
    tiny,
)

SECOND = 1_000_000_000
PERIOD = 100 * MS


def request(**fields: Any) -> ClipRequest:
    return ClipRequest(camera=VirtualCamera(name="chase"), **fields)


@does("node.clips.clip_request", "leave it at 0")
def period_of_the_model(folder: Path) -> None:
    assert code_of(requested_clip, request(frame_period=0.2), shipped()) == "invalid_frame_period"
    requested_clip(request(frame_period=0.0), shipped())


@does("clips.clip_spec", "leave one of start_time, end_time and num_frames at 0")
def two_of_three_times(folder: Path) -> None:
    contract = tiny(folder)
    start, end = time_message(7 * SECOND), time_message(round(7.8 * SECOND))
    all_three = request(start_time=start, end_time=end, num_frames=5)
    assert code_of(requested_clip(all_three, contract).grid, SECOND, contract) == "invalid_times"
    for left in ("start_time", "end_time", "num_frames"):
        two = request(start_time=start, end_time=end, num_frames=5)
        setattr(two, left, type(getattr(two, left))())
        requested_clip(two, contract).grid(20 * SECOND, contract)


@does("node.clips.clip_request", "ask for a smaller image")
def smaller_image(folder: Path) -> None:
    large, small = Camera.from_fov(7680, 4320, 1.0), Camera.from_fov(640, 360, 1.0)
    limits = SimpleNamespace(**{p.name: p.default for p in NODE_PARAMETERS})
    assert code_of(check_clip_limits, limits, large, 41, 0) == "too_large"
    check_clip_limits(limits, small, 41, 0)
    assert code_of(check_answer_size, large, 9) == "too_large"
    check_answer_size(small, 9)


@does("node.clips.clip_request", "ask for fewer with num_frames")
def fewer_frames(folder: Path) -> None:
    defaults = {p.name: p.default for p in NODE_PARAMETERS}
    limits = SimpleNamespace(**defaults | {"max_clip_frames": 5})
    camera = Camera.from_fov(640, 360, 1.0)
    assert code_of(check_clip_limits, limits, camera, 9, 0) == "too_large"
    check_clip_limits(limits, camera, 5, 0)
    requested_clip(request(num_frames=5), tiny(folder))


@does("node.clips.clip_request", "ask for fewer")
def fewer_samples(folder: Path) -> None:
    defaults = {p.name: p.default for p in NODE_PARAMETERS}
    limits = SimpleNamespace(**defaults | {"max_uncertainty_samples": 4})
    camera = Camera.from_fov(640, 360, 1.0)
    assert code_of(check_clip_limits, limits, camera, 9, 5) == "too_many_samples"
    check_clip_limits(limits, camera, 9, 4)


@does("node.clips.request_queue", "raise the parameter max_waiting_requests")
def more_places(folder: Path) -> None:
    can_be_raised("max_waiting_requests")
    with ExitStack() as stack:
        for queue, places in ((RequestQueue(1), 2), (RequestQueue(2), 3)):
            for _ in range(places):
                stack.enter_context(queue.enter("chase", lambda: False))
            assert code_of(stack.enter_context, queue.enter("chase", lambda: False)) == "busy"


@does("node.clips.clip_request", "listen to the topics instead of return_frames")
def without_frames_in_the_answer(folder: Path) -> None:
    camera = Camera.from_fov(1920, 1080, 1.0)
    assert code_of(check_answer_size, camera, 9) == "too_large"
    limits = SimpleNamespace(**{p.name: p.default for p in NODE_PARAMETERS})
    check_clip_limits(limits, camera, 9, 0)


@does("clips.clip_sources", "name them in the parameter cameras")
def cameras_by_name(folder: Path) -> None:
    takes("cameras", ("front", "left"))


@does(
    "node.clips.synthesizer",
    "listen to its topics",
    "set return_frames to get this clip in the answer",
)
def clip_of_a_streaming_camera_in_the_answer(folder: Path) -> None:
    contract = tiny(folder)
    streaming = camera_request(VirtualCamera(name="chase", rate=10.0), contract)
    cameras: Any = SimpleNamespace(named=lambda name: SimpleNamespace(request=streaming))
    nothing: Any = None
    synthesizer = Synthesizer(nothing, nothing, cameras, nothing, nothing)
    for returned, code in ((False, "camera_streams"), (True, "")):
        model: Any = SimpleNamespace(contract=contract)
        camera = synthesizer._virtual_camera(request(return_frames=returned), model)
        assert code_of(camera.__enter__) == code


@does("clips.frame_buffer", "raise the camera's rate to {} Hz or more")
def faster_camera(folder: Path) -> None:
    contract = shipped()
    frames, period = max(contract.frames), round(contract.frame_period * SECOND)
    slow = filled(every(2 * period // MS, 3 * frames))
    assert refused(slow, 0, frames, period).message.endswith("rate to 10.0 Hz or more")
    for rate_hz in (10, 20, 30):
        stamps = [SECOND + round(k * SECOND / rate_hz) for k in range(6 * frames)]
        filled(stamps).clip(0, frames, period)


@does("clips.frame_buffer", "ask for an end_time away from the pause")
def before_a_pause(folder: Path) -> None:
    buffer = filled(every(100, 20) + every(100, 3, start_ms=4000))
    assert refused(buffer, 0, 9, PERIOD).message.endswith("an end_time away from the pause")
    buffer.clip(2900 * MS, 9, PERIOD)


@does("clips.frame_buffer", "ask for an end_time from {} on")
def later_end(folder: Path) -> None:
    stamps = every(100, 17)
    buffer = filled(stamps)
    assert refused(buffer, stamps[4], 9, PERIOD).message.endswith("from 1.800 s on")
    buffer.clip(1800 * MS, 9, PERIOD)


@does("clips.frame_buffer", "ask for an earlier end_time", "ask for a later end_time")
def end_within_the_buffer(folder: Path) -> None:
    buffer = filled(every(100, 20))
    assert refused(buffer, 9 * SECOND, 5, PERIOD).code == "not_yet"
    assert refused(buffer, SECOND // 2, 5, PERIOD).code == "too_old"
    buffer.clip(2 * SECOND, 5, PERIOD)


@does("clips.frame_buffer", "raise buffer_s")
def longer_buffer(folder: Path) -> None:
    can_be_raised("buffer_s")
    stamps = every(100, 60)
    short = BufferLimits(max_age_ns=2 * SECOND, max_frames=42, max_bytes=10**9)
    assert "raise buffer_s" in refused(filled(stamps, short), 0, 41, PERIOD).message
    assert "raise buffer_s" in refused(filled(stamps, short), stamps[0], 9, PERIOD).message
    longer = replace(short, max_age_ns=10 * SECOND, max_frames=202)  # as `Inputs` makes them
    filled(stamps, longer).clip(0, 41, PERIOD)


@does("clips.frame_buffer", "lower source_size")
def smaller_frames(folder: Path) -> None:
    can_be_lowered("source_size")
    stamps = every(100, 60)
    of_bytes = BufferLimits(10**12, 10**6, max_bytes=8 * 6 * 8 * 3)
    assert "lower source_size" in refused(filled(stamps, of_bytes), 0, 9, PERIOD).message
    filled(stamps, replace(of_bytes, max_bytes=4 * of_bytes.max_bytes)).clip(0, 9, PERIOD)


@does("clips.frame_buffer", "lower source_size or memory_s")
def fewer_keyframes(folder: Path) -> None:
    can_be_lowered("source_size")
    can_be_lowered("memory_s")
    full = MemoryLimits(5 * SECOND, 4 * FRAME_BYTES, jump_m=2.0)
    for limits, fits in (
        (full, False),
        (replace(full, max_bytes=16 * FRAME_BYTES), True),  # as of frames with half the sides
        (replace(full, max_age_ns=SECOND), True),
    ):
        camera = Remembering(limits)
        camera.drive(1000, 9000)
        assert (camera.notes == []) == fits


@does("clips.frame_buffer", "ask for a clip that ends before or begins after that")
def clip_of_one_calibration(folder: Path) -> None:
    camera = Remembering(buffered=WIDE)
    for k, stamp in enumerate(every(100, 20)):
        camera.see(stamp, 0.0, camera=Camera.from_fov(8, 6, 1.0 if k < 10 else 2.0))
    buffer = camera.buffer
    assert refused(buffer, 2200 * MS, 9, PERIOD).code == "calibration_changed"
    buffer.clip(1900 * MS, 9, PERIOD)
    buffer.clip(2900 * MS, 9, PERIOD)


@does("node.diagnostics", "lower the rate of this or other cameras")
def lower_rate(folder: Path) -> None:
    assert diagnostics.slow_stream(stream_of(10.0, 5.0)) is not None
    assert diagnostics.slow_stream(stream_of(5.0, 5.0)) is None


@does("node.diagnostics", "raise its priority")
def higher_priority(folder: Path) -> None:
    for priority, least in ((0, 10), (3, 15)):
        shares, turns = FairQueue(), []
        for _ in range(20):
            turns.append(shares.choose({"slow": priority, "other": 0}))
            shares.charge(turns[-1], priority if turns[-1] == "slow" else 0, 1.0)
        assert turns.count("slow") >= least
    camera_request(VirtualCamera(name="a", rate=5.0, priority=3), tiny(folder))


def stream_of(asked_hz: float, rate_hz: float) -> StreamStatus:
    ledger = replace(StreamLedger().snapshot(0), rate_hz=rate_hz, clips=3)
    return StreamStatus(StreamRequest(asked_hz, False, 0), ("front",), ledger, None, 0.0)


@does(
    "node.streaming.back_pressure",
    "set back_pressure_node to its name",
    "back_pressure to 'none'",
)
def other_back_pressure(folder: Path) -> None:
    takes("back_pressure_node", "/other_player")
    takes("back_pressure", "none")


is_outside("the machine's", "node.diagnostics", "use a faster model or machine")

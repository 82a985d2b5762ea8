"""One stream without ROS: its ledger balances whatever happens, and no stamp is answered twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anyview_ros.msg import VirtualCamera
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.clips.intake.source_health import SILENT_NS
from anyview_ros.clips.placements import Standing, Steered
from anyview_ros.clips.streaming.retry_policy import MAX_DEATHS
from anyview_ros.clips.streaming.stream import Stream
from anyview_ros.clips.virtual.camera_request import CameraRequest, camera_request
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package
from tests.packages import make_package

PERIOD = 100_000_000
SIZE = (24, 32)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    folder: Path = tmp_path_factory.mktemp("models") / "tiny"
    return load_package(make_package(folder, max_sources=2)).contract


class Clock:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


def camera(contract: Contract, mode: int, sources: tuple[str, ...] = ("front",)) -> CameraRequest:
    message = VirtualCamera(name="a", rate=10.0, mode=mode, sources=list(sources))
    return camera_request(message, contract)


def stream(contract: Contract, mode: int = VirtualCamera.LOSSLESS, **changes: object) -> Stream:
    return Stream(camera(contract, mode), contract, 0.0, **changes)  # type: ignore[arg-type]


def stamp(k: int) -> int:
    return 10**9 + k * PERIOD


def answer(one: Stream, ended: bool = False) -> list[int] | None:
    """Make the clip that is due, as from a buffer that has all frames; None if there is none."""
    window = one.window(ended)
    if window is None:
        return None
    stamps = tuple(window.end_ns - k * PERIOD for k in reversed(range(9)))
    images = np.zeros((9, *SIZE, 3), np.uint8)
    return [stamps[k] for k in one.accept(window, stamps, images, 0.5)]


def refuse(one: Stream, code: str) -> None:
    window = one.window()
    assert window is not None
    one.record_failure(window, AnyviewError(code, "for a test"))


@settings(deadline=None)
@given(
    mode=st.sampled_from((VirtualCamera.LIVE, VirtualCamera.LOSSLESS)),
    steps=st.lists(
        st.one_of(
            st.integers(1, 30),
            st.sampled_from(("answer", "flush", "outside_trajectory", "jump", "change", "late")),
        ),
        max_size=40,
    ),
)
def test_the_ledger_balances_and_no_stamp_comes_twice(
    contract: Contract, mode: int, steps: list[int | str]
) -> None:
    one, k, late, published = stream(contract, mode), 0, 0, list[int]()
    for step in steps:
        if isinstance(step, int):
            for _ in range(step):
                k += 1
                one.note("front", stamp(k))
        elif step in ("answer", "flush"):
            published += answer(one, ended=step == "flush") or []
        elif step == "jump":
            one.forget_times("clock_jumped")
            k += 20  # another time, which a test can tell from the one before
        elif step == "change":
            one.change(camera(contract, mode))
        elif step == "late" and k > 3:
            late += 1
            one.note("front", stamp(k - 2) + late)
        elif step == "outside_trajectory" and one.window() is not None:
            refuse(one, step)
        ledger = one.status().ledger
        assert ledger.balanced, ledger
        assert ledger.published == len(published) == len(set(published))
    assert published == sorted(published)


def test_a_lossless_stream_answers_all_after_the_end(contract: Contract) -> None:
    one, published = stream(contract), list[int]()
    for k in range(20):
        one.note("front", stamp(k))
    while (found := answer(one, ended=True)) is not None:
        published += found
    assert published == [stamp(k) for k in range(20)]


def test_a_clip_of_before_a_jump_is_not_published(contract: Contract) -> None:
    one = stream(contract)
    for k in range(9):
        one.note("front", stamp(k))
    window = one.window()
    assert window is not None
    one.note("front", stamp(-9))
    assert one.window() is None, "which makes no window of before valid again"
    stamps = tuple(stamp(k) for k in range(9))
    assert one.accept(window, stamps, np.zeros((9, *SIZE, 3), np.uint8), 0.1) == ()
    ledger = one.status().ledger
    assert (ledger.seen, ledger.waiting, ledger.skipped) == (10, 1, {"clock_jumped": 9})


@pytest.mark.parametrize("mode", [VirtualCamera.LIVE, VirtualCamera.LOSSLESS])
def test_the_clock_of_a_camera_that_is_no_source_may_jump(contract: Contract, mode: int) -> None:
    one = stream(contract, mode)
    for k in range(9):
        one.note("front", stamp(k))
        one.note("left", stamp(k + 50))
    window = one.window()
    assert window is not None
    one.note("left", stamp(0))
    stamps = tuple(stamp(k) for k in range(9))
    assert len(one.accept(window, stamps, np.zeros((9, *SIZE, 3), np.uint8), 0.1)) == 9
    ledger = one.status().ledger
    assert (ledger.seen, ledger.published, ledger.skipped) == (9, 9, {})


def test_a_dead_process_costs_no_lossless_frame_unless_it_dies_again_and_again(
    contract: Contract,
) -> None:
    one = stream(contract)
    for k in range(9):
        one.note("front", stamp(k))
    for _ in range(MAX_DEATHS - 1):
        refuse(one, "worker_died")
        one._retries._retry_at = 0.0  # the rest is over
    assert one.status().ledger.waiting == 9
    refuse(one, "worker_died")
    assert one.status().ledger.skipped == {"worker_died": 9}


def test_a_clip_that_is_made_again_by_another_process_is_the_same_clip(contract: Contract) -> None:
    one = stream(contract)
    for k in range(20):
        one.note("front", stamp(k))
    first = one.window()
    assert first is not None
    stamps = tuple(stamp(k) for k in range(9))
    one.accept(first, stamps, np.full((9, *SIZE, 3), 7, np.uint8), 0.1)
    second = one.window()
    assert second is not None
    assert second.continues
    for code in ("worker_died", "worker_hung"):
        assert not one.record_failure(second, AnyviewError(code, ""))
        one._retries._retry_at = 0.0
        assert one.window() == second
        following = tuple(stamp(k) for k in range(8, 17))
        assert len(one.previous_frames(second, following, SIZE)) == 1


def test_a_live_stream_does_not_ask_again_for_a_clip_that_failed(contract: Contract) -> None:
    one = stream(contract, VirtualCamera.LIVE)
    for k in range(9):
        one.note("front", stamp(k))
    refuse(one, "clip_gap")
    assert one.window() is None
    one.note("front", stamp(9))
    assert one.window() is not None
    problem = one.status().problem
    assert problem is not None
    assert problem.code == "clip_gap"
    assert answer(one) == [stamp(k) for k in range(1, 10)]
    assert one.status().problem is None
    assert one.status().ledger.skipped == {"superseded": 1}


def test_transforms_are_waited_for_while_the_clock_goes(contract: Contract) -> None:
    """It stands while we hold the source: then nothing is late."""
    clock = Clock()
    one = Stream(camera(contract, VirtualCamera.LOSSLESS), contract, 1.0, clock)
    for k in range(9):
        one.note("front", stamp(k))
    window = one.window() or pytest.fail("no window")
    for _ in range(5):
        one.record_failure(window, AnyviewError("tf_waiting", "later"))
        assert one.status().ledger.waiting == 9
    clock.now += 2 * 10**9
    one.record_failure(window, AnyviewError("tf_waiting", "later"))
    assert one.status().ledger.skipped == {"tf_waiting": 9}


def test_another_source_goes_on_where_the_one_before_was(contract: Contract) -> None:
    one = Stream(camera(contract, VirtualCamera.LIVE, ()), contract, 0.0)
    assert not one.wants_source()
    for k in range(9):
        one.note("front", stamp(k))
        one.note("left", stamp(k))
    assert one.wants_source()
    one.follow(("front",))
    assert answer(one) == [stamp(k) for k in range(9)]
    for k in range(9, 18):
        one.note("front", stamp(k))
        one.note("left", stamp(k))
    one.follow(("left", "front"))
    assert answer(one) == [stamp(k) for k in range(9, 17)]
    ledger = one.status().ledger
    assert (ledger.seen, ledger.published, ledger.waiting) == (18, 17, 1)
    assert ledger.balanced


def test_a_live_stream_whose_source_has_stopped_wants_another(contract: Contract) -> None:
    def lost(mode: int, sources: tuple[str, ...] = ()) -> bool:
        clock = Clock()
        one = Stream(camera(contract, mode, sources), contract, 0.0, now_ns=clock)
        one.note("front", stamp(1))
        one.note("left", stamp(1))
        one.follow(("front",))
        assert not one.wants_source()
        clock.now += 10 * SILENT_NS
        one.note("left", stamp(2))
        assert not one.wants_source(), "none sent for a while, and this is the first to go on"
        for k in range(3, 3 + SILENT_NS // PERIOD):
            clock.now += PERIOD
            one.note("left", stamp(k))
        return one.wants_source()

    assert lost(VirtualCamera.LIVE)
    assert not lost(VirtualCamera.LIVE, ("front",)), "it was named"
    assert not lost(VirtualCamera.LOSSLESS), "each frame of its first choice is to be answered"


def test_a_live_stream_begins_anew_after_a_clip_that_ended_early(contract: Contract) -> None:
    """As one that was lossless: a model of 41 frames overlaps by 5, and fewer were answered."""
    long = replace(contract, frames=(41,), latent=replace(contract.latent, time=4))
    one = Stream(camera(long, VirtualCamera.LOSSLESS), long, 0.0)
    for k in range(3):
        one.note("front", stamp(k))
    window = one.window(ended=True)
    assert window is not None
    stamps = tuple(window.end_ns - k * PERIOD for k in reversed(range(41)))
    assert len(one.accept(window, stamps, np.zeros((41, *SIZE, 3), np.uint8), 0.5)) == 3
    one.change(camera(long, VirtualCamera.LIVE))
    one.note("front", stamp(3))
    window = one.window()
    assert window is not None
    assert (window.end_ns, window.continues) == (stamp(3), False)


def answer_as_they_came(one: Stream, ended: bool = False) -> tuple[int, ...]:
    """As `answer`, of frames that are on no grid."""
    window = one.window(ended)
    if window is None:
        return ()
    images = np.zeros((len(window.fresh), *SIZE, 3), np.uint8)
    return tuple(window.fresh[k] for k in one.accept(window, window.fresh, images, 0.5))


@pytest.mark.parametrize("rate_hz", [8.0, 12.0, 15.0, 24.0])
@pytest.mark.parametrize("before", range(10, 16))
def test_no_frame_stays_at_a_change_of_the_calibration_or_at_the_end(
    contract: Contract, rate_hz: float, before: int
) -> None:
    one, published = stream(contract), list[int]()
    stamps = [10**9 + round(k * 1e9 / rate_hz) for k in range(2 * before)]
    for k, each in enumerate(stamps):
        one.note("front", each, is_changed=k == before)
    while found := answer_as_they_came(one, ended=True):
        published += found
    assert one.backlog() == 0
    assert {stamps[before - 1], stamps[before], stamps[-1]} <= set(published)


def test_a_change_of_another_camera_moves_no_published_frame(contract: Contract) -> None:
    """All streams are told of each change of a camera."""
    published = []
    for told in (False, True):
        message = VirtualCamera(name="a", rate=2.0, mode=VirtualCamera.LOSSLESS, sources=["front"])
        request = camera_request(message, contract)
        one, found = Stream(request, contract, 0.0), list[int]()
        for k in range(60):
            one.note("front", stamp(k))
            if told and k == 20:
                one.change(request)
            found += answer(one) or []
        published.append(found)
    assert published[0] == published[1] == [stamp(5 * k) for k in range(len(published[0]))]


def placed(contract: Contract, x: float, **changes: object) -> CameraRequest:
    message = VirtualCamera(name="a", rate=10.0, sources=["front"], **changes)
    message.mode = VirtualCamera.LOSSLESS
    message.pose.position.x = x
    return camera_request(message, contract)


def steered(before: CameraRequest) -> CameraRequest:
    assert isinstance(before.placement, Standing)
    return replace(before, placement=Steered((0, stamp(8)), (before.placement.pose,) * 2))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda contract, before: before, 1),
        (lambda contract, before: steered(before), 1),
        (lambda contract, before: placed(contract, x=2.0), 0),
        (lambda contract, before: placed(contract, x=1.0, horizontal_fov=1.0), 0),
    ],
)
def test_what_a_camera_saw_from_elsewhere_begins_no_clip(
    contract: Contract, change: Callable[[Contract, CameraRequest], CameraRequest], kept: int
) -> None:
    """What steers it moves it from now on, and an update for all times."""
    before = placed(contract, x=1.0)
    one = Stream(before, contract, 0.0)
    for k in range(17):
        one.note("front", stamp(k))
    answer(one)
    one.change(change(contract, before))
    window = one.window()
    assert window is not None
    assert window.continues
    stamps = tuple(stamp(k) for k in range(8, 17))
    assert len(one.previous_frames(window, stamps, SIZE)) == kept


def test_only_what_the_model_has_to_do_holds_a_source_back(contract: Contract) -> None:
    one = stream(contract)
    for k in range(9):
        one.note("front", 10**9 + k * 96_000_000)
    assert (one.backlog(), one.backlog_at_work()) == (9, 0), "they do not span a clip yet"
    one.note("front", 10**9 + 9 * 96_000_000)
    assert one.backlog_at_work() == 10


@pytest.mark.parametrize(("code", "held"), [("not_yet", 0), ("tf_waiting", 0), ("worker_died", 9)])
def test_a_source_is_not_held_back_from_what_it_must_bring(
    contract: Contract, code: str, held: int
) -> None:
    one = Stream(camera(contract, VirtualCamera.LOSSLESS), contract, patience_s=1.0)
    for k in range(9):
        one.note("front", stamp(k))
    assert one.backlog_at_work() == 9
    refuse(one, code)
    assert one.backlog_at_work() == held
    one.note_complete()  # the next try found all of it
    assert one.backlog_at_work() == 9


def test_a_further_source_that_has_stopped_is_not_waited_for(contract: Contract) -> None:
    one = stream(contract)
    for k in range(9):
        one.note("front", stamp(k))
    window = one.window()
    assert window is not None
    assert not one.waits_in_vain(window, ended=False)
    assert one.waits_in_vain(window, ended=True)
    one.note("front", stamp(8) + SILENT_NS)
    assert not one.waits_in_vain(window, ended=False)
    one.note("front", stamp(9) + SILENT_NS)
    assert one.waits_in_vain(window, ended=False)
    live = stream(contract, VirtualCamera.LIVE)
    assert not live.waits_in_vain(window, ended=True)


@pytest.mark.parametrize(("fov", "kept"), [(0.0, 0), (1.0, 1)])
def test_frames_of_another_sources_lens_begin_no_clip(
    contract: Contract, fov: float, kept: int
) -> None:
    message = VirtualCamera(name="a", rate=10.0, horizontal_fov=fov)
    message.camera_info.width, message.camera_info.height = 32, 24
    one = Stream(camera_request(message, contract), contract, 0.0)
    one.follow(("front",))
    for k in range(17):
        one.note("front", stamp(k))
        one.note("left", stamp(k))
    window = one.window()
    assert window is not None
    stamps = tuple(stamp(k) for k in range(8, 17))
    one.accept(window, stamps, np.zeros((9, *SIZE, 3), np.uint8), 0.5)
    for k in range(17, 25):
        one.note("front", stamp(k))
        one.note("left", stamp(k))
    one.follow(("left",))
    window = one.window()
    assert window is not None
    assert window.continues
    following = tuple(stamp(k) for k in range(16, 25))
    assert len(one.previous_frames(window, following, SIZE)) == kept


@pytest.mark.parametrize("rate_hz", [3.0, 6.0, 10.0])
def test_a_stream_of_single_frames_has_its_rate(tmp_path: Path, rate_hz: float) -> None:
    contract = load_package(make_package(tmp_path / "one", frames=(1,))).contract
    message = VirtualCamera(name="a", rate=rate_hz, sources=["front"])
    one, published = Stream(camera_request(message, contract), contract, 0.0), list[int]()
    for k in range(200):
        one.note("front", stamp(k))
        if window := one.window():
            images = np.zeros((1, *SIZE, 3), np.uint8)
            published += [window.end_ns] * len(one.accept(window, (window.end_ns,), images, 0.5))
    assert len(published) == pytest.approx(20 * rate_hz, abs=2)

"""Streams that one model cannot serve: shares, honest rates, and a model that dies meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyview_ros.msg import SynthesisInfo, VirtualCamera
from diagnostic_msgs.msg import DiagnosticStatus

from anyview_ros.imaging.message_fields import stamp_ns
from tests.graph import Graph
from tests.node.rig import PERIOD_NS, SENT, Caller, Rig, live, raised_camera, values_of
from tests.packages import make_package

pytestmark = pytest.mark.graph

STAMPS = [SENT[0] + k * PERIOD_NS for k in range(12, 2000)]


@pytest.fixture
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Graph, Rig, Caller]]:
    """A clip takes longer than its frames last."""
    model = make_package(tmp_path_factory.mktemp("models") / "slow", work=160)
    with live(187, model, "buffer_s:=30.0", "flush_s:=0.5") as (opened, rig, caller):
        rig.send(SENT)
        yield opened, rig, caller


@contextmanager
def driving(rig: Rig) -> Iterator[list[int]]:
    """Frames at two and a half times their own pace while the block lasts; those sent by now."""
    over, sent = threading.Event(), list[int]()

    def send() -> None:
        for stamp in STAMPS:
            rig.send([stamp])
            sent.append(stamp)
            if over.wait(0.04):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join()


def continuous(name: str, mode: int = VirtualCamera.LIVE) -> VirtualCamera:
    camera = raised_camera(name)
    camera.rate, camera.mode = 10.0, mode
    return camera


def clips(caller: Caller, name: str, least: int) -> dict[str, str]:
    """Values of a camera as soon as it has so many clips, however busy the machine is."""
    status = caller.status(
        f"virtual camera {name}",
        lambda s: int(values_of(s).get("clips", 0)) >= least,
        timeout_s=120.0,
    )
    return values_of(status)


def test_what_is_missed_is_told(
    street: tuple[Graph, Rig, Caller],
) -> None:
    _, rig, caller = street
    for name in ("one", "other"):
        added = caller.add(continuous(name))
        assert added.success, added.message
    with driving(rig):
        one = clips(caller, "one", 3)
        other = clips(caller, "other", 3)
    assert one["balanced"] == other["balanced"] == "True"
    assert int(one["skipped.superseded"]) > 0
    assert one["code"] == "rate_not_reached"
    assert float(one["rate_hz"]) < 8.0


def test_a_camera_that_joins_stalls_no_other_by_more_than_a_clip(
    street: tuple[Graph, Rig, Caller],
) -> None:
    _, rig, caller = street
    assert caller.add(continuous("first")).success
    with driving(rig):
        clips(caller, "first", 2)
        for name in ("second", "third"):
            assert caller.add(continuous(name)).success
        before = int(clips(caller, "first", 2)["clips"])
        turns = {name: int(clips(caller, name, 3)["clips"]) for name in ("second", "third")}
        since = int(clips(caller, "first", before)["clips"]) - before
    assert since >= min(turns.values()) - 2  # it had its turn in every round


def test_the_first_clip_after_a_death_shows_the_present(
    street: tuple[Graph, Rig, Caller],
) -> None:
    """And not what was there before a process started, which takes a second."""
    opened, rig, caller = street
    assert caller.add(continuous("chase")).success
    heard = opened.listen(SynthesisInfo, "/virtual/chase/synthesis_info")
    with driving(rig) as sent:
        opened.wait_until(lambda: bool(heard), "frames")
        os.kill(int(values_of(caller.status("model"))["worker_pid"]), signal.SIGKILL)
        killed_ns = sent[-1]
        newer: list[int] = []

        def came() -> bool:
            newer[:] = [ns for m in heard if (ns := stamp_ns(m.header.stamp)) > killed_ns]
            return len(newer) >= 9

        opened.wait_until(came, "a clip of after the death")
    assert newer[8] - newer[0] == 8 * PERIOD_NS, "all of the first clip"


def test_a_model_that_dies_costs_a_lossless_camera_no_frame(
    street: tuple[Graph, Rig, Caller],
) -> None:
    _, rig, caller = street
    pid = values_of(caller.status("model"))["worker_pid"]
    assert caller.add(continuous("all", mode=VirtualCamera.LOSSLESS)).success
    for k, stamp in enumerate(STAMPS[:20]):
        rig.send([stamp])
        threading.Event().wait(0.05)
        if k == 11:  # a clip has nine frames: the first one is being made
            os.kill(int(pid), signal.SIGKILL)

    def all_answered(status: DiagnosticStatus) -> bool:
        values = values_of(status)
        return int(values["seen"]) >= 20 and values["published"] == values["seen"]

    values = values_of(caller.status("virtual camera all", all_answered))
    assert (values["balanced"], values["waiting"]) == ("True", "0")
    caller.status("model", lambda s: values_of(s)["worker_deaths"] == "1")

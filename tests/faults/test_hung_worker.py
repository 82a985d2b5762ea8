"""An inference process that stops: told, replaced in the stated time, and no frame is wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from action_msgs.msg import GoalStatus

from anyview_ros.node.inference.watchdog import STOPPED_S
from anyview_ros.node.inference.worker import CANCEL_WAIT_S
from tests.integration.test_demo import patience
from tests.node.live_streams import LOSSLESS, Stamps, Street, continuous, stamps_of
from tests.node.rig import SENT, asked, live, raised_camera, result_of, values_of
from tests.node.test_node_requests import Goal
from tests.packages import make_package

pytestmark = pytest.mark.graph

DOMAIN = 220
NOTICED_S = STOPPED_S + 3.0  # from the last report; the process is looked at every half second
RESUMED_S = 5.0  # a new process, its model and a clip


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    model = make_package(tmp_path_factory.mktemp("models") / "tiny", work=10)
    with live(DOMAIN, model, "buffer_s:=60.0", "flush_s:=1.0") as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success
        yield Street(opened, rig, caller)


def stop_worker(street: Street) -> int:
    pid = int(values_of(street.caller.status("model"))["worker_pid"])
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_request_and_a_goal_are_answered(street: Street) -> None:
    caller = street.caller
    pid, began = stop_worker(street), time.monotonic()
    goal = Goal(caller, asked("chase"))
    waiting = caller.call_async("synthesize", request=asked("chase", seed=3))
    told = caller.status("model", lambda s: values_of(s).get("code") == "worker_silent")
    assert told.message.startswith("the inference process is stopped (SIGSTOP) for")
    assert time.monotonic() - began < 5
    goal.cancel()
    cancelled_at = time.monotonic()
    status, _ = goal.result()
    assert status == GoalStatus.STATUS_CANCELED
    assert time.monotonic() - cancelled_at < CANCEL_WAIT_S + 1
    answer = result_of(waiting).result
    assert answer.success, "it came behind the one that hung"
    assert time.monotonic() - began < NOTICED_S + RESUMED_S * patience()
    values = values_of(caller.status("model"))
    assert values["worker_deaths"] == "1"
    assert int(values["worker_pid"]) != pid


def test_the_request_that_it_hangs_over_fails_by_name(street: Street) -> None:
    stop_worker(street)
    began = time.monotonic()
    answer = street.caller.synthesize(asked("chase"))
    assert answer.code == "worker_hung", answer.message
    assert "was stopped (SIGSTOP) for 1" in answer.message
    assert time.monotonic() - began < NOTICED_S
    assert street.caller.synthesize(asked("chase")).success
    assert time.monotonic() - began < NOTICED_S + RESUMED_S * patience()


def test_streams_go_on_and_a_lossless_one_loses_nothing(street: Street) -> None:
    stamps = Stamps()
    live_heard = street.listen(continuous("quick"))
    heard = street.listen(continuous("every", LOSSLESS))
    before = stamps.take(30)
    street.play(before)
    stop_worker(street)
    began = time.monotonic()
    street.play(after := stamps.take(24))
    sent = [*before, *after]
    values = street.answered("every", len(sent))
    assert time.monotonic() - began < NOTICED_S + RESUMED_S * patience()
    assert values["balanced"] == "True"
    assert not [key for key in values if key.startswith("skipped")]
    street.opened.wait_until(lambda: len(heard["image_raw"]) >= len(sent), "all frames")
    assert stamps_of(heard["image_raw"]) == sent
    images, later = live_heard["image_raw"], stamps.take(18)
    street.play(later)  # a live clip that failed is not asked for again, the next one is
    street.opened.wait_until(
        lambda: bool(images) and stamps_of(images)[-1] >= later[0], "a live clip afterwards"
    )
    assert street.status("quick", bool)["balanced"] == "True"
    shown = stamps_of(images)
    assert shown == sorted(set(shown))

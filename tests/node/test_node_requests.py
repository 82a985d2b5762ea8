"""Requests that wait, are cancelled, or lose their worker; a model slow enough to see it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from anyview_ros.msg import ClipRequest

from tests.graph import Graph
from tests.node.rig import (
    SENT,
    Caller,
    Rig,
    asked,
    live,
    raised_camera,
    result_of,
    values_of,
    wait_for,
)
from tests.packages import make_package

pytestmark = pytest.mark.graph

Street = tuple[Graph, Rig, Caller]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Steps of some 10 ms, hundreds of them."""
    levels = tuple(float(level) for level in np.linspace(80, 0, 1000))
    folder = tmp_path_factory.mktemp("models") / "slow"
    return make_package(folder, work=10, sigmas={"exact": levels, "draft": (80.0, 0.0)})


@pytest.fixture(scope="module")
def street(model: Path) -> Iterator[Street]:
    with live(41, model) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase", speed="draft")).success
        yield opened, rig, caller


class Goal:
    """A goal that was accepted, and what was told of it."""

    def __init__(self, caller: Caller, request: ClipRequest) -> None:
        self.feedback: list[Any] = []
        self.handle = caller.send_goal(request, self.feedback.append)
        self._caller = caller
        self._result = caller.ask_async(self.handle.get_result_async)

    def wait_for_step(self, step: int) -> None:
        wait_for(lambda: any(f.step >= step for f in self.feedback), f"step {step}")

    def cancel(self) -> None:
        self._caller.ask(self.handle.cancel_goal_async)

    def result(self) -> tuple[int, Any]:
        """Status of the goal, and the answer."""
        answer = result_of(self._result)
        return answer.status, answer.result.result


def test_the_action_tells_its_steps(street: Street) -> None:
    _, _, caller = street
    goal = Goal(caller, asked("chase", steps=20))
    status, answer = goal.result()
    assert status == GoalStatus.STATUS_SUCCEEDED, answer.message
    assert (len(answer.stamps), answer.infos[0].steps) == (9, 20)
    stages = [f.stage for f in goal.feedback]
    assert stages[-1] in ("denoise", "decode", "publish"), "the last ones may come too late"
    denoised = [f for f in goal.feedback if f.stage == "denoise"]
    assert {f.steps for f in denoised} == {20}
    assert [f.step for f in denoised] == sorted({f.step for f in denoised})
    assert {(f.clip, f.clips) for f in goal.feedback} == {(1, 1)}
    left = [f.seconds_left for f in denoised if f.step]
    assert left[0] > left[-1] > 0


def test_cancel_ends_a_goal_within_one_step(street: Street) -> None:
    _, _, caller = street
    goal = Goal(caller, asked("chase"))
    goal.wait_for_step(3)
    goal.cancel()
    seen = goal.feedback[-1].step
    status, answer = goal.result()
    assert status == GoalStatus.STATUS_CANCELED
    assert (answer.success, answer.code) == (False, "cancelled")
    assert goal.feedback[-1].step <= seen + 10  # the cancellation itself travels meanwhile


def test_four_requests_wait_and_the_next_is_refused(street: Street) -> None:
    _, _, caller = street
    running = Goal(caller, asked("chase"))
    running.wait_for_step(1)
    waiting = [Goal(caller, asked("chase", speed="draft")) for _ in range(4)]
    for goal in waiting:
        wait_for(lambda goal=goal: bool(goal.feedback), "a place in the queue")
    refused = caller.synthesize(asked("chase", speed="draft"))
    assert refused.code == "busy"
    assert refused.message == (
        "one request is running and 4 are waiting; ask again when one of them is answered, or "
        "raise the parameter max_waiting_requests"
    )
    states = caller.call("list_virtual_cameras").states
    assert states == ["running"], "short calls are answered while five requests block"
    cancelled = waiting.pop(1)
    cancelled.cancel()
    assert cancelled.result()[1].code == "cancelled", "also while waiting"
    running.cancel()
    assert running.result()[1].code == "cancelled"
    assert [goal.result()[1].success for goal in waiting] == [True] * 3
    assert caller.synthesize(asked("chase", speed="draft")).success


def test_removing_a_camera_aborts_its_requests(street: Street) -> None:
    _, _, caller = street
    assert caller.add(raised_camera("brief")).success
    goals = [Goal(caller, asked("brief")) for _ in range(2)]
    goals[0].wait_for_step(1)
    assert caller.call("remove_virtual_camera", name="brief").success
    for goal in goals:
        status, answer = goal.result()
        assert (status, answer.code) == (GoalStatus.STATUS_ABORTED, "camera_removed")
        assert answer.message == "'brief' was removed"


def test_a_dead_worker_fails_its_request_and_the_next_one_works(street: Street) -> None:
    _, _, caller = street
    request = asked("chase", speed="draft", seed=3, return_frames=True)
    before = caller.synthesize(request)
    pid = int(values_of(caller.status("model"))["worker_pid"])
    goal = Goal(caller, asked("chase"))
    goal.wait_for_step(1)
    os.kill(pid, signal.SIGKILL)
    status, answer = goal.result()
    assert (status, answer.code) == (GoalStatus.STATUS_ABORTED, "worker_died")
    assert answer.message == (
        "the inference process ended with signal 9 (SIGKILL, usually because memory ran out); "
        "the next request gets a new one"
    )
    after = caller.synthesize(request)
    assert after.success, after.message
    assert [bytes(f.data) for f in after.frames] == [bytes(f.data) for f in before.frames]
    assert values_of(caller.status("model"))["worker_deaths"] == "1"


def test_stamps_that_jump_back_abort_and_clear(street: Street) -> None:
    """Without /clock a looped bag shows in header stamps only."""
    _, rig, caller = street
    rig.send([SENT[-1] + 5_000_000_000])
    goal = Goal(caller, asked("chase"))
    goal.wait_for_step(1)
    rig.send(SENT)
    status, answer = goal.result()
    assert (status, answer.code) == (GoalStatus.STATUS_ABORTED, "clock_jumped")
    assert "camera 'front'" in answer.message
    again = caller.synthesize_when_ready(asked("chase", speed="draft"))
    assert again.success, "static transforms are kept: they were sent once"


@pytest.fixture
def sim_street(model: Path) -> Iterator[Street]:
    with live(42, model, "use_sim_time:=true") as (opened, rig, caller):
        assert caller.add(raised_camera("chase")).success
        yield opened, rig, caller


def test_a_clock_that_jumps_back_aborts_and_clears(sim_street: Street) -> None:
    _, rig, caller = sim_street
    tick = _ticking(rig, SENT[-1])
    rig.send(SENT)
    assert caller.synthesize_when_ready(asked("chase", speed="draft")).success
    goal = Goal(caller, asked("chase"))
    goal.wait_for_step(1)
    tick(SENT[-1] - 1)
    status, answer = goal.result()
    assert (status, answer.code) == (GoalStatus.STATUS_ABORTED, "clock_jumped")
    assert answer.message == "the clock jumped back by 0.000 s; ask again"
    assert caller.synthesize(asked("chase", speed="draft")).code == "empty_buffer"
    rig.send(SENT)
    assert caller.synthesize_when_ready(asked("chase", speed="draft")).success


def _ticking(rig: Rig, stamp_ns: int) -> Callable[[int], None]:
    wait_for(lambda: rig.clock_is_heard, "a listener to /clock")
    rig.tick(stamp_ns)
    return rig.tick

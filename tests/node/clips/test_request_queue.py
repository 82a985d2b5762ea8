"""Who is served next, without ROS."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.request_queue import MAX_WAITING, RequestQueue, Ticket

DEADLINE_S = 10.0


def never() -> bool:
    return False


def test_tickets_are_served_in_order_of_arrival() -> None:
    queue, served, here = RequestQueue(), list[int](), threading.Event()

    def request(number: int, entered: threading.Event) -> None:
        with queue.enter("chase", never) as ticket:
            entered.set()
            queue.wait_turn(ticket)
            here.wait(DEADLINE_S)
            served.append(number)

    threads = []
    for number in range(MAX_WAITING + 1):
        entered = threading.Event()
        threads.append(threading.Thread(target=request, args=(number, entered)))
        threads[-1].start()
        assert entered.wait(DEADLINE_S)
    with pytest.raises(AnyviewError) as busy, queue.enter("chase", never):
        pass
    assert busy.value.code == "busy"
    here.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert served == list(range(MAX_WAITING + 1))
    assert len(queue) == 0


def test_the_first_one_does_not_wait() -> None:
    queue = RequestQueue()
    with queue.enter("chase", never) as ticket:
        queue.wait_turn(ticket)
        assert ticket.queue_s < 0.1


def test_a_failed_request_leaves_the_queue() -> None:
    queue = RequestQueue()
    with pytest.raises(ZeroDivisionError), queue.enter("chase", never):
        raise ZeroDivisionError
    assert len(queue) == 0


def test_a_waiting_request_can_be_cancelled() -> None:
    queue, cancel = RequestQueue(), threading.Event()
    with queue.enter("chase", never), queue.enter("side", cancel.is_set) as ticket:
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(AnyviewError) as cancelled:
            queue.wait_turn(ticket)
    assert cancelled.value.code == "cancelled"


def test_abort_tells_the_first_reason_to_whom_it_concerns() -> None:
    queue, stack = RequestQueue(), ExitStack()
    with stack:
        chase, side = (stack.enter_context(queue.enter(name, never)) for name in ("chase", "side"))
        queue.abort(AnyviewError("camera_removed", "gone"), "side")
        assert not chase.is_cancelled()
        queue.abort(AnyviewError("clock_jumped", "back"))
        assert [t.reason().code for t in (chase, side)] == ["clock_jumped", "camera_removed"]


def test_states_are_those_of_the_list_service() -> None:
    queue, stack = RequestQueue(), ExitStack()
    with stack:
        for name in ("chase", "side", "chase"):
            stack.enter_context(queue.enter(name, never))
        states = [queue.state_of(name) for name in ("chase", "side", "other")]
        assert states == ["running", "queued", "idle"]


def test_the_callers_wish_is_the_reason_when_nothing_else_is() -> None:
    assert Ticket("chase", never).reason().message == "cancelled by the caller"


def test_a_sources_jump_ends_the_requests_that_may_use_it() -> None:
    queue = RequestQueue()
    jump = AnyviewError("clock_jumped", "front went back")
    with (
        queue.enter("a", lambda: False) as uses,
        queue.enter("b", lambda: False) as does_not,
        queue.enter("c", lambda: False) as not_known_yet,
        queue.enter_stream(lambda: False) as cuts_later,
    ):
        uses.sources, does_not.sources = ("left", "front"), ("left",)
        queue.abort(jump, source="front")
        assert (uses.reason(), not_known_yet.reason()) == (jump, jump)
        assert not does_not.is_cancelled()
        assert not cuts_later.is_cancelled()

"""Who is served next, without ROS."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from time import monotonic

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.request_queue import RequestQueue, Ticket
from anyview_ros.node.parameters import MAX_WAITING

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
    with queue.enter("chase", never) as running, queue.enter("side", cancel.is_set) as ticket:
        queue.wait_turn(running)
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(AnyviewError) as cancelled:
            queue.wait_turn(ticket)
    assert cancelled.value.code == "cancelled"


def test_a_wait_that_made_room_ends_with_the_reason_of_that() -> None:
    queue = RequestQueue(max_waiting=1)

    def wait(stack: ExitStack) -> None:
        with queue.enter("flood", never, "flood"):
            stack.enter_context(queue.enter("rare", never, "rare"))
            raise AnyviewError("cancelled", "as who waits for a model notices it")

    with ExitStack() as stack:
        held(queue, stack, "flood")
        with pytest.raises(AnyviewError) as ended:
            wait(stack)
    assert ended.value.code == "busy"


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
        first, *_ = [stack.enter_context(queue.enter(n, never)) for n in ("chase", "side", "chase")]
        assert queue.state_of("chase") == "queued", "it is being gathered"
        queue.wait_turn(first)
        states = [queue.state_of(name) for name in ("chase", "side", "other")]
        assert states == ["running", "queued", "idle"]


def test_the_callers_wish_is_the_reason_when_nothing_else_is() -> None:
    assert Ticket("chase", never, {"chase": 0}).reason().message == "cancelled by the caller"


def test_a_sources_jump_ends_the_requests_that_may_use_it() -> None:
    queue = RequestQueue()
    jump = AnyviewError("clock_jumped", "front went back")
    with (
        queue.enter("a", lambda: False) as uses,
        queue.enter("b", lambda: False) as does_not,
        queue.enter("c", lambda: False) as not_known_yet,
        queue.enter_stream(lambda: False, {"d": 0}) as cuts_later,
    ):
        uses.sources, does_not.sources = ("left", "front"), ("left",)
        queue.abort(jump, source="front")
        assert (uses.reason(), not_known_yet.reason()) == (jump, jump)
        assert not does_not.is_cancelled()
        assert not cuts_later.is_cancelled()


def held(queue: RequestQueue, stack: ExitStack, *shares: str) -> list[Ticket]:
    """Tickets of cameras that were added; the first of all is in its turn."""
    tickets = [stack.enter_context(queue.enter(name, never, name)) for name in shares]
    queue.wait_turn(tickets[0])
    return tickets


def test_who_holds_most_places_gives_its_last_one_up() -> None:
    queue = RequestQueue(max_waiting=3)
    with ExitStack() as stack:
        flood = held(queue, stack, "flood", "flood", "flood", "flood")
        with pytest.raises(AnyviewError) as busy, queue.enter("flood", never, "flood"):
            pass
        assert busy.value.message == (
            "one request is running and 3 are waiting; ask again when one of them is answered, or "
            "raise the parameter max_waiting_requests"
        )
        stack.enter_context(queue.enter("rare", never, "rare"))
        assert [ticket.is_cancelled() for ticket in flood] == [False, False, False, True]
        reason = flood[-1].reason()
        assert (reason.code, len(queue)) == ("busy", 4)
        assert reason.message.startswith(
            "3 requests for 'flood' were waiting, and the last one made room for one for 'rare'"
        )
        stack.enter_context(queue.enter("other", never, "other"))
        assert [ticket.is_cancelled() for ticket in flood] == [False, False, True, True]
        with pytest.raises(AnyviewError), queue.enter("fourth", never, "fourth"):
            pass


def test_cameras_of_one_request_share_their_places() -> None:
    queue = RequestQueue(max_waiting=2)
    with ExitStack() as stack:
        once = [stack.enter_context(queue.enter(f"once{k}", never)) for k in range(3)]
        with pytest.raises(AnyviewError), queue.enter("once3", never):
            pass
        stack.enter_context(queue.enter("added", never, "added"))
        assert [ticket.is_cancelled() for ticket in once] == [False, False, True]


def test_no_place_to_wait() -> None:
    queue = RequestQueue(max_waiting=0)
    with ExitStack() as stack:
        held(queue, stack, "one")
        with pytest.raises(AnyviewError), queue.enter("two", never, "two"):
            pass


def turns(flooding: int, seconds: float) -> list[str]:
    """Whose turns they were while one floods, one streams, and one asks when it was answered."""
    queue, served, over = RequestQueue(), list[str](), threading.Event()

    def serve(ticket: Ticket, name: str) -> None:
        queue.wait_turn(ticket)
        served.append(name)
        over.wait(0.004)

    def flood() -> None:
        while not over.is_set():
            try:
                with queue.enter("flood", over.is_set, "flood") as ticket:
                    serve(ticket, "flood")
            except AnyviewError:
                over.wait(0.001)

    def stream() -> None:
        while not over.is_set():
            entered = queue.enter_stream(over.is_set, {"stream": 0})
            with suppress(AnyviewError), entered as ticket:
                serve(ticket, "stream")

    threads = [threading.Thread(target=flood) for _ in range(flooding)]
    threads.append(threading.Thread(target=stream))
    for thread in threads:
        thread.start()
    end = monotonic() + seconds
    try:
        while monotonic() < end:
            with queue.enter("rare", never, "rare") as ticket:
                serve(ticket, "rare")
    finally:
        over.set()
        for thread in threads:
            thread.join(DEADLINE_S)
    return served


def test_one_that_floods_takes_its_share_and_no_more() -> None:
    served = turns(flooding=12, seconds=0.5)
    for name in ("flood", "stream", "rare"):
        assert served.count(name) > 0.2 * len(served), served


def test_who_waits_for_transforms_holds_nobody_up() -> None:
    queue = RequestQueue()
    with queue.enter("gathers", never), queue.enter("ready", never, "ready") as ticket:
        queue.wait_turn(ticket)
        assert ticket.queue_s < 0.1


@pytest.mark.parametrize(("hangs", "following"), [(1, "one"), (2, "two")])
def test_a_turn_in_which_the_process_hung_costs_nothing_but_once(
    hangs: int, following: str
) -> None:
    """Else the camera waits for as long as the hang took, once for each of the others."""
    queue = RequestQueue()
    for _ in range(hangs):
        with queue.enter_stream(never, {"one": 0}) as ticket:
            queue.wait_turn(ticket)
            assert ticket.began is not None
            ticket.began -= DEADLINE_S
            ticket.is_excused = True
    with queue.enter_stream(never, {"one": 0, "two": 0}) as ticket:
        queue.wait_turn(ticket)
        assert ticket.share == following


@pytest.mark.parametrize(
    ("excused_s", "model_s", "following"),
    [(DEADLINE_S, None, "one"), (0.0, None, "two"), (0.0, 0.5, "one"), (DEADLINE_S, 2.0, "two")],
)
def test_a_turn_costs_what_the_model_took_or_what_is_not_excused(
    excused_s: float, model_s: float | None, following: str
) -> None:
    queue = RequestQueue()
    for name, seconds in (("one", DEADLINE_S), ("two", 1.0)):
        with queue.enter_stream(never, {name: 0}) as ticket:
            queue.wait_turn(ticket)
            assert ticket.began is not None
            ticket.began -= seconds
            if name == "one":
                ticket.excused_s, ticket.model_s = excused_s, model_s
    with queue.enter_stream(never, {"one": 0, "two": 0}) as ticket:
        queue.wait_turn(ticket)
        assert ticket.share == following


def test_a_clip_that_is_being_published_holds_nobody_up_and_its_place_all_the_same() -> None:
    queue = RequestQueue()
    with queue.enter("chase", never, "chase") as first, queue.enter("side", never) as second:
        queue.wait_turn(first)
        first.model_s = 0.1
        queue.end_turn(first)
        queue.wait_turn(second)
        assert len(queue) == 2
        assert queue.state_of("chase") == "running"
        queue.end_turn(second)
    assert len(queue) == 0
    with queue.enter("chase", never, "chase") as own, queue.enter("new", never, "new") as other:
        own.is_ready = True
        queue.wait_turn(other)  # the one of which the model took less


def test_one_clip_of_a_share_is_published_at_a_time_and_the_others_make_room() -> None:
    """Who asks more often than its clips can be shown keeps nobody else out."""
    queue = RequestQueue()
    with ExitStack() as stack:
        own = [stack.enter_context(queue.enter("a", never, "a")) for _ in range(MAX_WAITING + 1)]
        queue.wait_turn(own[0])
        queue.end_turn(own[0])
        turns = threading.Thread(target=queue.wait_turn, args=(own[1],))
        turns.start()
        other = stack.enter_context(queue.enter("b", never, "b"))
        assert own[-1].is_cancelled()
        queue.wait_turn(other)
        assert own[1].began is None, "the clip before is being published"
        queue.end_turn(other)
        own[0].share = ""  # as if it were answered
        turns.join(DEADLINE_S)
        assert own[1].began is not None

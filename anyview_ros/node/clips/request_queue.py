"""The order of requests and streams: one is served at a time, and no camera starves another.

Turns go by start-time fair queueing, see `FairQueue`, and places by longest queue drop (Suter,
Lakshman, Stiliadis and Choudhury, 1998). ROS does not tell a node who calls, so that shares are
those of virtual cameras.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from anyview_ros.errors import AnyviewError
from anyview_ros.node.clips.fair_queue import FairQueue
from anyview_ros.node.parameters import MAX_WAITING

CANCEL_POLL_S = 0.05
ONE_REQUEST = ""  # whose share cameras have that exist for one request, all of them together


class Ticket:
    """A place in the queue, from the arrival to the answer.

    Args:
        camera: name of the virtual camera.
        cancel_requested: whether the caller has requested to cancel.
        priorities: of those whose share its turn may be, by name.
        is_request: whether a caller waits for the answer; else it belongs to the streams.
    """

    def __init__(
        self,
        camera: str,
        cancel_requested: Callable[[], bool],
        priorities: Mapping[str, int],
        is_request: bool = True,
    ) -> None:
        self.camera = camera
        self.priorities = priorities
        self.is_request = is_request
        self.is_ready = False  # it waits for nothing but its turn
        self.share = next(iter(priorities))  # whose the turn is
        self.began: float | None = None  # its turn
        self.is_over = False  # its turn: it is being published
        self.sources: tuple[str, ...] | None = None  # names, once their clips are cut
        self.queue_s = 0.0  # waited for others, once it is its turn
        self.model_s: float | None = None  # of its turn, once its clip is made
        self.excused_s = 0.0  # of its turn: a process was started, or the node itself was stopped
        self.is_excused = False  # the inference process hung in its turn
        self._cancel_requested = cancel_requested
        self._aborted: AnyviewError | None = None

    def abort(self, reason: AnyviewError) -> None:
        """End the request within one step; the first reason is the one that is reported."""
        self._aborted = self._aborted or reason

    def is_cancelled(self) -> bool:
        return self._aborted is not None or self._cancel_requested()

    @property
    def holds_place(self) -> bool:
        """Return whether a caller waits for it who has no answer yet."""
        return self.is_request and self._aborted is None

    def reason(self) -> AnyviewError:
        """Return why a cancelled request ended."""
        return self._aborted or AnyviewError("cancelled", "cancelled by the caller")


class RequestQueue:
    """Keep who waits for the model, and whose turn it is. Thread-safe: one lock.

    Args:
        max_waiting: requests that may wait while one runs.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._tickets: list[Ticket] = []
        self._shares = FairQueue()
        self._excused: set[str] = set()  # shares in whose last turn the process hung

    @contextmanager
    def enter(
        self, camera: str, cancel_requested: Callable[[], bool], share: str = ONE_REQUEST
    ) -> Iterator[Ticket]:
        """Queue a request, and yield its ticket until it is answered.

        Where no place is left, the last request of the share that holds most places ends with
        `busy`, unless the new one belongs to such a share itself.

        Args:
            share: whose share of the model its turn is.

        Raises:
            AnyviewError: `busy`, also in place of `cancelled` where that was why.
        """
        ticket = Ticket(camera, cancel_requested, {share: 0})
        with self._changed:
            self._make_room(ticket)
            self._tickets.append(ticket)
        with self._leaving(ticket):
            try:
                yield ticket
            except AnyviewError as error:
                if error.code != "cancelled":
                    raise
                raise ticket.reason() from None

    @contextmanager
    def enter_stream(
        self, cancel_requested: Callable[[], bool], priorities: Mapping[str, int]
    ) -> Iterator[Ticket]:
        """Queue one clip of the streams, which takes no request's place, and yield its ticket.

        Args:
            priorities: of the streams that are due, by name; at least one.
        """
        ticket = Ticket("", cancel_requested, priorities, is_request=False)
        ticket.sources = ()  # its clips are cut in its turn: none is of before a jump
        with self._changed:
            self._tickets.append(ticket)
        with self._leaving(ticket):
            yield ticket

    @contextmanager
    def _leaving(self, ticket: Ticket) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._end_turn(ticket)

    def end_turn(self, ticket: Ticket) -> None:
        """Let the next one have the model; the ticket keeps its place until it is answered."""
        with self._changed:
            self._end_turn(ticket)

    def _end_turn(self, ticket: Ticket) -> None:
        if ticket.began is not None and not ticket.is_over:
            ticket.is_over = True
            self._charge(ticket, time.monotonic() - ticket.began)
        self._changed.notify_all()

    def _charge(self, ticket: Ticket, seconds: float) -> None:
        """Charge for what the model took of a turn, for all of one that failed.

        Nothing for a stop of the node, the start of a process, and the first in a row in which the
        process hung: a camera that is charged waits until each of the others has used as much time.
        """
        seconds = seconds - ticket.excused_s if ticket.model_s is None else ticket.model_s
        is_free = ticket.is_excused and ticket.share not in self._excused
        self._excused -= {ticket.share}
        if ticket.is_excused:
            self._excused |= {ticket.share}
        if not is_free:
            self._shares.charge(ticket.share, ticket.priorities[ticket.share], seconds)

    def _make_room(self, newcomer: Ticket) -> None:
        """Give the newcomer a place.

        Raises:
            AnyviewError: `busy`.
        """
        if self._requests() <= self._max_waiting:
            return
        waiting = [t for t in self._tickets if t.holds_place and t.began is None]
        places = Counter(ticket.share for ticket in waiting)
        longest = max(places, key=lambda share: places[share], default=newcomer.share)
        if places[longest] <= places[newcomer.share] + 1:
            raise AnyviewError(
                "busy",
                f"one request is running and {self._max_waiting} are waiting; ask again when one "
                "of them is answered, or raise the parameter max_waiting_requests",
            )
        last = [ticket for ticket in waiting if ticket.share == longest][-1]
        last.abort(
            AnyviewError(
                "busy",
                f"{places[longest]} requests for '{last.camera}' were waiting, and the last one "
                f"made room for one for '{newcomer.camera}'; ask again when one of them is "
                "answered",
            )
        )
        self._changed.notify_all()

    def _requests(self) -> int:
        return sum(ticket.holds_place for ticket in self._tickets)

    def wait_turn(self, ticket: Ticket) -> None:
        """Block until it is the ticket's turn, and note in it the seconds waited.

        Raises:
            AnyviewError: the ticket's reason when it was cancelled meanwhile.
        """
        started = time.monotonic()
        with self._changed:
            ticket.is_ready = True
            while not ticket.is_cancelled() and not self._is_turn_of(ticket):
                self._changed.wait(CANCEL_POLL_S)
            if ticket.is_cancelled():
                raise ticket.reason()
            ticket.began = time.monotonic()
        ticket.queue_s = ticket.began - started

    def _is_turn_of(self, ticket: Ticket) -> bool:
        """Return whether a ticket is next, and note in it whose share its turn is."""
        if any(other.began is not None and not other.is_over for other in self._tickets):
            return False
        # One clip of a share is published at a time: what waits behind it may still make room.
        published = {other.share for other in self._tickets if other.is_over}
        ready = [
            other
            for other in self._tickets
            if other.is_ready and not other.is_cancelled()
            if not (other.is_request and other.share in published)
        ]
        priorities = {name: p for other in ready for name, p in other.priorities.items()}
        if not priorities:  # the ticket was cancelled just now
            return False
        share = self._shares.choose(priorities)
        if next(other for other in ready if share in other.priorities) is not ticket:
            return False
        ticket.share = share
        return True

    def choose_again(self, ticket: Ticket, priorities: Mapping[str, int]) -> str:
        """Give the turn of the streams to the one of those due now that is next; return its name.

        Args:
            priorities: of the streams that are due by now, by name; at least one.
        """
        with self._changed:
            ticket.priorities = priorities
            ticket.camera = ticket.share = self._shares.choose(priorities)
        return ticket.share

    def abort(
        self, reason: AnyviewError, camera: str | None = None, source: str | None = None
    ) -> None:
        """End the requests of one virtual camera, or those that may use a source, or all."""
        with self._changed:
            for ticket in self._tickets:
                uses = source is None or ticket.sources is None or source in ticket.sources
                if camera in (None, ticket.camera) and uses:
                    ticket.abort(reason)
            self._changed.notify_all()

    def state_of(self, camera: str) -> str:
        """Return the state of a virtual camera: `idle`, `queued` or `running`."""
        with self._changed:
            own = [t for t in self._tickets if t.is_request and t.camera == camera]
            if not own:
                return "idle"
            return "running" if any(t.began is not None for t in own) else "queued"

    def __len__(self) -> int:
        with self._changed:
            return self._requests()

"""The order of requests: one is served at a time, first come first served, four may wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyview_ros.errors import AnyviewError

MAX_WAITING = 4
CANCEL_POLL_S = 0.05


class Ticket:
    """A request's place in the queue, from its arrival to its answer.

    Args:
        camera: name of the virtual camera.
        cancel_requested: whether the caller has requested to cancel.
        is_request: whether a caller waits for the answer; else it belongs to the streams.
    """

    def __init__(
        self, camera: str, cancel_requested: Callable[[], bool], is_request: bool = True
    ) -> None:
        self.camera = camera
        self.is_request = is_request
        self.sources: tuple[str, ...] | None = None  # names, once their clips are cut
        self.queue_s = 0.0  # waited for others, once it is its turn
        self._cancel_requested = cancel_requested
        self._aborted: AnyviewError | None = None

    def abort(self, reason: AnyviewError) -> None:
        """End the request within one step; the first reason is the one that is reported."""
        self._aborted = self._aborted or reason

    def is_cancelled(self) -> bool:
        return self._aborted is not None or self._cancel_requested()

    def reason(self) -> AnyviewError:
        """Return why a cancelled request ended."""
        return self._aborted or AnyviewError("cancelled", "cancelled by the caller")


class RequestQueue:
    """Tickets in order of arrival; the first one is served. Thread-safe: one lock."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets: list[Ticket] = []

    @contextmanager
    def enter(self, camera: str, cancel_requested: Callable[[], bool]) -> Iterator[Ticket]:
        """Queue a request, and yield its ticket until it is answered.

        Raises:
            AnyviewError: `busy` when one request runs and four wait.
        """
        ticket = Ticket(camera, cancel_requested)
        with self._changed:
            if self._requests() > MAX_WAITING:
                raise AnyviewError(
                    "busy",
                    f"one request is running and {MAX_WAITING} are waiting; ask again when one "
                    "of them is answered",
                )
            self._tickets.append(ticket)
        with self._leaving(ticket):
            yield ticket

    @contextmanager
    def enter_stream(self, cancel_requested: Callable[[], bool]) -> Iterator[Ticket]:
        """Queue one clip of a stream, which takes no request's place, and yield its ticket.

        Requests and streams take turns: behind the requests that are here, before those to come.
        """
        ticket = Ticket("", cancel_requested, is_request=False)
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
                self._changed.notify_all()

    def _requests(self) -> int:
        return sum(ticket.is_request for ticket in self._tickets)

    def wait_turn(self, ticket: Ticket) -> None:
        """Block until the ticket is the first, and note in it the seconds waited.

        Raises:
            AnyviewError: the ticket's reason when it was cancelled meanwhile.
        """
        started = time.monotonic()
        with self._changed:
            while not ticket.is_cancelled() and self._tickets[0] is not ticket:
                self._changed.wait(CANCEL_POLL_S)
        if ticket.is_cancelled():
            raise ticket.reason()
        ticket.queue_s = time.monotonic() - started

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
            places = [k for k, t in enumerate(self._tickets) if t.is_request and t.camera == camera]
        if not places:
            return "idle"
        return "running" if places[0] == 0 else "queued"

    def __len__(self) -> int:
        with self._changed:
            return self._requests()

"""Holds back what plays a recording or steps a simulation, while lossless cameras catch up."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node

from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.errors import AnyviewError
from anyview_ros.node.parameters import BackPressureMode, Settings

PAUSE, RESUME, STEP = "pause", "resume", "step"  # services, below the name of the node
SERVICES: Mapping[BackPressureMode, tuple[str, ...]] = {"player": (PAUSE, RESUME), "step": (STEP,)}
ABSENT = "no_back_pressure_service"
ANSWER_TIMEOUT_S = 5.0
RETRY_S = 0.5
CLOSE_S = 1.0
MOST_OF_BUFFER = 0.8


class BackPressure:
    """Calls the services of the node that the parameter names. Thread-safe: one lock.

    Their type is the one they have in the graph, and the request its default: so that a rosbag2
    player is paused by rosbag2_interfaces/srv/Pause, and others by a std_srvs/srv/Trigger.

    Args:
        node: calls.
        settings: the node's parameters, as they are now.
        on_answer: called when a service has answered, to regulate again.
    """

    def __init__(
        self, node: Node, settings: Callable[[], Settings], on_answer: Callable[[], None]
    ) -> None:
        self._node = node
        self._on_answered = on_answer
        self._settings = settings
        self._group = ReentrantCallbackGroup()
        # Reentrant: an answer that is there already comes inside of the call.
        self._lock = threading.RLock()
        self._clients: dict[str, Client] = {}
        self._requests: dict[str, Any] = {}
        self._called_at: float | None = None  # of the call that is not answered yet
        self._not_before = 0.0
        self._paused = ""  # name of the player that stands because of us
        self._is_calling = False
        self._held_since: int | None = None
        self._held_ns = 0
        self._calls = 0
        self._problem: AnyviewError | None = None
        self._closed = False

    def regulate(self, backlogs: Sequence[int], shape: ClipShape) -> None:
        """Pause, resume or step the source by the backlogs of the lossless cameras; never wait.

        Args:
            backlogs: frames that wait for their answer, of each; may be empty.
            shape: of their clips.
        """
        mode, most = self._settings().back_pressure, max(backlogs, default=0)
        with self._lock:
            if self._closed or not self._is_free():
                return
            if self._paused:
                self._regulate_paused(mode != "player" or most <= shape.frames, any(backlogs))
                return
            if mode != "step":
                self._hold(False)
            if mode in SERVICES and (self.holding or self._ready(mode, backlogs)):
                if mode == "step":
                    self._hold(bool(backlogs) and most >= shape.frames)
                    if backlogs and not self.holding:
                        self._call(STEP)
                elif most >= self._high(shape):
                    self._call(PAUSE)

    def release(self) -> None:
        """Let go of the source, while there is no model to answer its frames; never wait."""
        with self._lock:
            if self._closed or not self._is_free():
                return
            if self._paused:
                self._regulate_paused(may_go_on=True)
            else:
                self._hold(False)

    @property
    def holding(self) -> bool:
        """Return whether we hold the source back."""
        return self._held_since is not None

    @property
    def calls(self) -> int:
        """Return how many times a service was called."""
        return self._calls

    @property
    def problem(self) -> AnyviewError | None:
        """Return why the last call failed; None if it did not."""
        return self._problem

    def now_ns(self) -> int:
        """Return the time of a steady clock that stands still while the source does.

        By it nothing is late because we held it back: the transform that a frame waits for comes
        after the pause.
        """
        with self._lock:
            now = time.monotonic_ns() if self._held_since is None else self._held_since
            return now - self._held_ns

    def close(self) -> None:
        """Resume a player that stands because of us, and wait a moment until it has answered."""
        with self._lock:
            self._closed = True
            if not (self._paused and self._node.context.ok()):
                return
            self._regulate_paused(may_go_on=True)
        deadline = time.monotonic() + CLOSE_S
        while self._paused and time.monotonic() < deadline:
            time.sleep(CLOSE_S / 100)

    def _regulate_paused(self, may_go_on: bool, is_missed: bool = False) -> None:
        """Resume the player if it may go on; one that has ended holds nothing back.

        Args:
            is_missed: whether it is a problem if it has ended.
        """
        try:
            self._client(self._name(RESUME))
        except AnyviewError as error:
            self._hold(False)
            self._fail(error.code, error.message)
            if not is_missed:
                self._problem = None
        else:
            if may_go_on:
                self._call(RESUME)
            elif not self.holding:  # it was out of sight
                self._call(PAUSE)

    def _ready(self, mode: BackPressureMode, backlogs: Sequence[int]) -> bool:
        """Return whether the services that are needed are there; if not, note the problem.

        One that was there and ended, as a player does with its recording, is missed only while
        frames wait.
        """
        try:
            for service in SERVICES[mode] if backlogs else ():
                self._client(self._name(service))
        except AnyviewError as error:
            if self._clients and not any(backlogs):
                self._problem = None
            else:
                self._fail(error.code, error.message)
            return False
        if backlogs and self._problem is not None and self._problem.code == ABSENT:
            self._problem = None
        return True

    def _hold(self, holding: bool) -> None:
        if holding and self._held_since is None:
            self._held_since = time.monotonic_ns()
        elif not holding and self._held_since is not None:
            self._held_ns += time.monotonic_ns() - self._held_since
            self._held_since = None

    def _is_free(self) -> bool:
        now = time.monotonic()
        if self._called_at is not None and now - self._called_at > ANSWER_TIMEOUT_S:
            self._called_at = None
            self._fail(
                "back_pressure_timeout",
                f"{self._name('')}: no answer within {ANSWER_TIMEOUT_S:g} s; it is asked again",
            )
        return self._called_at is None and now >= self._not_before

    def _high(self, shape: ClipShape) -> int:
        """Return the backlog that pauses the source: two clips, or less in a short buffer."""
        room = int(MOST_OF_BUFFER * self._settings().buffer_s * 1e9 / shape.period_ns)
        return max(shape.frames + 1, min(2 * shape.frames, room))

    def _name(self, service: str) -> str:
        node = self._paused or self._settings().back_pressure_node.rstrip("/")
        return f"{node}/{service}"

    def _call(self, service: str) -> None:
        name = self._name(service)
        try:
            client = self._client(name)
        except AnyviewError as error:
            self._fail(error.code, error.message)
            return
        self._called_at = time.monotonic()
        self._calls += 1
        if service == PAUSE:
            self._hold(True)
            self._paused = name.removesuffix(f"/{PAUSE}")
        self._is_calling = True
        client.call_async(self._requests[name]()).add_done_callback(
            lambda future: self._on_answer(service, future)
        )
        self._is_calling = False

    def _on_answer(self, service: str, future: Any) -> None:
        with self._lock:
            self._called_at = None
            self._apply_answer(service, future.result())
            has_lock = self._is_calling  # the answer was there at once, and the caller goes on
        if not has_lock:
            self._on_answered()  # outside of the lock: it asks streams, and they ask for the time

    def _apply_answer(self, service: str, answer: Any) -> None:
        accepted = getattr(answer, "success", True)
        if accepted == (service == RESUME):
            self._hold(False)
            self._paused = ""
        self._problem = None
        if not accepted:
            text = getattr(answer, "message", "")
            self._fail("back_pressure_refused", f"{self._name(service)} refused: {text}")

    def _client(self, name: str) -> Client:
        """Return the client of a service that is there.

        Raises:
            AnyviewError: `no_back_pressure_service`, `unknown_service_type`.
        """
        if name not in self._clients:
            there = dict(self._node.get_service_names_and_types())
            if name not in there:
                raise AnyviewError(
                    ABSENT,
                    f"nobody offers the service '{name}': start the player or the simulator, set "
                    "back_pressure_node to its name, or back_pressure to 'none'",
                )
            kind = _service_type(name, there[name][0])
            self._clients[name] = self._node.create_client(kind, name, callback_group=self._group)
            self._requests[name] = kind.Request
        client = self._clients[name]
        if not client.service_is_ready():
            raise AnyviewError(ABSENT, f"'{name}' does not answer any more")
        return client

    def _fail(self, code: str, text: str) -> None:
        self._problem = AnyviewError(code, text)
        self._not_before = time.monotonic() + RETRY_S


def _service_type(name: str, kind: str) -> Any:
    """Return the class of `package/srv/Type`."""
    package, _, word = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.srv"), word)
    except (ImportError, AttributeError):
        raise AnyviewError(
            "unknown_service_type",
            f"'{name}' is a {kind}, which is not installed here: source the workspace that has "
            f"{package} of this version before starting the node",
        ) from None

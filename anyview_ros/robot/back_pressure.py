"""Holds back what plays a recording or steps a simulation, while lossless cameras catch up."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node

from anyview_ros.errors import AnyviewError
from anyview_ros.robot.clip_windows import ClipShape
from anyview_ros.robot.parameters import Settings

PLAYER, STEP = "player", "step"
PAUSE, RESUME = "pause", "resume"
ANSWER_TIMEOUT_S = 5.0
RETRY_S = 0.5
MOST_OF_BUFFER = 0.8


class BackPressure:
    """Calls the services of the node that the parameter names. Thread-safe: one lock.

    Their type is the one they have in the graph, and the request its default: so that a rosbag2
    player is paused by rosbag2_interfaces/srv/Pause, and others by a std_srvs/srv/Trigger.

    Args:
        node: calls.
        settings: the node's parameters, as they are now.
    """

    def __init__(self, node: Node, settings: Callable[[], Settings]) -> None:
        self._node = node
        self._settings = settings
        self._group = ReentrantCallbackGroup()
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._requests: dict[str, Any] = {}
        self._asked_at: float | None = None  # of the call that is not answered yet
        self._not_before = 0.0
        self._holding = False
        self._released_at = time.monotonic()
        self._calls = 0
        self._problem: AnyviewError | None = None

    def regulate(self, backlogs: Sequence[int], shape: ClipShape) -> None:
        """Look at the lossless cameras, and pause, resume or step; returns at once.

        Args:
            backlogs: frames that wait for their answer, of each; may be empty.
            shape: of their clips.
        """
        mode = self._settings().back_pressure
        with self._lock:
            if mode in (PLAYER, STEP) and self._is_free():
                most = max(backlogs, default=0)
                if mode == STEP and backlogs and most < shape.frames:
                    self._call(STEP)
                elif mode == PLAYER and not self._holding and most >= self._high(shape):
                    self._call(PAUSE)
                elif mode == PLAYER and self._holding and most <= shape.frames:
                    self._call(RESUME)

    @property
    def holding(self) -> bool:
        """Whether the source stands because of us."""
        return self._holding

    @property
    def calls(self) -> int:
        """Services that were called."""
        return self._calls

    @property
    def problem(self) -> AnyviewError | None:
        """Why the last call failed; None when it did not."""
        return self._problem

    def released_s(self) -> float:
        """Seconds since the source may send; 0 while it is held."""
        with self._lock:
            return 0.0 if self._holding else time.monotonic() - self._released_at

    def close(self) -> None:
        """Leave no player paused behind."""
        with self._lock:
            if self._holding and self._node.context.ok():
                self._call(RESUME)

    def _is_free(self) -> bool:
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at > ANSWER_TIMEOUT_S:
            self._asked_at = None
            self._fail(
                "back_pressure_timeout",
                f"{self._name('')}: no answer within {ANSWER_TIMEOUT_S:g} s; it is asked again",
            )
        return self._asked_at is None and now >= self._not_before

    def _high(self, shape: ClipShape) -> int:
        """Two clips, so that the next one is there when one is made; less in a short buffer."""
        room = int(MOST_OF_BUFFER * self._settings().buffer_s * 1e9 / shape.period_ns)
        return max(shape.frames + 1, min(2 * shape.frames, room))

    def _name(self, service: str) -> str:
        return f"{self._settings().back_pressure_node.rstrip('/')}/{service}"

    def _call(self, service: str) -> None:
        name = self._name(service)
        try:
            client = self._client(name)
        except AnyviewError as error:
            self._fail(error.code, error.message)
            return
        self._asked_at = time.monotonic()
        self._calls += 1
        if service == PAUSE:
            self._holding = True
        client.call_async(self._requests[name]()).add_done_callback(
            lambda future: self._on_answer(service, future)
        )

    def _on_answer(self, service: str, future: Any) -> None:
        with self._lock:
            self._asked_at = None
            answer = future.result()
            if getattr(answer, "success", True):
                self._problem = None
                if service != PAUSE:
                    self._holding, self._released_at = False, time.monotonic()
                return
            self._holding = service == RESUME
            text = getattr(answer, "message", "")
            self._fail("back_pressure_refused", f"{self._name(service)} refused: {text}")

    def _client(self, name: str) -> Client:
        """Of a service that is there.

        Raises:
            AnyviewError: `no_back_pressure_service`, `unknown_service_type`.
        """
        if name not in self._clients:
            there = dict(self._node.get_service_names_and_types())
            if name not in there:
                raise AnyviewError(
                    "no_back_pressure_service",
                    f"nobody offers the service '{name}': start the player or the simulator, set "
                    "back_pressure_node to its name, or back_pressure to 'none'",
                )
            kind = _service_type(name, there[name][0])
            self._clients[name] = self._node.create_client(kind, name, callback_group=self._group)
            self._requests[name] = kind.Request
        client = self._clients[name]
        if not client.service_is_ready():
            raise AnyviewError("no_back_pressure_service", f"'{name}' does not answer any more")
        return client

    def _fail(self, code: str, text: str) -> None:
        self._problem = AnyviewError(code, text)
        self._not_before = time.monotonic() + RETRY_S


def _service_type(name: str, kind: str) -> Any:
    """Of `package/srv/Type`."""
    package, _, word = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.srv"), word)
    except ImportError:
        raise AnyviewError(
            "unknown_service_type",
            f"'{name}' is a {kind}, whose package is not installed here: source the workspace that "
            f"has {package} before starting the node",
        ) from None

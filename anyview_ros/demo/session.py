"""A node for programs that wait: spun by a thread, so that the main thread may block."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from anyview_ros.errors import AnyviewError
from anyview_ros.node.log_folder import provide_log_folder
from anyview_ros.node.spinning import spin

GLANCE_S = 0.5  # how often a wait looks whether it still makes sense
NOTICE_S = 15.0  # between two lines that tell of a wait


class Session:
    """A node, its context and its thread, from `with` to the end of the block.

    Args:
        name: of the node.
        domain: ROS_DOMAIN_ID; None = the environment's.
        check: called now and then during every wait; raises when there is nothing to wait for.
        arguments: of ROS, as on the command line of a node.
        parameters: values that stand above those of the arguments.
    """

    def __init__(
        self,
        name: str,
        domain: int | None = None,
        check: Callable[[], None] = lambda: None,
        arguments: Sequence[str] = (),
        parameters: Sequence[Parameter] = (),
    ) -> None:
        self._check = check
        provide_log_folder()
        self._context = Context()
        # Ctrl-C must reach the main thread as an exception; rclpy's handlers end the context.
        no_handlers = SignalHandlerOptions.NO
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=no_handlers)
        self.node = Node(
            name,
            context=self._context,
            cli_args=list(arguments),
            parameter_overrides=list(parameters),
            start_parameter_services=False,  # a program that waits is not configured from outside
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._failure: BaseException | None = None  # of a callback, which ended the thread

    def be_quiet(self) -> None:
        """Log nothing of this node but what ends it."""
        self.node.get_logger().set_level(LoggingSeverity.FATAL)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.shutdown(context=self._context)  # wakes the executor
        self._thread.join()
        self.node.destroy_node()

    def check(self) -> None:
        """Raise what makes waiting vain: what `check` raises, or a callback of the node raised."""
        if self._failure is not None:
            raise self._failure
        self._check()

    def wait(
        self, wait_for: Callable[[float], bool], timeout_s: float, what: str, remedy: str
    ) -> None:
        """Wait for an event, and say on stderr what a long wait is for.

        Args:
            wait_for: waits at most the seconds given; whether the event came.
            what, remedy: what is waited for, and what to look at when it does not come.

        Raises:
            AnyviewError: `timeout`, or what `check` raises.
            Exception: what a callback of the node raised: nothing is heard any more.
        """
        began, notice_s = time.monotonic(), NOTICE_S
        deadline = began + timeout_s
        while not wait_for(max(0.0, min(GLANCE_S, deadline - time.monotonic()))):
            self.check()
            waited_s = time.monotonic() - began
            if waited_s >= notice_s:
                said = f"waiting for {what}: {waited_s:.0f} s, at most {timeout_s:g} s; {remedy}"
                print(said, file=sys.stderr, flush=True)
                notice_s += NOTICE_S
            if time.monotonic() >= deadline:
                raise AnyviewError("timeout", f"{what} did not come in {timeout_s:g} s; {remedy}")

    def answer(self, ask: Callable[[], Future], timeout_s: float, what: str) -> Any:
        """Return the result of a call, from the main thread.

        Args:
            ask: starts the call. It runs on the session's thread: an action client drops an
                answer that comes before it has noted its own question (rclpy of Jazzy).

        Raises:
            AnyviewError: as `wait`.
        """
        done = threading.Event()
        calls: list[Future] = []

        def start() -> None:
            calls.append(ask())
            calls[0].add_done_callback(lambda _: done.set())

        self._executor.create_task(start)
        self.wait(done.wait, timeout_s, what, "look at the node's log")
        return calls[0].result()

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call something on the session's thread, as action clients need it: see `answer`."""
        self._executor.create_task(call)

    def _spin(self) -> None:
        try:
            spin(self._executor)
        except Exception as error:
            self._failure = error

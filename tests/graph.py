"""A live ROS graph for tests: a domain of its own, this machine only, waits for events."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

CHECKOUT = Path(__file__).resolve().parent.parent
LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def claim(domain: int) -> None:
    """Take a domain for this process; fails where others compute, or have the domain already.

    Limits of time hold beside tests that wait, not beside those that compute; and graphs of one
    domain would hear each other.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return
    assert "ANYVIEW_LIVE_TESTS" in os.environ, (
        "tests over a live ROS graph run apart: say `pytestmark = pytest.mark.graph` in the module"
    )
    note = Path(tempfile.gettempdir()) / f"anyview-{run}-{domain}"
    if note not in _claimed:
        try:
            note.touch(exist_ok=False)
        except FileExistsError:
            raise AssertionError(f"another module has domain {domain}: take a free one") from None
        _claimed.add(note)
        atexit.register(note.unlink)


_claimed: set[Path] = set()


class Graph:
    """A node of the test's own, spun by a thread, that keeps what it hears."""

    def __init__(self, domain: int) -> None:
        claim(domain)
        os.environ.update(LOCAL)
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def listen(self, message_type: type, topic: str, qos: QoSProfile | int = 100) -> list[Any]:
        """Subscribe; the list grows with every message."""
        heard: list[Any] = []

        def keep(message: Any) -> None:
            with self._changed:
                heard.append(message)
                self._changed.notify_all()

        self.node.create_subscription(message_type, topic, keep, qos)
        return heard

    def wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Wait for something that messages bring about; fails with `what` did not come."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout_s), f"{what}: not within {timeout_s} s"

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(timeout=5)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


@contextmanager
def graph(domain: int) -> Iterator[Graph]:
    opened = Graph(domain)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def child(arguments: Sequence[str], domain: int, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`python -m arguments...` on the domain; killed at the end, with all it started."""
    claim(domain)
    environment = {**os.environ, **LOCAL, "ROS_DOMAIN_ID": str(domain)}
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=CHECKOUT,
        env=environment,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        yield started
    finally:
        if "COVERAGE_RUN" in os.environ:  # what is killed cannot tell which lines ran
            end_in_order(started)
        with suppress(ProcessLookupError):
            os.killpg(started.pid, 9)
        started.wait()


def end_in_order(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, and wait for it a while."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=60)

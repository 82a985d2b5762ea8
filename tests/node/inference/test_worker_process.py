"""The inference process beside its jobs: while it waits, and where the node has ended."""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from anyview_ros.node.inference import worker_process
from anyview_ros.node.inference.worker_process import Inbox, main, next_job


def test_memory_is_given_back_where_no_job_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    given: list[bool] = []

    def give_back() -> None:
        given.append(True)
        jobs.put("late")

    monkeypatch.setattr(worker_process, "give_back_freed_memory", give_back)
    monkeypatch.setattr(worker_process, "IDLE_S", 0.01)
    jobs.put("early")
    assert (next_job(jobs), len(given)) == ("early", 0)
    assert (next_job(jobs), len(given)) == ("late", 1)


def loads(*_: Any) -> Mock:
    return Mock(provider="cpu", package=Mock(sha256=""))


def asks_for_memory(connection: Any, *_: Any) -> None:
    connection.send("")


@pytest.mark.parametrize("load", [loads, asks_for_memory])
def test_it_ends_without_a_trace_where_the_node_ended_while_it_loaded(
    load: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Inbox, "start", lambda inbox: None)  # it hears of it later
    monkeypatch.setattr(worker_process, "load_pipeline", load)
    node, own = socket.socketpair()
    node.close()
    files = own.detach(), os.memfd_create("pixels")
    monkeypatch.setattr(sys, "argv", ["", *map(str, files), "none", "cpu", "cpu", "0"])
    before = signal.getsignal(signal.SIGINT)
    try:
        main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == ""

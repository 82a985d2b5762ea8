"""What the inference process does while it waits for a job."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from anyview_ros.node.inference import worker_process
from anyview_ros.node.inference.worker_process import next_job


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

"""A pool that needs no thread to begin any more."""

from __future__ import annotations

import threading
from unittest.mock import Mock

import pytest

from anyview_ros.engine.started_pool import started_pool

THREADS, LIMIT_S = 4, 10.0


def test_all_threads_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started_pool(THREADS)
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=MemoryError))
    met = threading.Barrier(THREADS)  # passed by so many at once
    assert sorted(pool.map(lambda _: met.wait(LIMIT_S), range(THREADS))) == list(range(THREADS))

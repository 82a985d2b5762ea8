"""Batches drawn ahead of the steps that need them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Draws the batches of coming steps in threads; OpenCV and numpy free the interpreter.

    Args:
        draw: the batch of a step.
        first: step.
        loaders: threads, and batches that wait.
    """

    def __init__(self, draw: Callable[[int], Batch], first: int, loaders: int) -> None:
        self._draw, self._step, self._loaders = draw, first, loaders
        self._pool = ThreadPoolExecutor(loaders)
        self._coming: deque[Future[Batch]] = deque()
        self.waited_s = 0.0

    def __enter__(self) -> Prefetcher[Batch]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def next(self) -> Batch:
        """Return the batch of the next step, in order."""
        while len(self._coming) <= self._loaders:
            self._coming.append(self._pool.submit(self._draw, self._step))
            self._step += 1
        started = time.monotonic()
        batch = self._coming.popleft().result()
        self.waited_s += time.monotonic() - started
        return batch

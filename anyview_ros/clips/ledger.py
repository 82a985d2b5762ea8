"""Where every received frame of a camera went: nothing is lost without a reason."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LedgerSnapshot:
    """Counts of one instant; each frame received is in exactly one of the others.

    Args:
        received: images that arrived.
        pending_tf: wait for their camera info and pose.
        buffered: in the frame buffer, or remembered as keyframes.
        retired_used, retired_unused: left the buffer after they were, or never were, in a clip.
        dropped: refused or given up, by the code of the reason.
    """

    received: int
    pending_tf: int
    buffered: int
    retired_used: int
    retired_unused: int
    dropped: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        return self.received == (
            self.pending_tf
            + self.buffered
            + self.retired_used
            + self.retired_unused
            + sum(self.dropped.values())
        )


class Ledger:
    """Counts the steps of one camera's frames; every step is atomic. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._pending = 0
        self._buffered = 0
        self._retired = {True: 0, False: 0}
        self._dropped: Counter[str] = Counter()

    def drop_arrival(self, reason: str) -> None:
        """Count a frame that arrived and was refused at once, under the code of the reason."""
        with self._lock:
            self._received += 1
            self._dropped[reason] += 1

    def accept(self) -> None:
        """Count a frame that arrived and waits for its pose."""
        with self._lock:
            self._received += 1
            self._pending += 1

    def give_up(self, reason: str) -> None:
        """Count a waiting frame as dropped, under the code of the reason."""
        with self._lock:
            assert self._pending > 0
            self._pending -= 1
            self._dropped[reason] += 1

    def store(self) -> None:
        """Count a waiting frame as stored in the buffer."""
        with self._lock:
            assert self._pending > 0
            self._pending -= 1
            self._buffered += 1

    def retire(self, used: bool) -> None:
        """Count a frame that left the buffer; `used` says whether any clip held it."""
        with self._lock:
            assert self._buffered > 0
            self._buffered -= 1
            self._retired[used] += 1

    def snapshot(self) -> LedgerSnapshot:
        with self._lock:
            return LedgerSnapshot(
                received=self._received,
                pending_tf=self._pending,
                buffered=self._buffered,
                retired_used=self._retired[True],
                retired_unused=self._retired[False],
                dropped=dict(self._dropped),
            )

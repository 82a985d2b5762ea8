"""Why a clip of a stream was not made, and what follows: patience, another try, or giving up."""

from __future__ import annotations

import time
from collections.abc import Callable

from anyview_ros.errors import AnyviewError

RETRY_S = 0.05
MAX_DEATHS = 3  # of the inference process over one clip that must not be lost
NOT_READY = ("no_sources", "unknown_source", "empty_buffer", "not_yet", "inactive", "no_model")
NO_TRANSFORM = ("tf_waiting", "tf_unknown_frame", "tf_disconnected")
NO_SUCH_CLIP = ("too_few_frames", "too_old", "clip_gap", "clip_duplicate", "calibration_changed")


class Troubles:
    """Those of one stream, since all was well the last time. Not thread-safe.

    Args:
        patience_s: how long a clip waits for its transforms.
        now_ns: steady clock of that patience.
    """

    def __init__(self, patience_s: float, now_ns: Callable[[], int]) -> None:
        self._patience_s = patience_s
        self._now_ns = now_ns
        self.problem: AnyviewError | None = None
        self._stuck_since: int | None = None
        self._retry_at = 0.0
        self._deaths = 0

    @property
    def is_resting(self) -> bool:
        """Whether it is too early to look again."""
        return time.monotonic() < self._retry_at

    def rest(self, error: AnyviewError) -> None:
        """There is nothing to be made yet: look again a little later."""
        self.problem = error
        self._retry_at = time.monotonic() + RETRY_S

    def is_worth_waiting(self, code: str, lossless: bool) -> bool:
        """Whether what lacks may still come; for transforms patience ends."""
        if code in NO_TRANSFORM:
            self._stuck_since = self._stuck_since or self._now_ns()
            return self._now_ns() - self._stuck_since < self._patience_s * 1e9
        return code in NOT_READY or (code == "too_few_frames" and not lossless)

    def is_worth_another_try(self, code: str, continues: bool) -> bool:
        """Without the frames before it, which may have left the buffer; or by another process."""
        if code == "worker_died":
            self._deaths += 1
            return self._deaths < MAX_DEATHS
        return code in NO_SUCH_CLIP and continues

    def go_on(self) -> None:
        """A clip was given up: the next one has its own patience."""
        self._stuck_since, self._deaths = None, 0

    def settle(self) -> None:
        """All is well."""
        self.problem = None
        self._retry_at = 0.0
        self.go_on()

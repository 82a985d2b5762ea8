"""What follows when a clip of a stream cannot be made: patience, another try, or giving up."""

from __future__ import annotations

import time
from collections.abc import Callable

from anyview_ros.errors import AnyviewError

RETRY_S = 0.05
PASSING = ("not_yet", "too_few_frames")
PASSING_S = 3.0  # for so long frames that are still to come are nothing to report
# Deaths of the inference process, or hangs, over one clip that must not be lost. Between them it
# rests longer and longer, so that a clip that ends every process leaves the others time: two
# minutes in all.
MAX_DEATHS = 10
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0


class RetryPolicy:
    """Decide about the errors of one stream since its last success. Not thread-safe.

    Args:
        patience_s: how long a clip waits for its transforms.
        now_ns: steady clock of that patience, and of how long a problem has lasted.
        rest_s: steady clock of the time between two tries.
    """

    def __init__(
        self,
        patience_s: float,
        now_ns: Callable[[], int],
        rest_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience_s = patience_s
        self._rest_s = rest_s
        self._now_ns = now_ns
        self._problem: AnyviewError | None = None
        self._lacks_messages = False
        self._problem_since = 0
        self._stuck_since: int | None = None
        self._retry_at = 0.0
        self._deaths = 0

    @property
    def problem(self) -> AnyviewError | None:
        """Return what to report; frames that are still to come only where they stay away."""
        error = self._problem
        if error is None or error.code not in PASSING:
            return error
        has_lasted_ns = self._now_ns() - self._problem_since
        return error if has_lasted_ns > PASSING_S * 1e9 else None

    @property
    def lacks_messages(self) -> bool:
        """Return whether the next clip lacks messages that may still come, by the last try."""
        return self._lacks_messages

    def note_complete(self) -> None:
        """Take note that nothing lacks any more; what to report stays until the clip is made."""
        self._lacks_messages = False

    def note(self, error: AnyviewError) -> None:
        """Store the newest problem; one of the same code has lasted since the first."""
        if self._problem is None or self._problem.code != error.code:
            self._problem_since = self._now_ns()
        self._problem = error
        self._lacks_messages = error.retry in ("arrival", "readiness")

    def forget_problem(self) -> None:
        """Report nothing until something fails again."""
        self._problem = None

    @property
    def is_resting(self) -> bool:
        """Return whether it is too early for another try."""
        return self._rest_s() < self._retry_at

    def rest(self, error: AnyviewError) -> None:
        """Note why nothing can be made, and allow no other try for RETRY_S."""
        self.note(error)
        self._retry_at = self._rest_s() + RETRY_S

    def is_worth_waiting(self, error: AnyviewError, lossless: bool) -> bool:
        """Return whether what lacks may still come; the first error begins the patience."""
        if error.retry == "arrival":
            self._stuck_since = self._stuck_since or self._now_ns()
            return self._now_ns() - self._stuck_since < self._patience_s * 1e9
        # Frames of a lossless clip that lack have left the buffer.
        return error.retry == "readiness" or (error.retry == "more_frames" and not lossless)

    def outlives(self, error: AnyviewError) -> bool:
        """Return whether the same clip is to be made again because its process ended.

        Counts these deaths, and allows no other try for longer and longer from the second on.
        """
        if error.retry != "new_process":
            return False
        self._deaths += 1
        if self._deaths > 1:
            rest_s = min(FIRST_REST_S * 2 ** (self._deaths - 2), LONGEST_REST_S)
            self._retry_at = self._rest_s() + rest_s
        return self._deaths < MAX_DEATHS

    def is_worth_a_shorter_clip(self, error: AnyviewError, continues: bool) -> bool:
        """Return whether a clip without the frames before may succeed.

        Args:
            continues: whether the clip begins with frames that were answered before.
        """
        return error.retry in ("new_clip", "more_frames") and continues

    def begin_clip(self) -> None:
        """Give the next clip a patience and tries of its own."""
        self._stuck_since, self._deaths, self._retry_at = None, 0, 0.0
        self._lacks_messages = False

    def reset(self) -> None:
        """Forget the problem, the rest, and all tries, after a success or a clock jump."""
        self.forget_problem()
        self.begin_clip()

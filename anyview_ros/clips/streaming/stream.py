"""One virtual camera that is published continuously: what it has answered, and what is next."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.clip_windows import (
    ClipShape,
    RateDecimator,
    Window,
    live_window,
    lossless_window,
)
from anyview_ros.clips.intake.source_health import SILENT_NS, Activity
from anyview_ros.clips.placements import Steered
from anyview_ros.clips.streaming.pending_frames import SUPERSEDED, PendingFrames
from anyview_ros.clips.streaming.retry_policy import RetryPolicy
from anyview_ros.clips.streaming.stream_ledger import StreamLedger, StreamSnapshot
from anyview_ros.clips.virtual.camera_request import CameraRequest, StreamRequest
from anyview_ros.contract import Contract
from anyview_ros.engine.continuation import PreviousClip
from anyview_ros.errors import AnyviewError

# Why frames are not published, beside those of `PendingFrames` and the codes of errors.
THINNED, OFF_GRID = "thinned", "off_grid"
CLOCK_JUMPED = "clock_jumped"


@dataclass(frozen=True)
class StreamStatus:
    """One instant of a stream, for diagnostics.

    Args:
        sources: the cameras of its clips, empty before they are chosen.
        problem: what keeps it from its work now.
        quiet_s: since the last frame of the first source, or since it began.
    """

    request: StreamRequest
    sources: tuple[str, ...]
    ledger: StreamSnapshot
    problem: AnyviewError | None
    quiet_s: float


class Stream:
    """Which frames are answered, which wait, and which clip is next. Thread-safe: one lock.

    Args:
        request: the camera, with a stream.
        contract: of the model.
        patience_s: how long a clip waits for its transforms.
        now_ns: a steady clock that stands still while the source is held back.
        rest_s: a steady clock, see `RetryPolicy`.
    """

    def __init__(
        self,
        request: CameraRequest,
        contract: Contract,
        patience_s: float,
        now_ns: Callable[[], int] = time.monotonic_ns,
        rest_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._shape = ClipShape.of(contract)
        self._now_ns = now_ns
        self._frames = PendingFrames()
        self._sources: tuple[str, ...] = ()
        self._source = ""  # the first of them, whose frames are answered
        self._answered: tuple[int, ...] = ()  # stamps of the last clip, if the next can continue it
        self._previous: PreviousClip | None = None  # its frames
        self._ledger = StreamLedger()
        self._retries = RetryPolicy(patience_s, now_ns, rest_s)
        self._failed_ns = 0  # newest frame when a live clip failed: it waits for a newer one
        self._epoch = 0
        self._heard_at = now_ns()
        self._activity = Activity()
        self._active_at: dict[str, int] = {}  # when a frame of each source came, by that
        self._camera: CameraRequest | None = None
        self._request: StreamRequest
        self.change(request)

    def change(self, request: CameraRequest) -> None:
        """Take over a changed request; frames that were answered stay answered."""
        assert request.stream is not None
        with self._lock:
            before, self._camera = self._camera, request
            if before is None or self._request.rate_hz != request.stream.rate_hz:
                self._decimator = RateDecimator(request.stream.rate_hz, self._shape.period_ns)
                self._stride = self._decimator.stride(self._shape)
            if before is not None and _saw_otherwise(before, request):
                self._previous = None
            self._request = request.stream
            self._chooses = not (request.sources or request.stream.lossless)
            self._retries.forget_problem()
            self._failed_ns = 0
            if request.sources:
                self._follow(request.sources)

    @property
    def request(self) -> StreamRequest:
        return self._request

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the cameras of its last clip, empty before they are chosen."""
        return self._sources

    @property
    def source(self) -> str:
        """Return the first of them, whose frames are answered."""
        return self._source

    def wants_source(self) -> bool:
        """Return whether to choose a source now: frames came, and none was chosen yet.

        A live stream chooses again where its source has stopped and others send.
        """
        with self._lock:
            if self._frames.is_empty() or self._retries.is_resting:
                return False
            return not self._source or (self._chooses and self._has_lost_its_source())

    def follow(self, sources: tuple[str, ...]) -> None:
        """Answer the frames of the first of these cameras from now on."""
        with self._lock:
            self._follow(sources)

    def rest(self, error: AnyviewError) -> None:
        """Note why nothing can be made, and allow no clip for a short time."""
        with self._lock:
            self._retries.rest(error)

    def note(self, source: str, stamp_ns: int, is_changed: bool = False) -> None:
        """Add a frame of a source camera that was stored.

        If its stamp jumps back, a new epoch begins.

        Args:
            is_changed: whether it is the first of another calibration, so that no clip holds it
                and the frame before.
        """
        now = self._now_ns()  # which has a lock of its own, and asks streams under it
        with self._lock:
            if self._frames.jumps(source, stamp_ns):
                if source in self._sources:
                    self._begin_epoch(CLOCK_JUMPED)
                else:
                    self._frames.forget(source)
            skipped = self._frames.add(source, stamp_ns, is_changed)
            self._active_at[source] = self._activity.note(now)
            if source == self._source:
                self._heard_at = now
                self._ledger.add_frame(stamp_ns)
                if skipped:
                    self._ledger.skipped[skipped] += 1

    def forget_times(self, reason: str) -> None:
        """Begin a new epoch, in which stamps may come again; count what waits as skipped."""
        with self._lock:
            self._begin_epoch(reason)

    def window(self, ended: bool = False, join_ns: int = 0, turns: int = 1) -> Window | None:
        """Return the clip that is to be made now, None while it has to wait.

        Args:
            ended: whether no further frame of the source is waited for.
            join_ns, turns: see `live_window`.
        """
        with self._lock:
            window = self._next_window(ended, join_ns, turns)
            return replace(window, epoch=self._epoch) if window is not None else None

    def previous_frames(
        self, window: Window, stamps_ns: tuple[int, ...], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Return (n, H, W, 3), the first frames of a clip that the one before made; n may be 0."""
        nothing = np.empty((0, *size, 3), np.uint8)
        with self._lock:
            if self._previous is None or not window.continues or window.first_ns:
                return nothing
            before = self._previous.overlap(stamps_ns, size)
            return before if len(before) < len(stamps_ns) else nothing

    def accept(
        self,
        window: Window,
        stamps_ns: tuple[int, ...],
        images: NDArray[np.uint8],
        latency_s: float,
    ) -> tuple[int, ...]:
        """Take a clip that was made; return the numbers of its frames that are to be published.

        Empty where the clock jumped since `window` was returned; the clip counts for nothing then.

        Args:
            stamps_ns, images: T, (T, H, W, 3): of the clip.
            latency_s: from the newest stamp to now.
        """
        with self._lock:
            if window.epoch != self._epoch:
                return ()
            waiting = set(self._frames.stamps(self._source))
            new = [stamp for stamp in stamps_ns if stamp in waiting]
            follows = window.continues or (not self._shape.overlap and self._answered)
            if not (follows or self._request.lossless):
                self._decimator.restart(new)
            chosen = self._decimator.select(new)
            self._account(stamps_ns[-1], set(new), set(chosen))
            self._ledger.publish(chosen)
            self._ledger.add_clip(latency_s)
            held = bisect_left(stamps_ns, window.first_ns)
            self._answered = stamps_ns[held:]
            self._previous = PreviousClip(self._answered, images[held:])
            self._reset_retries()
            return tuple(k for k, stamp in enumerate(stamps_ns) if stamp in chosen)

    def record_times(self, wait_s: float, model_s: float, overhead_s: float) -> None:
        """Record the seconds that its last clip waited, and took in the model and around it."""
        with self._lock:
            self._ledger.add_times(wait_s, model_s, overhead_s)

    def record_failure(self, window: Window, error: AnyviewError) -> bool:
        """Decide about a clip that could not be made: wait, try again, or give it up.

        Returns whether it was given up.
        """
        with self._lock:
            if window.epoch != self._epoch:
                return False
            lossless, continues = self._request.lossless, bool(self._answered)
            self._retries.note(error)
            if self._retries.is_worth_waiting(error, lossless):
                self._retries.rest(error)
            elif lossless and self._retries.outlives(error):
                return False  # the same clip again, cut alike
            elif lossless and self._retries.is_worth_a_shorter_clip(error, continues):
                self._answered, self._previous = (), None
            else:
                self._give_up(window, error.code)
                return True
            return False

    def status(self) -> StreamStatus:
        """Return one instant, for diagnostics."""
        with self._lock:
            snapshot = self._ledger.snapshot(len(self._frames.stamps(self._source)))
            return StreamStatus(
                request=self._request,
                sources=self._sources,
                ledger=snapshot,
                problem=self._retries.problem,
                quiet_s=self._quiet_s(),
            )

    def backlog(self) -> int:
        """Return how many frames wait for their answer."""
        with self._lock:
            return len(self._frames.stamps(self._source))

    def backlog_at_work(self) -> int:
        """Return `backlog`, or 0 while the source must bring what the next clip lacks.

        So is the source held back by what the model has to do, and never by what it lacks itself.
        """
        with self._lock:
            waiting = self._frames.stamps(self._source)
            if self._retries.lacks_messages or not waiting:
                return 0
            return len(waiting) if self._lossless_window(waiting, ended=False) else 0

    def note_complete(self) -> None:
        """Take note that the next clip lacks nothing: the model has it now."""
        with self._lock:
            self._retries.note_complete()

    def waits_in_vain(self, window: Window, ended: bool) -> bool:
        """Return whether frames that a further source lacks for a clip will not come any more.

        Args:
            ended: whether no further frame of the first source is waited for.
        """
        with self._lock:
            newest_ns = self._frames.newest_ns(self._source)
            return self._request.lossless and (ended or newest_ns - window.end_ns > SILENT_NS)

    def quiet_s(self) -> float:
        """Return the seconds since the last frame of its source, without those it was held back."""
        with self._lock:
            return self._quiet_s()

    def _quiet_s(self) -> float:
        return (self._now_ns() - self._heard_at) / 1e9

    def _has_lost_its_source(self) -> bool:
        newest = max(self._active_at.values(), default=0)
        return newest - self._active_at.get(self._source, 0) > SILENT_NS

    def _next_window(self, ended: bool, join_ns: int, turns: int) -> Window | None:
        waiting = self._frames.stamps(self._source)
        if not waiting or self._retries.is_resting:
            return None
        if self._request.lossless:
            return self._lossless_window(waiting, ended)
        if waiting[-1] <= self._failed_ns:
            return None
        newest_ns, answered = waiting[-1], self._answered
        return live_window(newest_ns, answered, self._shape, self._stride, join_ns, turns)

    def _lossless_window(self, waiting: list[int], ended: bool) -> Window | None:
        """Return the next lossless clip; another calibration ends a clip as a gap does."""
        changes = self._frames.changes(self._source)
        begins_anew = any(change <= waiting[0] for change in changes)
        later = [change for change in changes if change > waiting[0]]
        alike = waiting[: bisect_left(waiting, later[0])] if later else waiting
        answered = () if begins_anew else self._answered
        return lossless_window(alike, answered, self._shape, ended=ended or bool(later))

    def _follow(self, sources: tuple[str, ...]) -> None:
        before, self._sources = self._source, sources
        if sources[0] == before:
            return
        self._ledger.seen -= len(self._frames.stamps(before))  # they are not ours to answer
        self._source = sources[0]
        assert self._camera is not None
        if self._camera.takes_the_sources_lens:
            self._previous = None
        for stamp in self._frames.stamps(self._source):
            self._ledger.add_frame(stamp)

    def _begin_epoch(self, reason: str) -> None:
        self._ledger.skipped[reason] += len(self._frames.stamps(self._source))
        self._ledger.new_epoch()
        self._frames.clear()
        self._decimator = RateDecimator(self._request.rate_hz, self._shape.period_ns)
        self._epoch += 1
        self._reset_retries()
        self._answered, self._previous = (), None

    def _reset_retries(self) -> None:
        """Forget the errors before, after a success."""
        self._retries.reset()
        self._failed_ns = 0

    def _account(self, end_ns: int, new: set[int], chosen: set[int]) -> None:
        """Count every waiting frame up to the end of a clip, and drop it."""
        for stamp in self._frames.drop_until(self._source, end_ns):
            if stamp in chosen:
                continue
            if stamp in new:
                self._ledger.skipped[THINNED] += 1
            else:
                self._ledger.skipped[OFF_GRID if self._request.lossless else SUPERSEDED] += 1

    def _give_up(self, window: Window, code: str) -> None:
        if self._request.lossless:
            end_ns = window.fresh[-1] if window.fresh else window.end_ns
            self._ledger.skipped[code] += len(self._frames.drop_until(self._source, end_ns))
        else:
            self._failed_ns = self._frames.newest_ns(self._source)
        self._answered, self._previous = (), None
        self._retries.begin_clip()


def _saw_otherwise(before: CameraRequest, after: CameraRequest) -> bool:
    """Return whether a camera was changed so that it would have seen other frames in the past."""
    moved = after.placement is not before.placement and not isinstance(after.placement, Steered)
    lenses = [(each.size, each.intrinsics, each.horizontal_fov) for each in (before, after)]
    return moved or lenses[0] != lenses[1]

"""Where every source frame of a stream went, and how fast and how late the answers came."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

RATE_WINDOW_NS = 10_000_000_000
CLIPS_REMEMBERED = 32


@dataclass(frozen=True)
class StreamSnapshot:
    """One instant of a stream; each frame seen is in exactly one of the others.

    Args:
        seen: frames of the source since the stream began.
        waiting: not answered yet.
        published: answered.
        skipped: not published, by the reason.
        rate_hz: published frames for each second of the source's time, in its last ten seconds.
        latency_s: of the last clips: from the newest source stamp of a clip to the publication of
            its first frame, their median and largest; 0 before the first.
        clips: made.
        wait_s, model_s, overhead_s: what latency is made of, medians of the last clips: from the
            newest source stamp to its turn, in the model, and in the node around it.
    """

    seen: int
    waiting: int
    published: int
    skipped: Mapping[str, int]
    rate_hz: float
    latency_s: float
    max_latency_s: float
    clips: int
    wait_s: float
    model_s: float
    overhead_s: float

    @property
    def balanced(self) -> bool:
        return self.seen == self.waiting + self.published + sum(self.skipped.values())


class StreamLedger:
    """Counts the frames of one stream. Not thread-safe: the stream has the lock."""

    def __init__(self) -> None:
        self.seen = 0
        self.published = 0
        self.skipped: Counter[str] = Counter()
        self.clips = 0
        self._stamps: deque[int] = deque()
        self._began_ns: int | None = None
        self._newest_ns = 0
        self._latencies: deque[float] = deque(maxlen=CLIPS_REMEMBERED)
        self._waits: deque[float] = deque(maxlen=CLIPS_REMEMBERED)
        self._model: deque[float] = deque(maxlen=CLIPS_REMEMBERED)
        self._overhead: deque[float] = deque(maxlen=CLIPS_REMEMBERED)

    def add_frame(self, stamp_ns: int) -> None:
        """Count a frame that the source sent."""
        self.seen += 1
        if self._began_ns is None:
            self._began_ns = stamp_ns
        self._newest_ns = max(self._newest_ns, stamp_ns)

    def publish(self, stamps_ns: Sequence[int]) -> None:
        """Count frames that were answered."""
        self.published += len(stamps_ns)
        self._stamps.extend(stamps_ns)
        while self._stamps and self._stamps[0] <= self._newest_ns - RATE_WINDOW_NS:
            self._stamps.popleft()

    def add_clip(self, latency_s: float) -> None:
        """Count a clip that is handed over for publication, with its latency in seconds."""
        self.clips += 1
        self._latencies.append(latency_s)

    def add_times(self, wait_s: float, model_s: float, overhead_s: float) -> None:
        """Record the seconds that a clip waited, and took in the model and around it."""
        self._waits.append(wait_s)
        self._model.append(model_s)
        self._overhead.append(overhead_s)

    def new_epoch(self) -> None:
        """Forget the stamps by which rates are measured; counts go on."""
        self._stamps.clear()
        self._began_ns, self._newest_ns = None, 0

    def snapshot(self, waiting: int) -> StreamSnapshot:
        return StreamSnapshot(
            seen=self.seen,
            waiting=waiting,
            published=self.published,
            skipped=dict(self.skipped),
            rate_hz=self._rate_hz(),
            latency_s=_middle(self._latencies),
            max_latency_s=max(self._latencies, default=0.0),
            clips=self.clips,
            wait_s=_middle(self._waits),
            model_s=_middle(self._model),
            overhead_s=_middle(self._overhead),
        )

    def _rate_hz(self) -> float:
        if self._began_ns is None or self._newest_ns <= self._began_ns:
            return 0.0
        begin_ns = max(self._began_ns, self._newest_ns - RATE_WINDOW_NS)
        recent = sum(stamp > begin_ns for stamp in self._stamps)
        return 1e9 * recent / (self._newest_ns - begin_ns)


def _middle(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0

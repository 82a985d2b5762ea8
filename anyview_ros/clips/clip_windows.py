"""Which frames make the next clip of a stream. Pure functions of stamps, so a run repeats itself.

Consecutive clips overlap: each begins with the last frames answered, so that it can continue them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.contract import Contract
from anyview_ros.time_grid import reach_ns


@dataclass(frozen=True)
class ClipShape:
    """The clips of a stream.

    Args:
        frames: T of every clip.
        overlap: how many of them were in the clip before.
        period_ns: of the model's grid.
    """

    frames: int
    overlap: int
    period_ns: int

    @classmethod
    def of(cls, contract: Contract) -> ClipShape:
        """Return clips of the model's usual length that overlap by 1 + 4 j, an eighth at most.

        Only so many can be given to a model as known. Clips of one frame do not overlap.
        """
        frames, step = contract.usual_frames(""), contract.latent.time
        overlap = min(frames - 1, 1 + step * max(0, (frames // 8 - 1) // step))
        return cls(frames, overlap, round(contract.frame_period * 1e9))

    @property
    def stride(self) -> int:
        """Return the number of new frames in a clip."""
        return self.frames - self.overlap

    @property
    def span_ns(self) -> int:
        """Return the time from the first to the last frame of a clip."""
        return (self.frames - 1) * self.period_ns

    @property
    def slack_ns(self) -> int:
        """Return how early a frame may be without being compared with a later one."""
        return self.period_ns // 10


@dataclass(frozen=True)
class Window:
    """The frames of a clip.

    Args:
        end_ns: of its grid.
        first_ns: times before it show the frame of it: there is no earlier one; 0 = there are.
        fresh: stamps that this clip answers; None = all that are new.
        continues: whether it begins with the last frames answered.
        epoch: of the stream that it was cut for; after a clock jump its stamps mean other frames.
    """

    end_ns: int
    first_ns: int = 0
    fresh: tuple[int, ...] | None = None
    continues: bool = False
    epoch: int = 0

    def spec(self, shape: ClipShape) -> ClipSpec:
        """Return what its clip is cut by; 0 for its end is the newest frame."""
        return ClipSpec(self.end_ns, shape.frames, shape.period_ns, hold_before_ns=self.first_ns)


def live_window(
    newest_ns: int,
    answered: Sequence[int],
    shape: ClipShape,
    stride: int,
    join_ns: int = 0,
    turns: int = 1,
) -> Window | None:
    """Return the next clip of a stream that shows the present; None while it has to wait.

    It continues the clip before as long as no whole further clip is there too; then that one is
    late, and the clip that ends now is made instead.

    Args:
        newest_ns: stamp of the newest frame.
        answered: stamps of the last clip, empty at the start.
        stride: frames from the end of one clip to that of the next.
        join_ns: end of a clip of other cameras on the same sources, which share what was computed
            of it; 0 = there is none. It is joined once, while it is at most so many clips old as
            there are turns: where the model is slower than the sources, all cameras show one
            moment, and have more frames than if each began with its newest.
        turns: how many cameras take turns.
    """
    if not shape.overlap:
        due_ns = answered[-1] + stride * shape.period_ns - shape.period_ns // 2 if answered else 0
        return Window(newest_ns) if newest_ns >= due_ns else None
    if len(answered) >= shape.overlap:  # a clip that ended early may be shorter
        follows = stride <= shape.stride
        start_ns = answered[-shape.overlap] if follows else answered[-1] - shape.span_ns
        end_ns = start_ns + shape.span_ns + (0 if follows else stride * shape.period_ns)
        if newest_ns < end_ns - shape.slack_ns:
            return None
        if newest_ns < end_ns + stride * shape.period_ns - shape.slack_ns:
            return Window(end_ns, continues=follows)
    is_new = not answered or join_ns > answered[-1]
    if is_new and 0 <= newest_ns - join_ns < turns * shape.stride * shape.period_ns:
        return Window(join_ns)
    return Window(newest_ns)


def lossless_window(
    waiting: Sequence[int], answered: Sequence[int], shape: ClipShape, ended: bool
) -> Window | None:
    """Return the next clip of a stream that answers every frame; None while it has to wait.

    A gap ends a clip early, and the end of the stream does: what is left is answered by a clip
    that ends there. It reaches back over frames that were answered before, and where there are
    not enough of them its first frame stands still.

    Args:
        waiting: stamps not answered yet, increasing.
        answered: the last ones answered, without a gap; empty at the start.
        ended: whether no further frame is waited for.
    """
    if not waiting:
        return None
    if shape.overlap and len(answered) >= shape.overlap:
        start_ns = answered[-shape.overlap]
        picks, broken = _on_grid(waiting, start_ns, shape.overlap, shape, ended)
        if picks or not broken:
            history = (*answered, *picks)
            return _window(history, picks, start_ns, broken or ended, shape, continues=True)
    picks, broken = _on_grid(waiting, waiting[0], 0, shape, ended)
    return _window(picks, picks, waiting[0], broken or ended, shape, continues=False)


def _window(
    history: Sequence[int],
    picks: Sequence[int],
    start_ns: int,
    closed: bool,
    shape: ClipShape,
    continues: bool,
) -> Window | None:
    wanted = shape.frames - (shape.overlap if continues else 0)
    if len(picks) == wanted:
        return Window(start_ns + shape.span_ns, fresh=tuple(picks), continues=continues)
    if not picks or not closed:
        return None
    back = history[-shape.frames :]
    first_ns = back[0] if len(back) < shape.frames else 0
    return Window(picks[-1], first_ns, fresh=tuple(picks), continues=continues)


def _on_grid(
    waiting: Sequence[int], start_ns: int, first: int, shape: ClipShape, ended: bool
) -> tuple[list[int], bool]:
    """Return the frames nearest to the grid from its time `first` on; whether a gap ended them.

    Args:
        ended: whether no further frame is waited for.
    """
    picks: list[int] = []
    for k in range(first, shape.frames):
        grid_ns = start_ns + k * shape.period_ns
        near = _nearest(waiting, grid_ns)
        if near < grid_ns - shape.slack_ns and near == waiting[-1] and not ended:
            return picks, False  # a nearer one may follow
        if abs(near - grid_ns) > reach_ns(shape.period_ns) or (picks and near == picks[-1]):
            return picks, True
        picks.append(near)
    return picks, False


def _nearest(stamps: Sequence[int], stamp_ns: int) -> int:
    """Return the nearest stamp; of two that are equally near, the earlier one."""
    i = bisect_left(stamps, stamp_ns)
    return min(stamps[max(i - 1, 0) : i + 1], key=lambda stamp: abs(stamp - stamp_ns))


class RateDecimator:
    """Chooses the frames to publish so that they come at a rate. Times are stamps.

    Args:
        rate_hz: from 99 % of the grid's on every frame is chosen.
        period_ns: of the grid.
    """

    def __init__(self, rate_hz: float, period_ns: int) -> None:
        interval_ns = round(1e9 / rate_hz)
        self._interval_ns = interval_ns if interval_ns * 99 > period_ns * 100 else 0
        self._slack_ns = period_ns // 2
        self._due_ns: int | None = None

    def stride(self, shape: ClipShape) -> int:
        """Return the frames from one clip's end to the next one's: more if few are published."""
        return max(shape.stride, self._interval_ns // shape.period_ns)

    def select(self, stamps_ns: Sequence[int]) -> tuple[int, ...]:
        """Return those of `stamps_ns`, increasing, that are due, and advance the next due time."""
        if not self._interval_ns:
            return tuple(stamps_ns)
        found = []
        for stamp in stamps_ns:
            due_ns = stamp if self._due_ns is None else self._due_ns
            if stamp >= due_ns - self._slack_ns:
                found.append(stamp)
                lost = stamp >= due_ns + self._interval_ns
                self._due_ns = (stamp if lost else due_ns) + self._interval_ns
        return tuple(found)

    def restart(self, stamps_ns: Sequence[int]) -> None:
        """Make the newest of these frames due: they are far from those before."""
        if self._interval_ns and stamps_ns:
            span_ns = stamps_ns[-1] - stamps_ns[0]
            self._due_ns = stamps_ns[-1] - span_ns // self._interval_ns * self._interval_ns

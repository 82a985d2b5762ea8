"""From posed frames to clips of virtual cameras: LOSSLESS streams without a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.answers import Answer, AnswerMessages
from anyview_ros.augment.reading import Event, PosedFrame, Tree
from anyview_ros.augment.spool import Spool
from anyview_ros.clips.clip_sources import ClipGatherer, GatheredClip
from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.clip_windows import ClipShape, Window
from anyview_ros.clips.frame_buffer import FrameBuffer
from anyview_ros.clips.intake.camera_intake import CameraIntake
from anyview_ros.clips.intake.intake_config import IntakeConfig, buffer_limits
from anyview_ros.clips.intake.source_health import SourceStatus
from anyview_ros.clips.streaming.stream import Stream
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.engine.continuation import continued
from anyview_ros.engine.pipeline import Synthesis, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View
from anyview_ros.imaging.lenses import RectifiedCamera

CHOICE_NS = 1_000_000_000  # beyond the first clip: by then every camera has shown itself
TF_PATIENCE_S = 1.0  # of recorded time, for what a virtual camera stands on
NEVER_NS = 2**62

Found = TypeVar("Found")


class Engine(Protocol):
    """Make frames; see `Pipeline.synthesize`."""

    def synthesize(
        self,
        sources: Sequence[Clip],
        target: View,
        options: SynthesisOptions,
        *,
        known: NDArray[np.uint8] | None = None,
    ) -> Synthesis: ...


class RecordedStream:
    """A source camera; see `SourceStream`."""

    def __init__(self, intake: CameraIntake, buffer: FrameBuffer) -> None:
        self._intake, self.buffer = intake, buffer
        self.latest_info: RectifiedCamera | None = None
        self.stored_ns = 0  # a recording has no present in which a camera could be silent

    def status(self) -> SourceStatus:
        return self._intake.status()


class RecordedPoses:
    """Poses in the fixed frame; see `clip_sources.Poses`. What is not there yet is never there.

    Args:
        tree: of the recording.
        fixed_frame: its frame that does not move.
    """

    def __init__(self, tree: Tree, fixed_frame: str) -> None:
        self._tree, self._fixed_frame = tree, fixed_frame

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        if frame in ("", self._fixed_frame):
            return np.eye(4)
        return self._tree.buffer.lookup(self._fixed_frame, frame, stamp_ns)

    def wait_for(self, resolve: Callable[[], Found], cancelled: Callable[[], bool]) -> Found:
        return resolve()


@dataclass(frozen=True)
class Cut:
    """How clips are cut and made.

    Args:
        contract: of the model.
        config: how frames are stored.
        options: of the sampler.
        fixed_frame: in which everything is placed.
        buffer_s: age of the oldest frame that is kept.
        ahead_ns: how far the recording is read beyond a clip before it is made, for keyframes of
            the time after it; 0 = by the past alone, as the node.
    """

    contract: Contract
    config: IntakeConfig
    options: SynthesisOptions
    fixed_frame: str
    buffer_s: float
    ahead_ns: int = 0

    @property
    def scene_scale(self) -> float:
        return self.options.scene_scale or self.contract.scene_scale


class Sources:
    """The buffers and the tree as they are at one place of the recording.

    Args:
        cut: see `Cut`.
        intakes: by camera.
    """

    def __init__(self, cut: Cut, intakes: Mapping[str, CameraIntake]) -> None:
        self.cut = cut
        self.tree = Tree(cut.buffer_s)
        self.streams = {name: self._stream(intake) for name, intake in intakes.items()}
        self.times: dict[str, dict[int, int]] = {name: {} for name in intakes}
        self.gatherer = ClipGatherer(
            streams=lambda: self.streams,
            fixed=RecordedPoses(self.tree, cut.fixed_frame),
            contract=cut.contract,
            scene_scale=cut.scene_scale,
            after=cut.ahead_ns > 0,
        )
        self.first_ns, self.newest_ns = 0, 0  # stamps
        self.now_ns = 0  # of recording
        self.events = 0

    def take(self, event: Event) -> bool:
        """Take the next event; return whether the camera of a frame changed with it."""
        self.events += 1
        if not isinstance(event, PosedFrame):
            self.tree.insert(event)
            return False
        stream, stamp = self.streams[event.camera], event.frame.stamp_ns
        is_changed = stream.buffer.add(event.frame)
        stream.latest_info = event.seen_by
        self.first_ns = min(self.first_ns or stamp, stamp)
        self.newest_ns, self.now_ns = max(self.newest_ns, stamp), max(self.now_ns, event.time_ns)
        times = self.times[event.camera]
        times[stamp] = event.time_ns
        oldest_ns = self.newest_ns - int(2e9 * self.cut.buffer_s)
        for old in [old for old in list(times)[:2] if old < oldest_ns]:
            del times[old]
        return is_changed

    def _stream(self, intake: CameraIntake) -> RecordedStream:
        buffer = FrameBuffer(
            topic=intake.options.topic,
            limits=buffer_limits(self.cut.buffer_s, self.cut.config.frame_period),
            ledger=intake.ledger,
            memory=self.cut.config.memory,
        )
        return RecordedStream(intake, buffer)


class Target:
    """One virtual camera: it answers every frame of its source.

    Args:
        request: the camera.
        sources: from which it is made.
        engine: by which.
        messages: of its answers.
        spool: takes them; clips that it has already are not made again.
    """

    def __init__(
        self,
        request: CameraRequest,
        sources: Sources,
        engine: Engine,
        messages: AnswerMessages,
        spool: Spool,
    ) -> None:
        self.request = request
        self._sources, self._engine, self._messages = sources, engine, messages
        self._spool = spool
        self._made = 0  # clips, those of the spool included
        self._known = spool.clips
        self._shape = ClipShape.of(sources.cut.contract)
        self._ended = False
        self.stream = Stream(
            request,
            sources.cut.contract,
            TF_PATIENCE_S,
            now_ns=lambda: NEVER_NS if self._ended else sources.now_ns,
            rest_s=lambda: float(sources.events),
        )
        self.reason = ""  # of the choice of its sources
        self.problems: dict[str, str] = {}  # why frames were not answered, by code
        self._has_failed = False  # since the last clip

    def advance(self, is_frame: bool) -> None:
        """Make every clip that can be made with what has been read.

        Args:
            is_frame: whether a frame was read last. Other events change nothing for a camera that
                waits for frames alone, and there are many of them.
        """
        while (is_frame or self._has_failed) and self._advance():
            pass

    def end(self) -> None:
        """Make the rest: nothing more will be read."""
        self._ended = True
        for _ in iter(self._end, False):
            self._sources.events += 1

    def _end(self) -> bool:
        if self.stream.backlog() == 0 and not self.stream.wants_source():
            return False
        if self._advance():
            return True
        problem = self.stream.status().problem
        self.stream.forget_times(problem.code if problem else "not_yet")
        if problem:
            self.problems.setdefault(problem.code, problem.message)
        return False

    def _advance(self) -> bool:
        """Do one step; return whether another may follow."""
        names = self._names()
        window = self.stream.window(self._ended) if names else None
        if window is None or not self._has_time_after(window):
            return False
        request = replace(self.request, sources=names)
        gatherer, spec = self._sources.gatherer, window.spec(self._shape)
        try:
            clip = gatherer.gather(spec, request, names, _at_once)
        except AnyviewError as error:
            self._fail(error)
            given_up = self.stream.record_failure(window, error)
            return given_up or self.stream.window(self._ended) is not None
        self._answer(window, clip)
        return True

    def _fail(self, error: AnyviewError) -> None:
        self._has_failed = True
        self.problems.setdefault(error.code, error.message)

    def _names(self) -> tuple[str, ...]:
        """Return the sources; chosen once, and kept as if they had been named."""
        if not self.request.sources and self.stream.wants_source():
            sources = self._sources
            span_ns = sources.newest_ns - sources.first_ns
            if span_ns < self._shape.span_ns + CHOICE_NS and not self._ended:
                return ()
            spec = Window(0).spec(self._shape)
            if span_ns < self._shape.span_ns:
                spec = self._held(sources.first_ns, sources.newest_ns)
            try:
                choice = sources.gatherer.choose(spec, self.request, _at_once)
            except AnyviewError as error:
                self._fail(error)
                self.stream.rest(error)
                return ()
            self.reason = choice.reason
            self.stream.follow(choice.names)
        return self.request.sources or self.stream.sources

    def _held(self, first_ns: int, newest_ns: int) -> ClipSpec:
        shape = self._shape
        return ClipSpec(newest_ns, shape.frames, shape.period_ns, hold_before_ns=first_ns)

    def _has_time_after(self, window: Window) -> bool:
        ahead_ns = self._sources.cut.ahead_ns
        return self._ended or self._sources.newest_ns >= window.end_ns + ahead_ns

    def _answer(self, window: Window, clip: GatheredClip) -> None:
        self._has_failed = False
        known = self._made < self._known
        size = clip.target.camera.height, clip.target.camera.width
        if known:
            newest = self._made == self._known - 1
            nothing = np.empty((len(clip.stamps_ns), 0, 0, 3), np.uint8)
            self.stream.accept(
                window, clip.stamps_ns, self._spool.frames() if newest else nothing, 0.0
            )
            self._made += 1
            return
        before = self.stream.previous_frames(window, clip.stamps_ns, size)
        cut = self._sources.cut
        options = replace(cut.options, uncertainty_samples=self.request.message.uncertainty_samples)
        make = partial(self._engine.synthesize, clip.clips, clip.target, options)
        synthesis = continued(
            make, before, cut.contract, frames=len(clip.stamps_ns), options=options
        )
        chosen = self.stream.accept(window, clip.stamps_ns, synthesis.frames, 0.0)
        self._spool.append(list(self._answers(chosen, clip, synthesis)), synthesis.frames)
        self._made += 1

    def _answers(
        self, chosen: Sequence[int], clip: GatheredClip, synthesis: Synthesis
    ) -> Iterator[Answer]:
        times = self._sources.times[clip.names[0]]
        for k in chosen:
            yield from self._messages.answers(k, clip, synthesis, times[clip.stamps_ns[k]])


def _at_once() -> bool:
    """Return True, which cancels every wait."""
    return True

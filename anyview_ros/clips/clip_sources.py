"""From the spec of a clip to source clips and target poses, all in the fixed frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.frame_buffer import FrameBuffer
from anyview_ros.clips.intake.source_health import SILENT_NS, SourceStatus
from anyview_ros.clips.source_choice import (
    Candidate,
    Choice,
    Keyframe,
    Past,
    rank_sources,
    select_complementary,
)
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.engine.keyframes import choose_keyframes
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View
from anyview_ros.imaging.lenses import RectifiedCamera

OWN_END = 0.75  # periods: half of one, and what two unsteady cameras add

Found = TypeVar("Found")


class SourceStream(Protocol):
    """One source camera, live or recorded."""

    @property
    def buffer(self) -> FrameBuffer: ...

    @property
    def latest_info(self) -> RectifiedCamera | None:
        """Return the camera at its own size; None before the first image was prepared."""
        ...

    @property
    def stored_ns(self) -> int:
        """Return when its newest frame was stored, by an `Activity` of all streams."""
        ...

    def status(self) -> SourceStatus: ...


class Poses(Protocol):
    """Poses in the fixed frame."""

    def world_from(self, frame: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose of a frame, which is empty for the fixed frame; never wait."""
        ...

    def wait_for(self, resolve: Callable[[], Found], cancelled: Callable[[], bool]) -> Found:
        """Return what `resolve` does, as soon as the transforms that it needs are there."""
        ...


Streams = Mapping[str, SourceStream]


@dataclass(frozen=True)
class GatheredClip:
    """Hold what a clip is made from, and the poses of its target.

    Args:
        spec: what it was cut by.
        names: of the source cameras; the first one's stamps are those of the result. That of a
            camera is there again for each of its keyframes, which come last.
        clips: one for each source, at the size stored.
        target: intrinsics and poses of the virtual camera.
        keyframes: what of another time it is made from.
    """

    spec: ClipSpec
    names: tuple[str, ...]
    clips: tuple[Clip, ...]
    target: View
    keyframes: tuple[Keyframe, ...] = ()

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return self.clips[0].stamps_ns

    @property
    def newest_ns(self) -> int:
        return max(clip.stamps_ns[-1] for clip in self.clips)

    @property
    def memory(self) -> str:
        """Return its keyframes, in words."""
        return ", ".join(key.words(self.stamps_ns[-1]) for key in self.keyframes)


class ClipGatherer:
    """Cuts clips from the buffers of the source cameras and poses the target at their stamps.

    Args:
        streams: the source cameras by name, as they are now.
        fixed: poses.
        contract: of the model by which the clips are made.
        scene_scale: for the choice of a source.
        after: whether keyframes may be of the time after a clip, where that was read already.
    """

    def __init__(
        self,
        streams: Callable[[], Streams],
        fixed: Poses,
        contract: Contract,
        scene_scale: float,
        after: bool = False,
    ) -> None:
        self._streams = streams
        self._fixed = fixed
        self._contract = contract
        self._scene_scale = scene_scale
        self._after = after

    def gather(
        self,
        spec: ClipSpec,
        camera: CameraRequest,
        names: tuple[str, ...],
        cancelled: Callable[[], bool],
        leave_out_late: bool = False,
    ) -> GatheredClip:
        """Cut the source clips of a clip and pose its target.

        Args:
            names: of the source cameras.
            leave_out_late: whether to go without those whose frames are not there yet.

        Raises:
            AnyviewError: `no_sources`, `unknown_source`, and those of `FrameBuffer.clip`,
                `ClipSpec.grid` and `FrameTree.lookup`.
        """
        streams = _some(self._streams())
        if leave_out_late:
            first, *others = names
            names = (first, *(n for n in others if not self._is_late(spec, first, n, streams)))
        clips = self._clips(spec, [_stream(name, streams) for name in names])
        poses = self._poses(spec, camera, clips[0].stamps_ns, cancelled)
        newest = clips[0].frames[-1]
        target = View(camera.camera(newest.as_sent or newest.camera), poses)
        past = self._past(spec, clips[0], camera.sources or streams, streams)
        free = self._contract.max_sources - len(clips)
        found = choose_keyframes(target, clips, past.keyframes, self._scene_scale, count=free)
        held = [streams[key.name].buffer.held(key.frame, len(clips[0])) for key in found]
        return GatheredClip(
            spec=spec,
            names=(*names, *(key.name for key in found)),
            clips=(*clips, *held),
            target=target,
            keyframes=tuple(found),
        )

    def choose(
        self, spec: ClipSpec, camera: CameraRequest, cancelled: Callable[[], bool], keep: str = ""
    ) -> Choice:
        """Return the best sources that have a clip; the first one's stamps count.

        Args:
            keep: the first source of the clip before, see `rank_sources`.

        Raises:
            AnyviewError: `no_sources`, or why the best source has no clip.
        """
        streams = _some(self._streams())
        candidates, lost = self._candidates(spec, camera, streams, cancelled)
        ranked = rank_sources(candidates, self._scene_scale, keep) or sorted(streams)
        first, refused = self._first_with_clip(spec, ranked, streams)
        if first not in candidates:
            return Choice((first,), "its first frame came meanwhile")
        ready = {first: candidates[first]}
        for name in [name for name in ranked if name not in (first, *refused)]:
            try:
                self._clips(spec, [streams[first], streams[name]])
                ready[name] = candidates[name]
            except AnyviewError as error:
                refused[name] = error
        past = self._past(spec, self._clips(spec, [streams[first]])[0], streams, streams)
        most = self._contract.max_sources
        choice = select_complementary(first, ready, self._scene_scale, most=most, past=past)
        without = [f"'{n}' has no clip ({code})" for n, code in (lost | _codes(refused)).items()]
        return replace(choice, reason=", ".join([choice.reason, *without]))

    def _is_late(self, spec: ClipSpec, first: str, name: str, streams: Streams) -> bool:
        """Return whether a source has no frame yet for the end of a clip of the first one."""
        try:
            self._clips(spec, [_stream(each, streams) for each in (first, name)])
        except AnyviewError as error:
            return error.code in ("not_yet", "empty_buffer")
        return False

    def _past(self, spec: ClipSpec, clip: Clip, names: Iterable[str], streams: Streams) -> Past:
        """Return what the cameras of these names saw before a clip; by stamps alone."""
        first_ns, last_ns = max(clip.stamps_ns[0], spec.hold_before_ns), clip.stamps_ns[-1]
        return Past(
            [
                Keyframe(name, frame)
                for name in sorted(names)
                for frame in streams[name].buffer.keyframes(first_ns, last_ns, self._after)
            ],
            last_ns,
        )

    def _first_with_clip(
        self, spec: ClipSpec, ranked: Sequence[str], streams: Streams
    ) -> tuple[str, dict[str, AnyviewError]]:
        """Return the first that has a full clip, and why those before it have none."""
        refused: dict[str, AnyviewError] = {}
        for name in ranked:
            try:
                self._clips(spec, [streams[name]])
                return name, refused
            except AnyviewError as error:
                refused[name] = error
        raise refused[ranked[0]]

    def _candidates(
        self,
        spec: ClipSpec,
        camera: CameraRequest,
        streams: Streams,
        cancelled: Callable[[], bool],
    ) -> tuple[dict[str, Candidate], dict[str, str]]:
        """Return sources with frames beside the target, at the clip's beginning, middle and end.

        If the newest clip is wanted, a camera that has stopped is none of them while others send:
        it would hold up their clips.

        Returns:
            They, and codes of why others are none of them.

        Raises:
            AnyviewError: transforms that are on their way, or why no source is among them.
        """
        seeing = {
            name: (stream.buffer, newest_ns, info.camera)
            for name, stream in streams.items()
            if (newest_ns := stream.buffer.newest_ns) and (info := stream.latest_info)
        }
        if not seeing:
            return {}, {}
        lost: dict[str, str] = {}
        if not (spec.end_ns or spec.start_ns):  # else it may have a clip of then
            heard_ns = max(streams[name].stored_ns for name in seeing)
            silent = [name for name in seeing if heard_ns - streams[name].stored_ns > SILENT_NS]
            lost = dict.fromkeys(sorted(silent), "source_silent")
            seeing = {name: parts for name, parts in seeing.items() if name not in lost}
        newest_ns = max(newest_ns for _, newest_ns, _ in seeing.values())
        end_ns, num_frames = spec.grid(newest_ns, self._contract)
        span_ns = (num_frames - 1) * spec.period_ns
        found: dict[str, Candidate] = {}
        refused: dict[str, AnyviewError] = {}
        for name, (buffer, newest_ns, source_camera) in seeing.items():
            # What a camera shows of the past is held against where the target was then.
            frames = [buffer.nearest(min(end_ns, newest_ns) - k * span_ns // 2) for k in (2, 1, 0)]
            if None in frames:  # the clock jumped
                continue
            known = [frame for frame in frames if frame is not None]
            stamps_ns = [frame.stamp_ns for frame in known]
            try:
                poses = self._poses(spec, camera, stamps_ns, cancelled)
            except AnyviewError as error:
                if error.retry == "arrival":
                    raise
                refused[name] = error
                continue
            found[name] = Candidate(
                View(known[-1].camera, np.stack([frame.world_from_cam for frame in known])),
                View(camera.camera(source_camera), poses),
            )
        if refused and not found:
            raise next(iter(refused.values()))
        return found, lost | _codes(refused)

    def _poses(
        self,
        spec: ClipSpec,
        camera: CameraRequest,
        stamps_ns: Sequence[int],
        cancelled: Callable[[], bool],
    ) -> NDArray[np.float64]:
        """Return (T, 4, 4) world_from_target, which stands still while the sources are held."""

        def resolve() -> NDArray[np.float64]:
            world_from, placement = self._fixed.world_from, camera.placement
            times = [max(stamp, spec.hold_before_ns) for stamp in stamps_ns]
            return np.stack([placement.world_from_cam(world_from, time) for time in times])

        return self._fixed.wait_for(resolve, cancelled)

    def _clips(self, spec: ClipSpec, streams: Sequence[SourceStream]) -> tuple[Clip, ...]:
        """Cut one clip of each stream, on grids of one period that end together.

        Cameras that are not triggered together take their images at other instants. Each has its
        grid's end on a frame of its own, within OWN_END of the common end: on one common grid it
        would be by chance whether the frame before or the one after is nearer, and clips had gaps.
        """
        newest_ns = min(_newest_ns(stream) for stream in streams)
        end_ns, num_frames = spec.grid(newest_ns, self._contract)
        if len(streams) == 1 and not spec.end_ns and not spec.start_ns:
            end_ns = 0  # the buffer's own newest, so that its errors can say how long to wait
        ends_ns = [end_ns] if len(streams) == 1 else [_own_end(s, end_ns, spec) for s in streams]
        return tuple(
            stream.buffer.clip(end_ns, num_frames, spec.period_ns, spec.hold_before_ns)
            for stream, end_ns in zip(streams, ends_ns, strict=True)
        )


def _codes(errors: Mapping[str, AnyviewError]) -> dict[str, str]:
    return {name: error.code for name, error in errors.items()}


def _own_end(stream: SourceStream, end_ns: int, spec: ClipSpec) -> int:
    """Return the stamp of the stream's frame at the end of a grid, or the end if there is none."""
    frame = stream.buffer.nearest(end_ns)
    near = frame is not None and abs(frame.stamp_ns - end_ns) <= OWN_END * spec.period_ns
    return frame.stamp_ns if frame is not None and near else end_ns


def _some(streams: Streams) -> Streams:
    if not streams:
        raise AnyviewError(
            "no_sources",
            "no source camera: no Image topic with a camera_info beside it was found; start the "
            "cameras, or name them in the parameter cameras",
        )
    return streams


def _stream(name: str, streams: Streams) -> SourceStream:
    if name not in streams:
        raise unknown_source(name, streams)
    return streams[name]


def unknown_source(name: str, cameras: Iterable[str]) -> AnyviewError:
    """Return the problem that a virtual camera names a source that is none of the cameras."""
    return AnyviewError(
        "unknown_source",
        f"no source camera '{name}'; there are: {', '.join(sorted(cameras)) or 'none'}",
    )


def _newest_ns(stream: SourceStream) -> int:
    """Return the stamp of a stream's newest frame.

    Raises:
        AnyviewError: `empty_buffer`, with what is wrong with the stream.
    """
    newest_ns = stream.buffer.newest_ns
    if newest_ns is None:
        status = stream.status()
        problems = "; ".join(problem.text for problem in status.problems)
        raise AnyviewError(
            "empty_buffer",
            f"no usable frame of '{status.topic}' is there: "
            f"{problems or 'none has arrived yet; wait for the camera'}",
        )
    return newest_ns

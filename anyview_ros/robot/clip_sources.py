"""From a checked request to source clips and target poses, all in the fixed frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View
from anyview_ros.robot.camera_stream import CameraStream
from anyview_ros.robot.fixed_frame import FixedFrame
from anyview_ros.robot.requests import AskedCamera, AskedClip
from anyview_ros.robot.source_choice import Candidate, PosedCamera, best_first

Streams = Mapping[str, CameraStream]


@dataclass(frozen=True)
class ClipSources:
    """What a request is made from.

    Args:
        names: of the source cameras; the first one's stamps are those of the result.
        clips: one for each source, at the model's size.
        target: intrinsics and poses of the virtual camera.
    """

    names: tuple[str, ...]
    clips: tuple[Clip, ...]
    target: View

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return self.clips[0].stamps_ns

    @property
    def newest_ns(self) -> int:
        return max(clip.stamps_ns[-1] for clip in self.clips)


class ClipGatherer:
    """Cuts clips from the buffers of the source cameras and poses the target at their stamps.

    Args:
        streams: the source cameras by name, as they are now.
        fixed: poses.
        contract: of the model.
        scene_scale: for the choice of a source.
    """

    def __init__(
        self,
        streams: Callable[[], Streams],
        fixed: FixedFrame,
        contract: Contract,
        scene_scale: float,
    ) -> None:
        self._streams = streams
        self._fixed = fixed
        self._contract = contract
        self._scene_scale = scene_scale

    def gather(
        self, asked: AskedClip, camera: AskedCamera, cancelled: Callable[[], bool]
    ) -> ClipSources:
        """Source clips and target poses of a request.

        Raises:
            AnyviewError: `no_sources`, `unknown_source`, and those of `FrameBuffer.clip`,
                `AskedClip.grid` and `FrameTree.lookup`.
        """
        streams = self._streams()
        if not streams:
            raise AnyviewError(
                "no_sources",
                "no source camera: no Image topic with a camera_info beside it was found; start "
                "the cameras, or name them in the parameter cameras",
            )
        if camera.sources:
            names, clips = camera.sources, self._named(asked, camera.sources, streams)
        else:
            names, clips = self._chosen(asked, camera, streams, cancelled)
        poses = self._fixed.wait_for(
            lambda: np.stack([self._pose(camera, stamp) for stamp in clips[0].stamps_ns]),
            cancelled,
        )
        info = streams[names[0]].latest_info
        if info is None:  # since the clip was cut
            raise AnyviewError("clock_jumped", f"the clock of '{names[0]}' jumped; ask again")
        return ClipSources(names, clips, View(camera.camera(info.camera), poses))

    def _pose(self, camera: AskedCamera, stamp_ns: int) -> NDArray[np.float64]:
        """(4, 4) world_from_target."""
        return camera.placement.world_from_cam(self._fixed.world_from, stamp_ns)

    def _named(self, asked: AskedClip, names: Sequence[str], streams: Streams) -> tuple[Clip, ...]:
        unknown = [name for name in names if name not in streams]
        if unknown:
            raise AnyviewError(
                "unknown_source",
                f"no source camera '{unknown[0]}'; there are: {', '.join(sorted(streams))}",
            )
        return self._clips(asked, [streams[name] for name in names])

    def _chosen(
        self,
        asked: AskedClip,
        camera: AskedCamera,
        streams: Streams,
        cancelled: Callable[[], bool],
    ) -> tuple[tuple[str, ...], tuple[Clip, ...]]:
        """The best source that has a full clip, by `source_choice.best_first`."""
        candidates = self._candidates(asked, camera, streams, cancelled)
        names = best_first(candidates, self._scene_scale) or sorted(streams)
        refusal: AnyviewError | None = None
        for name in names:
            try:
                return (name,), self._clips(asked, [streams[name]])
            except AnyviewError as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal

    def _candidates(
        self,
        asked: AskedClip,
        camera: AskedCamera,
        streams: Streams,
        cancelled: Callable[[], bool],
    ) -> dict[str, Candidate]:
        """Sources with frames, each with the target at the instant the clip would end."""
        found = {}
        for name, stream in streams.items():
            newest_ns, info, frame = (
                stream.buffer.newest_ns,
                stream.latest_info,
                stream.source_frame_id,
            )
            if newest_ns is None or info is None or frame is None:
                continue
            end_ns, _ = asked.grid(newest_ns, self._contract)
            at_ns = max(stream.buffer.oldest_ns or newest_ns, min(end_ns, newest_ns))
            poses = partial(self._poses, camera, frame, at_ns)
            target, source = self._fixed.wait_for(poses, cancelled)
            found[name] = Candidate(
                source=PosedCamera(info.camera, source @ info.frame_from_cam),
                target=PosedCamera(camera.camera(info.camera), target),
            )
        return found

    def _poses(
        self, camera: AskedCamera, source_frame: str, stamp_ns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(4, 4) world_from_target and world_from_frame of a source."""
        return self._pose(camera, stamp_ns), self._fixed.world_from(source_frame, stamp_ns)

    def _clips(self, asked: AskedClip, streams: Sequence[CameraStream]) -> tuple[Clip, ...]:
        """One clip of each stream, on one grid that ends at the newest stamp all of them have."""
        newest_ns = min(_newest_ns(stream) for stream in streams)
        end_ns, num_frames = asked.grid(newest_ns, self._contract)
        if len(streams) == 1 and not asked.end_ns and not asked.start_ns:
            end_ns = 0  # the buffer's own newest, so that its errors can say how long to wait
        return tuple(s.buffer.clip(end_ns, num_frames, asked.period_ns) for s in streams)


def _newest_ns(stream: CameraStream) -> int:
    """Stamp of a stream's newest frame.

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

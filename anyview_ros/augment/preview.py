"""One frame of every virtual camera, before hours are spent on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.cutting import CHOICE_NS, Cut, Engine, RecordedPoses, Sources
from anyview_ros.augment.reading import PosedFrame, Reading
from anyview_ros.augment.requested import Requested
from anyview_ros.augment.settings import Model, Settings
from anyview_ros.clips.clip_spec import ClipSpec
from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.clips.intake.intake_config import BUFFER_S, IntakeConfig
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse


@dataclass(frozen=True, eq=False)
class PreviewCamera:
    """A camera over the rig, real or virtual.

    Args:
        camera: intrinsics; None where there is no pose.
        frame_from_cam: (4, 4) in the frame of the picture.
        image: its frame; None where there is none.
        caption: what is to be known of it, or why it has no frame.
    """

    name: str
    camera: Camera | None
    frame_from_cam: NDArray[np.float64]
    image: NDArray[np.uint8] | None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Preview:
    """The cameras at one instant.

    Args:
        frame: in which they are placed.
        stamp_ns: of the instant.
    """

    frame: str
    stamp_ns: int
    real: tuple[PreviewCamera, ...]
    virtual: tuple[PreviewCamera, ...]


class Previewing:
    """Makes a preview.

    Args:
        found: the cameras of a recording that is open.
        settings: see `Settings`.
        model: makes frames.
    """

    def __init__(self, found: Requested, settings: Settings, model: Model) -> None:
        self._plan, self._settings, self._model = found.plan, settings, model
        self._shape = ClipShape.of(model.package.contract)
        self._overlaps = {
            entry.name: overlap
            for sample in found.samples
            for entry, overlap in zip(sample.entries, sample.overlaps, strict=True)
        }
        plan, contract = found.plan, model.package.contract
        config = IntakeConfig.of(contract, settings.source_size)
        self._reading = Reading(
            plan.bag, plan.cameras, plan.options, config, plan.tf_topics, BUFFER_S
        )
        cut = Cut(contract, config, settings.sampling, plan.options.fixed_frame, BUFFER_S)
        self._sources = Sources(cut, self._reading.intakes())
        self._poses = RecordedPoses(self._sources.tree, plan.options.fixed_frame)

    def preview(self, at_s: float) -> Preview:
        """Read as far as is needed, and make one frame of each camera.

        Args:
            at_s: seconds after the first image; a clip is waited for in any case.

        Raises:
            AnyviewError: `nothing_augmented` where no source has a frame; those of
                `Reading.events` and of the engine.
        """
        stamp_ns = self._read(at_s)
        engine, frame = self._model.load(), self._frame()
        frame_from_world = inverse(self._poses.world_from(frame, stamp_ns))
        real = tuple(self._real(stamp_ns, frame_from_world))
        virtual = tuple(
            self._virtual(request, stamp_ns, engine, frame_from_world)
            for request in self._plan.requests
        )
        return Preview(frame or self._plan.options.fixed_frame, stamp_ns, real, virtual)

    def _read(self, at_s: float) -> int:
        """Return the instant, which all sources have reached that have frames at all."""
        wanted_ns = max(int(at_s * 1e9), self._shape.span_ns)
        newest: dict[str, int] = {}
        for event in self._reading.events():
            self._sources.take(event)
            if isinstance(event, PosedFrame):
                newest[event.camera] = event.frame.stamp_ns
                all_there = len(newest) == len(self._plan.cameras)
                past_ns = self._sources.newest_ns - self._sources.first_ns
                if past_ns >= wanted_ns + (0 if all_there else CHOICE_NS):
                    break
        if not newest:
            raise AnyviewError(
                "nothing_augmented",
                "no image of the recording can be used; `anyview inspect` says why",
            )
        return min(newest.values())

    def _frame(self) -> str:
        """Return the frame on which most virtual cameras stand; empty = the fixed frame."""
        frames = Counter(frame for r in self._plan.requests for frame in r.placement.frames)
        return frames.most_common(1)[0][0] if frames else ""

    def _real(
        self, stamp_ns: int, frame_from_world: NDArray[np.float64]
    ) -> Iterator[PreviewCamera]:
        for name, stream in self._sources.streams.items():
            frame = stream.buffer.nearest(stamp_ns)
            if frame is not None:
                pose = frame_from_world @ frame.world_from_cam
                yield PreviewCamera(name, frame.camera, pose, frame.image, "real")

    def _virtual(
        self,
        request: CameraRequest,
        stamp_ns: int,
        engine: Engine,
        frame_from_world: NDArray[np.float64],
    ) -> PreviewCamera:
        sources, shape = self._sources, self._shape
        spec = ClipSpec(
            stamp_ns, shape.frames, shape.period_ns, hold_before_ns=max(1, sources.first_ns)
        )
        try:
            names = request.sources or sources.gatherer.choose(spec, request, _at_once).names
            named = replace(request, sources=names)
            clip = sources.gatherer.gather(spec, named, names, _at_once)
        except AnyviewError as error:
            return PreviewCamera(request.name, None, np.eye(4), None, error.code)
        image = engine.synthesize(clip.clips, clip.target, self._settings.sampling).frames[-1]
        overlap = self._overlaps.get(request.name)
        share = "" if overlap is None else f", {100 * overlap:.0f} % seen"
        pose = frame_from_world @ clip.target.world_from_cam[-1]
        caption = f"from {', '.join(names)}{share}"
        return PreviewCamera(request.name, clip.target.camera, pose, image, caption)


def _at_once() -> bool:
    """Return True, which cancels every wait."""
    return True

"""Messages between the node and its inference process.

Headers are pickled through a pipe that only these two share; pixels are in `SharedPixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.providers import Device, Provider
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.node.inference.shared_pixels import Shape

NO_PIXELS = np.empty((0, 0, 0, 3), np.uint8)
NO_DEPTH = np.empty((0, 0, 0), np.float32)


@dataclass(frozen=True)
class ClipHeader:
    """A clip without its pixels; if it is held still, only its one frame.

    Args:
        instants: T of the clip.
        around: the frames around a held one, see `Clip`; they have one size.
    """

    stamps_ns: tuple[int, ...]
    cameras: tuple[Camera, ...]
    world_from_cam: NDArray[np.float64]
    instants: int
    around: ClipHeader | None = None

    @classmethod
    def of(cls, clip: Clip) -> ClipHeader:
        around = cls._of(clip.around) if clip.around else None
        return replace(cls._of(distinct(clip)), instants=len(clip), around=around)

    @classmethod
    def _of(cls, frames: Sequence[Frame]) -> ClipHeader:
        return cls(
            stamps_ns=tuple(frame.stamp_ns for frame in frames),
            cameras=tuple(frame.camera for frame in frames),
            world_from_cam=np.stack([frame.world_from_cam for frame in frames]),
            instants=len(frames),
        )

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Return (T, H, W, 3) of the own frames, T = 1 if held still; then of those around."""
        own = (len(self.cameras), self.cameras[0].height, self.cameras[0].width, 3)
        return (own, *self.around.shapes) if self.around else (own,)

    def with_images(self, images: Iterator[NDArray[np.uint8]]) -> Clip:
        """Return the clip again, over the next arrays, of `shapes`."""
        frames = self._frames(next(images))
        around = self.around._frames(next(images)) if self.around else ()
        return Clip.held(frames[0], self.instants, around) if len(frames) == 1 else Clip(frames)

    def _frames(self, images: NDArray[np.uint8]) -> tuple[Frame, ...]:
        return tuple(
            Frame(stamp_ns, image, camera, pose)
            for stamp_ns, image, camera, pose in zip(
                self.stamps_ns, images, self.cameras, self.world_from_cam, strict=True
            )
        )


def distinct(clip: Clip) -> tuple[Frame, ...]:
    """Return the frames of a clip, each once."""
    return clip.frames[:1] if clip.is_held else clip.frames


@dataclass(frozen=True)
class JobHeader:
    """A clip to be made, without its pixels, which are in the shared memory before it is sent.

    Args:
        known: how many of the target's first frames are given.
    """

    sources: tuple[ClipHeader, ...]
    target: View
    options: SynthesisOptions
    known: int

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Return the shapes of the arrays in the shared memory, in order.

        (T, H, W, 3) of every source and of what is around it, then of the target's known frames,
        then of the answer's, then (T, H, W, 1) of their uncertainty and (T, H, W, 4) of their
        depth, the bytes of float32. T = 1 of a source that is held still, and 0 if there are no
        known frames, or if uncertainty or depth is not requested.
        """
        camera, frames, options = self.target.camera, len(self.target.world_from_cam), self.options
        size = camera.height, camera.width
        unsure, deep = frames * bool(options.uncertainty_samples), frames * options.depth
        sources = (shape for source in self.sources for shape in source.shapes)
        begin, answer = (self.known, *size, 3), (frames, *size, 3)
        return (*sources, begin, answer, (unsure, *size, 1), (deep, *size, 4))


@dataclass(frozen=True)
class Cancel:
    """Request to end the running job within one step."""


@dataclass(frozen=True)
class ReclaimableMemory:
    """Memory that is freed when the model that is served now ends."""

    device: Device
    bytes: int


NOTHING_RECLAIMABLE = ReclaimableMemory("cpu", 0)


@dataclass(frozen=True)
class NeedsMemory:
    """The model is in order, but fits only into memory that the one served now holds."""


@dataclass(frozen=True)
class MemoryFreed:
    """The model that was served has ended."""


@dataclass(frozen=True)
class Ready:
    """The process has loaded its model.

    Args:
        provider: the one that really runs.
        model_sha256: of the package that was loaded.
    """

    provider: Provider
    model_sha256: str


@dataclass(frozen=True)
class Progress:
    """Tell how far the running job is; see `Pipeline.synthesize`. Also a sign of life."""

    stage: str
    step: int
    steps: int

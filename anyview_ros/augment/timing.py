"""How long one virtual camera would take on this machine, from one clip that is made."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from anyview_ros.augment.cutting import Engine
from anyview_ros.augment.settings import Model
from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.contract import Contract
from anyview_ros.datasets.stream_times import StreamTimes
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View

FIELD_OF_VIEW = 1.4  # radians; what is made takes as long at any


@dataclass(frozen=True)
class Estimate:
    """How long a virtual camera takes that answers every frame of one source.

    Args:
        camera: the source with most frames.
        model, provider: which made the clip.
        clips: that are to be made, where no image is missing.
        clip_s: seconds of the one that was made.
        total_s: of all clips; reading and copying come on top.
    """

    camera: str
    model: str
    provider: str
    clips: int
    clip_s: float
    total_s: float


def estimate(times: dict[str, StreamTimes], model: Model) -> Estimate | None:
    """Return how long the source with most frames takes; None where there is none.

    Args:
        times: by camera.
        model: is loaded, and makes one clip of noise.

    Raises:
        AnyviewError: those of `Model.load` and the engine.
    """
    contract = model.package.contract
    clips = {name: clips_of(t, ClipShape.of(contract)) for name, t in times.items() if t.images}
    if not clips:
        return None
    camera = max(clips, key=lambda name: clips[name])
    clip_s = seconds_a_clip(model.load(), contract)
    count = clips[camera]
    provider = PROVIDERS[model.provider]
    return Estimate(camera, contract.name, provider, count, clip_s, count * clip_s)


def clips_of(times: StreamTimes, shape: ClipShape) -> int:
    """Return how many clips answer the frames of a stream that lie on the model's grid."""
    on_grid = min(times.images, round(times.span_s * 1e9 / shape.period_ns) + 1)
    return max(1, math.ceil((on_grid - shape.overlap) / shape.stride))


def seconds_a_clip(engine: Engine, contract: Contract) -> float:
    """Return the seconds that one clip takes, with one source and the package's own speed."""
    shape, (height, width) = ClipShape.of(contract), max(contract.sizes)
    camera = Camera.from_fov(width, height, FIELD_OF_VIEW)
    rng = np.random.default_rng(0)
    frames = tuple(
        Frame(
            (k + 1) * shape.period_ns,
            rng.integers(0, 256, (height, width, 3), np.uint8),
            camera,
            np.eye(4),
        )
        for k in range(shape.frames)
    )
    target = View(camera, np.repeat(np.eye(4)[None], shape.frames, axis=0))
    start_s = time.perf_counter()
    engine.synthesize([Clip(frames)], target, SynthesisOptions())
    return time.perf_counter() - start_s

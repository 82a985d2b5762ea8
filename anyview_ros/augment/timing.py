"""How long one virtual camera would take on this machine, from one clip that is made."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anyview_ros.augment.cutting import Engine
from anyview_ros.augment.settings import Model
from anyview_ros.clips.clip_windows import ClipShape, lossless_window
from anyview_ros.contract import Contract
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.time_grid import GridFilter

FIELD_OF_VIEW = 1.4  # radians; what is made takes as long at any
REACH = 4  # lengths of a clip in frames, of which a stream has less than two a grid time


@dataclass(frozen=True)
class Estimate:
    """How long a virtual camera takes that answers every frame of one source.

    Args:
        camera: the source, the one that needs most clips.
        model, provider: which made the clip.
        clips: that are to be made.
        clip_s: seconds of the one that was made.
        total_s: of all clips; reading and copying come on top.
    """

    camera: str
    model: str
    provider: str
    clips: int
    clip_s: float
    total_s: float


def estimate(stamps_ns: Mapping[str, Sequence[int]], model: Model) -> Estimate:
    """Return how long the source takes that needs most clips.

    Args:
        stamps_ns: of the images, increasing, by camera; one camera or more.
        model: is loaded, and makes one clip of noise.

    Raises:
        AnyviewError: those of `Model.load` and the engine.
    """
    contract = model.package.contract
    clips = {name: clips_of(stamps, ClipShape.of(contract)) for name, stamps in stamps_ns.items()}
    camera = max(clips, key=lambda name: clips[name])
    clip_s = seconds_a_clip(model.load(), contract)
    count = clips[camera]
    provider = PROVIDERS[model.provider]
    return Estimate(camera, contract.name, provider, count, clip_s, count * clip_s)


def clips_of(stamps_ns: Sequence[int], shape: ClipShape) -> int:
    """Return how many clips answer a stream; those of one slower than the grid are short."""
    keep = GridFilter(shape.period_ns).keep
    frames = [stamp for stamp in stamps_ns if keep(stamp)]
    clips, place = 0, 0
    answered: tuple[int, ...] = ()
    while place < len(frames):
        waiting = frames[place : place + REACH * shape.frames]
        window = lossless_window(waiting, answered, shape, ended=True)
        if window is None:
            break
        assert window.fresh, "a clip answers something"
        clips += 1
        answered = (*(answered if window.continues else ()), *window.fresh)[-shape.frames :]
        place = bisect_right(frames, window.fresh[-1], place)
    return clips


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

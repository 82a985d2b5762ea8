"""How the frames of all cameras are stored for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from anyview_ros.clips.frame_buffer import BufferLimits
from anyview_ros.clips.keyframe_store import NO_MEMORY, MemoryLimits
from anyview_ros.contract import Contract, PixelRule, Resampler
from anyview_ros.imaging import resize

# Unless a parameter or an option says otherwise.
BUFFER_S, MEMORY_S, SOURCE_SIZE = 10.0, 20.0, 640
TF_MARGIN_S = 5.0  # by which the TF cache outlives the frame buffer
MAX_BUFFER_BYTES = 512 << 20  # of one camera
MAX_MEMORY_BYTES = 64 << 20  # of one camera's keyframes: 97 of 640x360
JUMP_SHARE = 1 / 8  # of the distance that matters: 2 m driving, 1 m in a room


@dataclass(frozen=True)
class IntakeConfig:
    """Hold what the cameras have to know of a model and of the parameters.

    Args:
        frame_period: seconds between two frames of a clip.
        sizes: (H, W) that the model takes.
        resampler, pixel_rule: by which images and cameras come to a size, as in `Contract`.
        source_size: see `image_preparation.stored_size`.
        memory: of each camera's keyframes.
        without_effect: parameters that were set and change nothing for the model, and why.
    """

    frame_period: float
    sizes: tuple[tuple[int, int], ...]
    resampler: Resampler
    pixel_rule: PixelRule
    source_size: int = 0
    memory: MemoryLimits = NO_MEMORY
    without_effect: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, contract: Contract, source_size: int = 0) -> IntakeConfig:
        """Return how frames are stored for a model, without memory.

        Args:
            source_size: for a model that gives the source of each pixel; others do not use it.
        """
        return cls(
            frame_period=contract.frame_period,
            sizes=contract.sizes,
            resampler=contract.resampler,
            pixel_rule=contract.pixel_rule,
            source_size=source_size if contract.sweep_weights else 0,
        )


class MemorySettings(Protocol):
    """Hold what is set about keyframes; see the node's parameters of these names."""

    @property
    def memory_s(self) -> float: ...

    @property
    def scene_scale(self) -> float: ...


def memory_limits(settings: MemorySettings, contract: Contract) -> MemoryLimits:
    """Return those of each camera; a model of one source has no use for keyframes."""
    if contract.max_sources == 1:
        return NO_MEMORY
    scene_scale = settings.scene_scale or contract.scene_scale
    return MemoryLimits(
        max_age_ns=int(settings.memory_s * 1e9),
        max_bytes=MAX_MEMORY_BYTES,
        jump_m=JUMP_SHARE / scene_scale,
        small=partial(resize.resize_frame, contract=contract),
    )


def buffer_limits(buffer_s: float, frame_period: float) -> BufferLimits:
    """Return those of each camera.

    Args:
        buffer_s: age of the oldest frame that is kept.
        frame_period: seconds between two frames of a clip.
    """
    return BufferLimits(
        max_age_ns=int(buffer_s * 1e9),
        # A stream is stored at less than twice the grid's rate, see GridFilter.
        max_frames=2 * math.ceil(buffer_s / frame_period) + 2,
        max_bytes=MAX_BUFFER_BYTES,
    )

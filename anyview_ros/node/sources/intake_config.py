"""How the frames of all cameras are stored for a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from anyview_ros.clips.keyframe_store import NO_MEMORY, MemoryLimits
from anyview_ros.contract import Contract, PixelRule, Resampler
from anyview_ros.imaging import resize
from anyview_ros.node.parameters import Settings, is_default

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


def intake_config(settings: Settings, contract: Contract) -> IntakeConfig:
    """Return how frames are stored for a model, by the parameters."""
    return replace(
        IntakeConfig.of(contract, settings.source_size),
        memory=memory_limits(settings, contract),
        without_effect=without_effect(settings, contract),
    )


def memory_limits(settings: Settings, contract: Contract) -> MemoryLimits:
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


def without_effect(settings: Settings, contract: Contract) -> dict[str, str]:
    """Return parameters of the sources that were set and change nothing for a model, and why."""
    found = {}
    is_set = {name: not is_default(settings, name) for name in ("source_size", "memory_s")}
    if is_set["source_size"] and settings.source_size and not contract.sweep_weights:
        found["source_size"] = (
            f"has no effect: model '{contract.name}' does not tell which source a pixel is from "
            "(sweep_weights of its manifest), so no detail is copied, and frames are kept at its "
            "own size"
        )
    if is_set["memory_s"] and settings.memory_s and contract.max_sources == 1:
        found["memory_s"] = (
            f"has no effect: model '{contract.name}' takes one source, which is a camera of now"
        )
    return found

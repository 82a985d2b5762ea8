"""What is asked of an augmentation, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from anyview_ros.augment.answers import (
    Images,
)
from anyview_ros.augment.cutting import Engine
from anyview_ros.clips.intake.intake_config import (
    MEMORY_S,
    SOURCE_SIZE,
)
from anyview_ros.engine.onnx.providers import Provider
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.packages import ModelPackage

Memory = Literal["past", "both"]
Progress = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Model:
    """Make frames.

    Args:
        package: checked.
        provider: of ONNX Runtime.
        load: makes the engine, once everything else was checked.
    """

    package: ModelPackage
    provider: Provider
    load: Callable[[], Engine]


@dataclass(frozen=True)
class Settings:
    """How a recording is augmented; the node's parameters have the same names.

    Args:
        images: how the images of virtual cameras travel.
        memory: keyframes of the time before a clip, or of that after it too.
        memory_s: how far they may be from it.
        only: patterns of the topics that are copied; empty = all.
    """

    sampling: SynthesisOptions = field(default_factory=SynthesisOptions)
    images: Images = "raw"
    memory: Memory = "past"
    memory_s: float = MEMORY_S
    source_size: int = SOURCE_SIZE
    only: tuple[str, ...] = ()

    @property
    def scene_scale(self) -> float:
        return self.sampling.scene_scale


@dataclass(frozen=True)
class Report:
    """Tell what became of it.

    Args:
        lines: for people.
        answered: frames of all virtual cameras.
    """

    lines: tuple[str, ...]
    answered: int

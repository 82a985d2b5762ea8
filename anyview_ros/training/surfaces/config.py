"""A run of the surface network, read from a TOML file with `family = "surfaces"`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from anyview_ros.contract import SurfaceRange
from anyview_ros.errors import AnyviewError
from anyview_ros.model.surfaces.network import STRIDE, SurfaceNetworkConfig
from anyview_ros.training.config import (
    Run,
    Stage,
    TrainingConfig,
    read_scenes,
    read_section,
)
from anyview_ros.training.scenes import SceneConfig

FAMILY = "surfaces"


@dataclass(frozen=True)
class SurfacePace:
    """The section `[training]` of the file, see `training.config.TrainingConfig`.

    Args:
        frames_per_step: each of a scene of its own.
    """

    seed: int
    steps: int
    frames_per_step: int
    first_pool: int
    pool_steps: int
    learning_rate: float
    warmup_steps: int
    cooldown: float
    ema: float


@dataclass(frozen=True)
class SurfaceFile:
    """The keys of the file, see `training.config.RunFile`."""

    family: Literal["surfaces"]
    name: str
    surfaces: Mapping[str, Any]
    network: Mapping[str, Any]
    scenes: Mapping[str, Mapping[str, Any]]
    stages: tuple[Mapping[str, Any], ...]
    training: Mapping[str, Any]


@dataclass(frozen=True)
class SurfaceRun(Run):
    """All of a run of the surface network.

    Sets of scenes may be added in the middle of a run, for its last stages.

    Args:
        surfaces: the inverse depths that it distinguishes.
        network: see there.
    """

    surfaces: SurfaceRange
    network: SurfaceNetworkConfig

    FREE = Run.FREE | {"scenes"}

    def changes(self, other: Run) -> list[str]:
        """Return as `Run.changes`; new sets of scenes are no change."""
        common = self.scenes.keys() & other.scenes.keys()
        changed = any(self.scenes[name] != other.scenes[name] for name in common)
        return sorted([*super().changes(other), *(["scenes"] if changed else [])])


def is_surfaces(text: str) -> bool:
    """Return whether the text of a config is of this family; one that cannot be read is of none."""
    try:
        return bool(tomllib.loads(text).get("family") == FAMILY)
    except tomllib.TOMLDecodeError:
        return False


def read_surfaces(path: Path) -> SurfaceRun:
    """Read a run's TOML file; errors as `parse_surfaces`."""
    try:
        return parse_surfaces(path.read_text())
    except OSError as error:
        raise AnyviewError("invalid_config", f"cannot read {path}: {error.strerror}") from None


def parse_surfaces(text: str) -> SurfaceRun:
    """Return the run of a TOML file's text.

    Raises:
        AnyviewError: `invalid_config` when a section or a field is missing, unknown or wrong.
    """
    file = read_section(SurfaceFile, tomllib.loads(text), "")
    run = SurfaceRun(
        name=file.name,
        scenes={name: read_scenes(values, name) for name, values in file.scenes.items()},
        stages=tuple(read_section(Stage, values, "stages") for values in file.stages),
        training=_training(read_section(SurfacePace, file.training, "training")),
        text=text,
        surfaces=read_section(SurfaceRange, file.surfaces, "surfaces"),
        network=read_section(SurfaceNetworkConfig, file.network, "network"),
    )
    _check(run)
    return run


def _training(pace: SurfacePace) -> TrainingConfig:
    """Return the loop's config, with no sources and targets."""
    unused: dict[str, Any] = {
        "targets_per_scene": 1,
        "more_sources": (),
        "known": 0.0,
        "short": 0.0,
        "pure_noise": 0.0,
        "codec_scenes": 1,
    }
    return TrainingConfig(
        seed=pace.seed,
        steps=pace.steps,
        scenes_per_step=pace.frames_per_step,
        first_pool=pace.first_pool,
        pool_steps=pace.pool_steps,
        learning_rate=pace.learning_rate,
        warmup_steps=pace.warmup_steps,
        cooldown=pace.cooldown,
        ema=pace.ema,
        **unused,
    )


def _check(run: SurfaceRun) -> None:
    """Require scenes whose depth is known, of sizes that the network takes."""
    for name, scenes in run.scenes.items():
        if not isinstance(scenes, SceneConfig) or not scenes.depth:
            raise AnyviewError(
                "invalid_config", f"[scenes.{name}]: needs rendered scenes with depth = true"
            )
        if any(side % STRIDE for side in scenes.size):
            raise AnyviewError(
                "invalid_config",
                f"[scenes.{name}]: sides must be multiples of {STRIDE}, got {list(scenes.size)}",
            )
    named = {name for stage in run.stages for name in stage.mixture}
    if unknown := named - run.scenes.keys() or not named:
        raise AnyviewError(
            "invalid_config",
            f"[[stages]]: mixtures of {', '.join(run.scenes)}, got {unknown or 'none'}",
        )

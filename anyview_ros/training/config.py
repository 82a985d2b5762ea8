"""What a training run is, read from one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from anyview_ros.contract import Contract, LatentShape
from anyview_ros.errors import AnyviewError
from anyview_ros.model.network import NetworkConfig
from anyview_ros.training.scenes import SceneConfig

Section = TypeVar("Section")


@dataclass(frozen=True)
class TrainingConfig:
    """The loop.

    Args:
        seed: of weights, order and noise.
        steps: until the learning rate is nothing.
        scenes_per_step: each with one source clip.
        targets_per_scene: target clips that share the source's keys and values.
        first_pool, pool_growth: step s draws from the first first_pool + s * pool_growth scenes,
            so a run can start before all of them are rendered and its order is still fixed.
        learning_rate: of both optimizers; Muon's updates are scaled to AdamW's size.
        warmup_steps: over which it rises.
        cooldown: share of the steps, the last ones, over which it falls to nothing.
        ema: share of the old weights that the running average keeps a step.
        pure_noise: share of samples at the highest noise level, where sampling starts.
        codec_scenes: scenes that the codec is fitted to.
    """

    seed: int
    steps: int
    scenes_per_step: int
    targets_per_scene: int
    first_pool: int
    pool_growth: float
    learning_rate: float
    warmup_steps: int
    cooldown: float
    ema: float
    pure_noise: float
    codec_scenes: int

    def pool(self, step: int, count: int) -> int:
        """Number of scenes that step `step` draws from, of `count`."""
        return min(count, int(self.first_pool + step * self.pool_growth))

    def rate(self, step: int) -> float:
        """Learning rate: a short rise, a plateau, a straight fall to nothing."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        fall = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * rise * max(0.0, fall)


@dataclass(frozen=True)
class RunConfig:
    """All of it.

    Args:
        name: of the package.
        licence: of the package, an SPDX identifier.
        scene_scale: multiplies Plücker moments, 1 / metres.
        network, scenes, training: see there.
        speeds: falling noise levels by speed, for the package.
        text: the file it was read from, kept in checkpoints and packages.
    """

    name: str
    licence: str
    scene_scale: float
    network: NetworkConfig
    scenes: SceneConfig
    training: TrainingConfig
    speeds: Mapping[str, tuple[float, ...]]
    text: str

    def contract(self) -> Contract:
        """The promises of the package that this run makes, its files and scores still empty."""
        return Contract(
            name=self.name,
            family="one_way",
            anchor="source",
            ray_code="unshuffle",
            resampler="area",
            pixel_rule="pixel_centre",
            prediction="x0",
            solver="euler",
            sigmas=self.speeds,
            frames=(self.scenes.frames,),
            frame_period=self.scenes.frame_period,
            sizes=(self.scenes.size,),
            latent=LatentShape(self.network.channels),
            max_sources=1,
            known_frames=False,
            scene_scale=self.scene_scale,
            precision="fp32",
            licence=self.licence,
            files={},
        )


def read_config(path: Path) -> RunConfig:
    """Read a run's TOML file.

    Raises:
        AnyviewError: `invalid_config` when it is missing, is no TOML, or a field is wrong.
    """
    try:
        return parse_config(path.read_text())
    except OSError as error:
        raise AnyviewError("invalid_config", f"cannot read {path}: {error.strerror}") from None


def parse_config(text: str) -> RunConfig:
    """A run's config from the text of its TOML file; errors as `read_config`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AnyviewError("invalid_config", f"training config is no TOML: {error}") from None
    required = {"name", "licence", "scene_scale", "network", "scenes", "training", "speeds"}
    if raw.keys() != required:
        wrong = ", ".join(sorted(raw.keys() ^ required))
        raise AnyviewError("invalid_config", f"training config: missing or unknown {wrong}")
    scenes = dict(raw["scenes"])
    scenes["size"] = tuple(scenes.get("size", ()))
    return RunConfig(
        name=raw["name"],
        licence=raw["licence"],
        scene_scale=float(raw["scene_scale"]),
        network=_section(NetworkConfig, raw["network"], "network"),
        scenes=_section(SceneConfig, scenes, "scenes"),
        training=_section(TrainingConfig, raw["training"], "training"),
        speeds={speed: tuple(map(float, levels)) for speed, levels in raw["speeds"].items()},
        text=text,
    )


def _section(section: type[Section], values: dict[str, Any], name: str) -> Section:
    known = {f.name for f in fields(section)}  # type: ignore[arg-type]
    if wrong := values.keys() ^ known:
        raise AnyviewError(
            "invalid_config", f"[{name}]: missing or unknown {', '.join(sorted(wrong))}"
        )
    return section(**values)

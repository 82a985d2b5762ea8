"""A run small enough for seconds: 5 frames of 16x32 pixels, two blocks of width 32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anyview_ros.contract import SurfaceRange
from anyview_ros.frames import Camera
from anyview_ros.geometry import look_at
from anyview_ros.model.surfaces.export import add_surfaces
from anyview_ros.model.surfaces.network import SurfaceNetwork, SurfaceNetworkConfig
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.loop import Progress, Trainer
from anyview_ros.training.scenes import SceneConfig, SceneViews
from anyview_ros.training.store import SceneStore
from tests.packages import make_package

CONFIG = """
name = "tiny"
licence = "Apache-2.0"
scene_scale = 0.0625
plane_sweep = [0.0, 1.0]

[network]
channels = 12
patch = 2
width = 32
depth = 2
heads = 2

[scenes.street]
world = "street"
still = false
scene_scale = 0.0625
first_seed = 0
count = 6
frames = 5
frame_period = 0.1
size = [16, 32]
sources = 2
targets = 2

[[stages]]
until = 4
mixture = { "street/2d" = 0.5, street = 0.5 }

[[stages]]
until = 40
mixture = { street = 1.0 }

[training]
seed = 3
steps = 40
scenes_per_step = 2
targets_per_scene = 2
more_sources = [0.5]
known = 0.25
short = 0.0
first_pool = 3
pool_steps = 6
learning_rate = 4e-3
warmup_steps = 4
cooldown = 0.25
ema = 0.9
pure_noise = 0.5
codec_scenes = 3

[speeds]
exact = [80.0, 1.0, 0.0]
draft = [80.0, 0.0]
"""


def tiny_run(**training: float) -> RunConfig:
    run = parse_config(CONFIG)
    return replace(run, training=replace(run.training, **training))


def package_with_surfaces(folder: Path, seed: int = 0) -> Path:
    """Make a package with a surface network that nobody trained: it knows costs and the ground."""
    make_package(folder, sizes=((32, 64),))
    torch.manual_seed(seed)
    config = SurfaceNetworkConfig((8, 8, 16), (1, 1))
    add_surfaces(folder, SurfaceNetwork(config, SurfaceRange(12, 7.0)), {})
    return folder


def told_run(package: Path, **training: Any) -> RunConfig:
    """Return a run with composites, which the surface network of a package finds."""
    run = parse_config(f'composite = "{package}"\n' + CONFIG)
    return replace(run, training=replace(run.training, **training))


class PaintedStore(SceneStore):
    """Scenes without a renderer: smooth random pictures, cameras at random places."""

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config, Path())
        self._painted = {index: painted_scene(config, index) for index in range(config.count)}

    def has(self, scenes: int) -> bool:
        return scenes <= len(self._painted)

    def __getitem__(self, index: int) -> SceneViews:
        return self._painted[index]


def painted_scene(config: SceneConfig, seed: int) -> SceneViews:
    rng = np.random.default_rng(seed)
    height, width = config.size
    coarse = rng.integers(0, 256, (config.views, config.frames, height // 8, width // 8, 3))
    images = coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8)
    poses = np.stack(
        [[look_at(rng.normal(0, 3, 3), (9, 0, 0))] * config.frames for _ in range(config.views)]
    )
    cameras = tuple(Camera.from_fov(width, height, 1.2) for _ in range(config.views))
    return SceneViews(images, cameras, poses, 10**8 * (1 + np.arange(config.frames)))


def painted(run: RunConfig) -> dict[str, SceneStore]:
    return {name: PaintedStore(scenes) for name, scenes in run.scenes.items()}


def tiny_trainer(run: RunConfig) -> Trainer:
    trainer = Trainer(run, painted(run), torch.device("cpu"))
    trainer.fit()
    return trainer


def stepped(trainer: Trainer) -> Progress:
    """One step of a trainer, on the batch of that step."""
    return trainer.train_step(trainer.draw(trainer.step))

"""Batches of the surface network as a pure function of (config, step)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from anyview_ros.engine.surfaces.network import image_tensor
from anyview_ros.model.precision import training_dtype
from anyview_ros.training.augmentation import draw_light, restyle, simulate_camera
from anyview_ros.training.batches import draw_set_name
from anyview_ros.training.store import SceneStore
from anyview_ros.training.surfaces.config import SurfaceRun
from anyview_ros.training.surfaces.sightings import (
    LEVEL,
    PER_SCENE,
    Sighting,
    load_sighting,
)

EVERY = 2  # rows, and columns, of which one is trained on
REAL_CAMERAS = 0.5  # share of images that come from one, see `augmentation.simulate_cameras`


@dataclass(frozen=True)
class SurfaceBatch:
    """N frames of one size.

    Args:
        image: (N, 3, H, W) float32 in [-1, 1].
        costs, smooth: (N, B, H, W) uint8, `LEVEL` steps a grey level.
        ground: (N, 1, H, W) float32.
        truth: (N, H, W) float32 inverse depth over scene_scale.
        moving: (N, H, W) bool.
        phase: row and column of the first pixel that is trained on; then every `EVERY`-th is. At
            full size the network's answer takes more time than all else, and neighbours say alike.
    """

    image: Tensor
    costs: Tensor
    smooth: Tensor
    ground: Tensor
    truth: Tensor
    moving: Tensor
    phase: tuple[int, int]

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Return the rows and columns that are trained on."""
        row, column = self.phase
        return slice(row, None, EVERY), slice(column, None, EVERY)

    def __len__(self) -> int:
        return len(self.truth)

    def to(self, device: torch.device) -> SurfaceBatch:
        parts = (self.image, self.costs, self.smooth, self.ground, self.truth, self.moving)
        image, costs, smooth, ground, truth, moving = (part.to(device) for part in parts)
        return SurfaceBatch(image, costs, smooth, ground, truth, moving, self.phase)

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the network takes; bfloat16 has all costs, which are bytes, to 0.4 %."""
        dtype = training_dtype(self.costs.device.type)
        costs, smooth = (part.to(dtype) * (1 / LEVEL) for part in (self.costs, self.smooth))
        return self.image, costs, smooth, self.ground


def draw_surfaces(
    run: SurfaceRun, stores: Mapping[str, SceneStore], step: int, share: tuple[int, int] = (0, 1)
) -> list[SurfaceBatch]:
    """Return the frames of a step, those of each size together: the same at every call.

    Args:
        share: (i, n): every n-th frame from the i-th, for one of n processes.
    """
    rng = np.random.default_rng([run.training.seed, step])
    drawn = []
    for _ in range(run.training.scenes_per_step):
        store = stores[draw_set_name(run, step, rng)]
        index = int(rng.integers(run.training.pool(step, store.config.count)))
        drawn.append((store, index, int(rng.integers(PER_SCENE)), int(rng.integers(2**62))))
    seen = []
    for store, index, number, seed in drawn[share[0] :: share[1]]:
        found = load_sighting(store, index, number, run.surfaces)
        seen.append(augment(np.random.default_rng(seed), found))
    sizes = dict.fromkeys(found.truth.shape for found in seen)
    phase = int(rng.integers(EVERY)), int(rng.integers(EVERY))
    alike = [[found for found in seen if found.truth.shape == size] for size in sizes]
    return [collate(frames, phase) for frames in alike]


def augment(rng: Generator, found: Sighting) -> Sighting:
    """Return the sighting by another camera, in another light or look, every other one mirrored."""
    image = np.asarray(cv2.LUT(restyle(rng, found.image), draw_light(rng).curve), np.uint8)
    if rng.random() < REAL_CAMERAS:
        image = simulate_camera(rng, image[None])[0]
    changed = replace(found, image=image)
    return changed.mirrored() if rng.random() < 0.5 else changed


def collate(seen: Sequence[Sighting], phase: tuple[int, int]) -> SurfaceBatch:
    """Return sightings of one size as tensors, channels last in memory; costs stay bytes."""
    images = torch.from_numpy(image_tensor(np.stack([found.image for found in seen])))
    return SurfaceBatch(
        images.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack([found.costs for found in seen])).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack([found.smooth for found in seen])).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack([found.ground for found in seen])[:, None]),
        torch.from_numpy(np.stack([found.truth for found in seen])),
        torch.from_numpy(np.stack([found.moving for found in seen])),
        phase,
    )

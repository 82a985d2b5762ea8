"""How well the surfaces of frames are found, by checkpoints and by smoothed matching costs alone.

    python -m benchmarks.surfaces [CHECKPOINT ...] [--scenes 8] [--cache FOLDER]

Frames 1, 4 and 7 of clips of two cameras of held-out worlds (seeds from 910000), with matching
costs of their own clips, where those move, and without any. Right: within 15 % of the true inverse
depth, or 0.06 over scene_scale. Error: median of the relative error where there is a surface. NLL:
of the truth put on the two inverse depths beside it. Edge: within two pixels of a jump of depth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.finder import LEVELS, MEASURED, supports
from anyview_ros.engine.surfaces.network import (
    costs_or_none,
    ground_inverse_depth,
    image_tensor,
    planar,
    smooth_costs,
)
from anyview_ros.engine.surfaces.photo_consistency import MOST
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.model.surfaces.network import SurfaceNetwork
from anyview_ros.training.scenes import SceneConfig
from anyview_ros.training.store import SceneStore, default_cache
from anyview_ros.training.surfaces.config import parse_surfaces
from anyview_ros.training.surfaces.loss import at_edges, cross_entropy
from anyview_ros.training.surfaces.package import network_in_use

FIRST_SEED, TIMES, VIEWS = 910000, (1, 4, 7), (0, 3)
NEAR, NEAR_SHARE = 0.06, 0.15
KINDS = {"street": (1 / 16, (96, 160)), "table": (1 / 2, (128, 128))}


@dataclass(frozen=True)
class Shown:
    """A held-out frame: tensors as the network takes them, one frame each, and the truth."""

    image: Tensor
    costs: Tensor
    smooth: Tensor
    ground: Tensor
    truth: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--cache", type=Path, default=default_cache())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = [(path.parent.name, loaded(path)) for path in arguments.checkpoints]
    surfaces = networks[0][1].surfaces if networks else MEASURED
    print("| kind | costs | by | right | error | NLL | right, edge | NLL, edge |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        frames = list(held_out(kind, arguments.scenes, arguments.cache, surfaces))
        for seen in ("clip", "none"):
            if seen == "clip":
                told = [likely_of_costs(frame) for frame in frames]
                print(row(kind, seen, "smoothed costs", told, frames, surfaces))
            for name, network in networks:
                told = [likely(network, frame, seen == "none") for frame in frames]
                print(row(kind, seen, name, told, frames, surfaces), flush=True)


def loaded(path: Path) -> SurfaceNetwork:
    checkpoint = read_checkpoint(path)
    return network_in_use(parse_surfaces(checkpoint.config), checkpoint)


def held_out(kind: str, scenes: int, cache: Path, surfaces: SurfaceRange) -> Iterator[Shown]:
    scale, size = KINDS[kind]
    config = SceneConfig(
        world=kind,
        still=False,
        scene_scale=scale,
        first_seed=FIRST_SEED,
        count=scenes,
        frames=9,
        frame_period=0.1,
        size=size,
        sources=2,
        targets=4,
        depth=True,
    )
    store = SceneStore(config, cache)
    for shard in range(store.shards):
        store.render_shard(shard)
    for index in range(scenes):
        scene = store[index]
        assert scene.inverse_depth is not None
        for view in VIEWS:
            clip = scene.clip(view)
            for time in TIMES:
                frame = clip.frames[time]
                others = supports([clip], 0, time, scale)
                costs = costs_or_none(surfaces, frame, others, scale)
                ground = ground_inverse_depth(frame.camera, frame.world_from_cam, surfaces, scale)
                truth = scene.inverse_depth[view, time].astype(np.float32) / np.float32(scale)
                yield Shown(
                    torch.from_numpy(image_tensor(frame.image[None])),
                    torch.from_numpy(planar(costs)),
                    torch.from_numpy(planar(smooth_costs(costs, frame.image))),
                    torch.from_numpy(ground[None, None]),
                    torch.from_numpy(truth.clip(0, surfaces.nearest)[None]),
                )


@torch.no_grad()
def likely(network: SurfaceNetwork, frame: Shown, alone: bool) -> Tensor:
    """(1, B, H, W) log-probabilities."""
    costs = torch.full_like(frame.costs, MOST) if alone else frame.costs
    smooth = torch.zeros_like(frame.smooth) if alone else frame.smooth
    found: Tensor = network(frame.image, costs, smooth, frame.ground)
    return found


def likely_of_costs(frame: Shown) -> Tensor:
    return torch.log_softmax(-frame.smooth / LEVELS, dim=1)


def row(
    kind: str,
    seen: str,
    name: str,
    told: list[Tensor],
    frames: list[Shown],
    surfaces: SurfaceRange,
) -> str:
    likely, truth = torch.cat(told), torch.cat([frame.truth for frame in frames])
    found = most_likely(likely, surfaces)
    apart = (found - truth).abs()
    right = (apart < (NEAR_SHARE * truth).clamp(min=NEAR)).float()
    error = (apart / truth)[truth > 0].median()
    lost, edge = cross_entropy(likely, truth, surfaces), at_edges(truth)
    figures = (right.mean(), error, lost.mean(), right[edge].mean(), lost[edge].mean())
    return f"| {kind} | {seen} | {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |"


def most_likely(likely: Tensor, surfaces: SurfaceRange) -> Tensor:
    """Return (N, H, W) inverse depth over scene_scale: the mean about the most likely one."""
    best = likely.argmax(dim=1, keepdim=True).clamp(1, surfaces.count - 2)
    three = torch.cat([best - 1, best, best + 1], dim=1)
    weights = likely.gather(1, three).softmax(dim=1)
    place = (weights * three).sum(dim=1)
    return Tensor(surfaces.inverse_depths(place))


if __name__ == "__main__":
    main()

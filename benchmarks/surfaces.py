"""How well the surfaces of frames are found, by checkpoints and by smoothed matching costs alone.

    python -m benchmarks.surfaces [CHECKPOINT|PACKAGE ...] [--scenes 8] [--real] [--cache FOLDER]
        [--picture FILE.png]

Frames 1, 4 and 7 of clips of two cameras of held-out worlds (seeds from 910000), with matching
costs of their own clips, where those move, and without any. Right: within 15 % of the true inverse
depth, or 0.06 over scene_scale. Error: median of the relative error where there is a surface. NLL:
of the truth put on the two inverse depths beside it. Edge: within two pixels of a jump of depth.
Moving: where something moves, which worlds alone say.

With `--real` in place of worlds the views of `anyview bench --real` whose depth is known, as far as
they are installed; the castle matched with pictures from 1 to 5 cm aside. They have no ground: all
are told one 1.6 m below a level camera, as the node tells it where nobody knows better.

The picture has what is right with costs over the steps of the checkpoints, a package's at 0.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
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
from anyview_ros.evaluation.real_suite import DISTANCES, PICTURES, RealSuite
from anyview_ros.frames import Frame
from anyview_ros.geometry import STANDING_CAMERA, inverse
from anyview_ros.imaging.resize import resize_camera, resize_image
from anyview_ros.media.plots import line_plot
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.media.real_view import RealView
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.model.surfaces.network import STRIDE, SurfaceNetwork, load_weights
from anyview_ros.packages import find_package, load_package
from anyview_ros.training.scenes import SceneConfig
from anyview_ros.training.store import SceneStore, default_cache
from anyview_ros.training.surfaces.config import parse_surfaces, read_surfaces
from anyview_ros.training.surfaces.loss import at_edges, cross_entropy
from anyview_ros.training.surfaces.package import CONFIG_FILE, network_in_use, surface_parameters
from anyview_ros.training.surfaces.sightings import find_moving

FIRST_SEED, TIMES, VIEWS = 910000, (1, 4, 7), (0, 3)
MODEL, REAL_WIDTH = "worlds-composite-10m", 160
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
    moving: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    networks = [loaded(path) for path in arguments.checkpoints]
    surfaces = networks[0][1].surfaces if networks else MEASURED
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    columns = ["right", "error", "NLL", "right, edge", "NLL, edge", "right, moving", "NLL, moving"]
    print("| kind | costs | by | " + " | ".join(columns) + " |")
    print("| " + " | ".join(["---"] * (3 + len(columns))) + " |")
    kinds = dict(real(surfaces)) if arguments.real else {}
    for kind in kinds or KINDS:
        frames = kinds.get(kind) or list(
            held_out(kind, arguments.scenes, arguments.cache, surfaces)
        )
        matched = any(bool((frame.costs < MOST).any()) for frame in frames)
        for seen in ("clip", "none") if matched else ("none",):
            if seen == "clip":
                told = [likely_of_costs(frame) for frame in frames]
                print_row(kind, seen, "smoothed costs", figures(told, frames, surfaces))
            for step, network in networks:
                told = [likely(network, frame, seen == "none") for frame in frames]
                found = figures(told, frames, surfaces)
                print_row(kind, seen, f"step {step}" if step else "package", found)
                if seen == "clip":
                    curves[kind].append((step, found[0]))
                    curves[f"{kind}, moving"].append((step, found[5]))
    if arguments.picture is not None:
        title = "share of pixels whose depth is right, by steps of training"
        save_picture(line_plot(curves, title), arguments.picture, MIXED)


def loaded(path: Path) -> tuple[int, SurfaceNetwork]:
    """Return a network and the steps that it was trained."""
    if path.is_dir():
        run = read_surfaces(path / CONFIG_FILE)
        network = SurfaceNetwork(run.network, run.surfaces)
        load_weights(network, surface_parameters(path))
        return 0, network.eval()
    checkpoint = read_checkpoint(path)
    return checkpoint.step, network_in_use(parse_surfaces(checkpoint.config), checkpoint)


def real(surfaces: SurfaceRange) -> Iterator[tuple[str, list[Shown]]]:
    for kind in RealSuite.of(load_package(find_package(MODEL)).contract, ()).splits:
        views = [PICTURES[kind].view(name) for name in PICTURES[kind].names]
        yield kind, [real_frame(view, surfaces) for view in views]


def real_frame(view: RealView, surfaces: SurfaceRange) -> Shown:
    """Return the view whose depth is known; its truth is nan where it is not."""
    scale = 1 / (DISTANCES * float(np.nanmedian(view.depth)))
    height, width = view.truth.image.shape[:2]
    size = (REAL_WIDTH * height // width // STRIDE * STRIDE, REAL_WIDTH)
    level = STANDING_CAMERA @ inverse(view.truth.world_from_cam)

    def sized(frame: Frame) -> Frame:
        image = resize_image(frame.image, size, "area")
        camera = resize_camera(frame.camera, size, "pixel_centre")
        return Frame(frame.stamp_ns, image, camera, level @ frame.world_from_cam)

    frame = sized(view.truth)
    others = [sized(other) for other in view.source[::2]] if len(view.source) > 1 else []
    depth = cv2.resize(view.depth, size[::-1], interpolation=cv2.INTER_NEAREST)
    still = np.zeros(depth.shape, np.bool_)
    truth = np.asarray(1 / (scale * depth), np.float32)
    return shown(frame, others, truth, still, surfaces, scale)


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
                truth = scene.inverse_depth[view, time].astype(np.float32) / np.float32(scale)
                moving = find_moving(config, index, scene, (view, time))
                yield shown(frame, others, truth, moving, surfaces, scale)


def shown(
    frame: Frame,
    others: Sequence[Frame],
    truth: NDArray[np.float32],
    moving: NDArray[np.bool_],
    surfaces: SurfaceRange,
    scale: float,
) -> Shown:
    costs = costs_or_none(surfaces, frame, others, scale)
    ground = ground_inverse_depth(frame.camera, frame.world_from_cam, surfaces, scale)
    return Shown(
        torch.from_numpy(image_tensor(frame.image[None])),
        torch.from_numpy(planar(costs)),
        torch.from_numpy(planar(smooth_costs(costs, frame.image))),
        torch.from_numpy(ground[None, None]),
        torch.from_numpy(truth.astype(np.float32).clip(0, surfaces.nearest)[None]),
        torch.from_numpy(moving[None]),
    )


@torch.no_grad()
def likely(network: SurfaceNetwork, frame: Shown, alone: bool) -> Tensor:
    """(1, B, H, W) log-probabilities."""
    costs = torch.full_like(frame.costs, MOST) if alone else frame.costs
    smooth = torch.zeros_like(frame.smooth) if alone else frame.smooth
    return torch.log_softmax(network(frame.image, costs, smooth, frame.ground), dim=1)


def likely_of_costs(frame: Shown) -> Tensor:
    return torch.log_softmax(-frame.smooth / LEVELS, dim=1)


def figures(told: list[Tensor], frames: list[Shown], surfaces: SurfaceRange) -> list[float]:
    """Return the columns of the table."""
    likely, truth = torch.cat(told), torch.cat([frame.truth for frame in frames])
    known = torch.isfinite(truth)
    truth = truth.nan_to_num()
    found = most_likely(likely, surfaces)
    apart = (found - truth).abs()
    right = (apart < (NEAR_SHARE * truth).clamp(min=NEAR)).float()
    error = (apart / truth)[known & (truth > 0)].median()
    lost, edge = cross_entropy(likely, truth, surfaces), at_edges(truth) & known
    moving = torch.cat([frame.moving for frame in frames])
    parts = (right[known], error, lost[known], right[edge], lost[edge], right[moving], lost[moving])
    return [float(part.mean()) for part in parts]


def print_row(kind: str, seen: str, name: str, found: list[float]) -> None:
    columns = [kind, seen, name, *(f"{figure:.3f}" for figure in found)]
    print("| " + " | ".join(columns) + " |", flush=True)


def most_likely(likely: Tensor, surfaces: SurfaceRange) -> Tensor:
    """Return (N, H, W) inverse depth over scene_scale: the mean about the most likely one."""
    best = likely.argmax(dim=1, keepdim=True).clamp(1, surfaces.count - 2)
    three = torch.cat([best - 1, best, best + 1], dim=1)
    weights = likely.gather(1, three).softmax(dim=1)
    place = (weights * three).sum(dim=1)
    return Tensor(surfaces.inverse_depths(place))


if __name__ == "__main__":
    main()

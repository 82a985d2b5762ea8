"""What few steps of a model cost against many, by the figures of the bench.

    python -m benchmarks.few_steps CHECKPOINT [--seeds 910000:910006] [--kinds street,table]
        [--way 80 2 0] [--way ...] [--threads 1]

Takes the averaged weights of a checkpoint of `anyview train` or `anyview distill` as they are, for
noise levels that no package need have. A row for each way from noise to clip and kind of world.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from anyview_ros.engine.sampler import SamplerSettings, karras_sigmas
from anyview_ros.evaluation import perceptual
from anyview_ros.evaluation.baselines import GROUND_WARP, ground_plane_warp
from anyview_ros.evaluation.evaluation import clip_figures, pose_figures
from anyview_ros.evaluation.task import Images, Task
from anyview_ros.evaluation.world_suite import WorldSuite
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.packages import find_package
from anyview_ros.training.composites import Composer
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.package import networks_in_use
from anyview_ros.training.preview import TrainedModel, generate
from anyview_ros.training.scenes import SceneViews
from anyview_ros.training.store import default_cache

SPLITS = ("narrow", "extreme")
LOWEST = 0.03  # sigma of Karras' schedules before their last step
WAYS: tuple[tuple[float, ...], ...] = (
    (80.0, 0.0),
    (80.0, 2.0, 0.0),
    (80.0, 0.5, 0.0),
    (80.0, 2.0, 0.5, 0.0),
    (80.0, 0.5, 0.25, 0.12, 0.06, 0.0),
    *((*karras_sigmas(steps - 1, 80.0, LOWEST), 0.0) for steps in (4, 8, 16, 32)),
)
COLUMNS = {
    "psnr": "{:.2f}",
    "hidden_psnr": "{:.2f}",
    "perceptual": "{:.3f}",
    "sharpness": "{:.2f}",
    "rotation_deg": "{:.2f}",
    "translation_m": "{:.2f}",
}
Row = dict[str, float]


class Model:
    """The averaged weights of a checkpoint.

    Args:
        file: the checkpoint.
        temperature: share of the noise that sampling starts from.
        choice: of detail among the candidates of the plane sweep; None = as the run says.
    """

    def __init__(self, file: Path, temperature: float, choice: float | None) -> None:
        checkpoint = read_checkpoint(file)
        self.temperature = temperature
        run: RunConfig = parse_config(checkpoint.config)
        network, codec = networks_in_use(run, checkpoint)
        if choice is not None:
            network.set_choice(choice)
        composer = None
        if run.composite:
            composer = Composer(find_package(run.composite), default_cache())
        self.trained = TrainedModel(run.contract(), network, codec, composer)

    def answer(self, task: Task, way: tuple[float, ...]) -> Images:
        """(T, H, W, 3)"""
        scene = SceneViews(
            np.stack([task.source_images, task.truth]),
            (task.source_camera, task.target.camera),
            np.stack([task.source_poses, task.target.world_from_cam]),
            np.array([frame.stamp_ns for frame in task.source]),
        )
        scale, method = task.scene_scale, SamplerSettings(way, temperature=self.temperature)
        return generate(self.trained, scene, 1, scale, method)


def scored(task: Task, frames: Images, distance: perceptual.Perceptual | None) -> Row:
    row = clip_figures(frames, task, (len(frames),)) | pose_figures(frames, task)
    if distance is not None:
        shown = [0, len(frames) // 2, len(frames) - 1]
        row["perceptual"] = distance(frames[shown], task.truth[shown])
    return row


def measured(
    model: Model, kind: str, seeds: tuple[int, int], ways: Sequence[tuple[float, ...]]
) -> dict[str, list[Row]]:
    """Figures of every episode, by way and of the ground-plane warp."""
    suite = WorldSuite.of(model.trained.contract, (kind,), SPLITS, seeds)
    distance = perceptual.load(perceptual.metric_name())
    rows: dict[str, list[Row]] = {GROUND_WARP: [], **{_named(way): [] for way in ways}}
    for episode in suite.episodes():
        task = suite.task(episode)
        rows[GROUND_WARP].append(scored(task, ground_plane_warp(task), distance))
        for way in ways:
            started = time.perf_counter()
            frames = model.answer(task, way)
            seconds = time.perf_counter() - started
            rows[_named(way)].append(scored(task, frames, distance) | {"seconds": seconds})
    return rows


def table(rows: dict[str, list[Row]]) -> str:
    """Means over episodes, medians of pose errors, as the bench has them."""
    lines = [f"| steps | {' | '.join(COLUMNS)} |", "| --- |" + " --- |" * len(COLUMNS)]
    for name, episodes in rows.items():
        cells = []
        for column, form in COLUMNS.items():
            values = [row.get(column, np.nan) for row in episodes]
            pose = column in ("rotation_deg", "translation_m")
            cells.append(form.format(np.nanmedian(values) if pose else np.nanmean(values)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(way: tuple[float, ...]) -> str:
    levels = ", ".join(f"{level:g}" for level in way) if len(way) <= 6 else "Karras"
    return f"{len(way) - 1}: {levels}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--seeds", default="910000:910006")
    parser.add_argument("--kinds", default="street,table")
    parser.add_argument("--way", type=float, nargs="+", action="append", help="levels, to 0")
    parser.add_argument("--temperature", type=float, default=1.0, help="share of the first noise")
    parser.add_argument("--choice", type=float, help="among candidates; the run's when left out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = Model(args.checkpoint, args.temperature, args.choice)
    first, last = (int(seed) for seed in args.seeds.split(":"))
    ways = [tuple(way) for way in args.way] if args.way else WAYS
    for kind in args.kinds.split(","):
        print(f"\n{kind}\n\n{table(measured(model, kind, (first, last), ways))}", flush=True)


if __name__ == "__main__":
    main()

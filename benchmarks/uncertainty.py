"""How well uncertainty and coverage tell where a model errs, on worlds whose truth is rendered.

    python -m benchmarks.uncertainty [--model NAME] [--kinds street,table] [--seeds 900000:900008]
        [--samples 8] [--speed exact] [--threads 1] [--out sheet.jpg]

For each question of AnyViewBench's worlds, first clip: Spearman's rank correlation over all pixels
of the error (mean over the colours) with the image `virtual/<name>/uncertainty` as it is
published, with that part of it which needs no further seed (`photo_consistency_error`), and with
1 - coverage.
Once pixel by pixel, once over blocks of 8x8 pixels. Then the same over the pixels of all clips of
a world together: whether a value means as much in another clip.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.trust.coverage import coverage, distances
from anyview_ros.engine.trust.photo_error import photo_consistency_error
from anyview_ros.engine.trust.uncertainty import GAIN
from anyview_ros.evaluation.suite import Episode
from anyview_ros.evaluation.task import Task
from anyview_ros.evaluation.world_suite import WorldSuite
from anyview_ros.frames import Clip, View
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package

SPLITS = ("narrow", "extreme")
BLOCK = 8
TILE, SIDE_WIDTH = (240, 144), 100
BRIGHTER = 3.0  # the sheet's error than grey levels; about as bright as uncertainty is published
ROWS = ("source", "generated", "truth", "error", "uncertainty", "coverage")
SHOWN = 6  # columns of the sheet

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """One clip: what was drawn, and what was told of it.

    Args:
        error: (T, H, W) grey levels, mean over the colours.
        uncertainty: (T, H, W) as published.
        off: (T, H, W) grey levels from what the source saw.
        covered: (T, H, W) share.
    """

    episode: Episode
    task: Task
    frames: NDArray[np.uint8]
    error: Floats
    uncertainty: Floats
    off: Floats
    covered: Floats

    @property
    def signs(self) -> tuple[Floats, ...]:
        """What should rank the error."""
        return self.uncertainty, self.off, 1 - self.covered


def ranks(values: Floats) -> NDArray[np.float64]:
    """Rank of each value, equal ones sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = (last - (counts - 1) / 2)[place.ravel()]
    return mean


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation; 0 where one of them is the same everywhere."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def blocks(values: Floats) -> Floats:
    """(T, H, W) -> (T, H/8, W/8) means."""
    t, h, w = values.shape
    means: Floats = values.reshape(t, h // BLOCK, BLOCK, w // BLOCK, BLOCK).mean(axis=(2, 4))
    return means


def together(answers: Sequence[Told]) -> tuple[float, ...]:
    """`figures` of clips as if they were one."""
    names = ("error", "uncertainty", "off", "covered")
    error, uncertainty, off, covered = (
        np.concatenate([getattr(answer, name) for answer in answers]) for name in names
    )
    whole = replace(answers[0], error=error, uncertainty=uncertainty, off=off, covered=covered)
    return figures(whole)


def told(pipeline: Pipeline, suite: WorldSuite, episode: Episode, speed: str, samples: int) -> Told:
    task = suite.task(episode)
    count = max(pipeline.package.contract.frames)
    clip = Clip(task.source[:count])
    view = View(task.target.camera, task.target.world_from_cam[:count])
    options = SynthesisOptions(
        speed=speed, scene_scale=task.scene_scale, uncertainty_samples=samples
    )
    made = pipeline.synthesize([clip], view, options)
    error = np.abs(made.frames.astype(np.float32) - task.truth[:count]).mean(axis=-1)
    off = photo_consistency_error(made.frames, [clip], view, task.scene_scale)
    along_m = distances(task.scene_scale)
    covered = [
        coverage([frame], view.camera, pose, along_m)
        for frame, pose in zip(clip.frames, view.world_from_cam, strict=True)
    ]
    published = made.uncertainty.astype(np.float32)
    return Told(episode, task, made.frames, error, published, off, np.stack(covered))


def figures(answer: Told) -> tuple[float, ...]:
    """Correlations of the error with each sign, by pixel and by block; then the mean error and
    the mean uncertainty in grey levels."""
    by_pixel = [spearman(answer.error, sign) for sign in answer.signs]
    error = blocks(answer.error)
    by_block = [spearman(error, blocks(sign)) for sign in answer.signs]
    levels = answer.error.mean(), answer.uncertainty.mean() / GAIN
    return (*by_pixel, *by_block, *map(float, levels))


def column(answer: Told) -> list[NDArray[np.uint8]]:
    """Tiles of the middle frame, in the order of ROWS."""
    k = len(answer.frames) // 2
    grey = (
        BRIGHTER * answer.error[k],
        answer.uncertainty[k],
        255 * answer.covered[k],
    )
    seen = [np.clip(x, 0, 255).astype(np.uint8) for x in grey]
    colours = (answer.task.source[k].image, answer.frames[k], answer.task.truth[k])
    tiles = [*colours, *(np.asarray(cv2.cvtColor(x, cv2.COLOR_GRAY2RGB), np.uint8) for x in seen)]
    return [fitted(tile, *TILE) for tile in tiles]


def print_row(name: str, clips: int, row: Sequence[float]) -> None:
    print(f"| {name} | {clips} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


def write_sheet(file: Path, answers: Sequence[Told]) -> None:
    names = [
        f"{a.episode.name.replace('_ep', ' ')}\nrank correlation {figures(a)[0]:.2f}"
        for a in answers
    ]
    columns = [column(answer) for answer in answers]
    rows = [[label("", SIDE_WIDTH, 40), *(label(name, TILE[0], 40) for name in names)]]
    for k, name in enumerate(ROWS):
        rows.append([label(name, SIDE_WIDTH, TILE[1]), *(tiles[k] for tiles in columns)])
    save_picture(grid(rows), file, MIXED)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    parser.add_argument("--kinds", default="street", help="worlds, with commas")
    parser.add_argument("--seeds", default="900000:900008", help="first and last + 1")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--speed", default="exact")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="contact sheet to write")
    arguments = parser.parse_args()
    package = load_package(find_package(arguments.model))
    pipeline = Pipeline(package, threads=arguments.threads)
    first, last = map(int, arguments.seeds.split(":"))
    kinds = tuple(arguments.kinds.split(","))
    suite = WorldSuite.of(package.contract, kinds, SPLITS, (first, last))
    answers = [
        told(pipeline, suite, episode, arguments.speed, arguments.samples)
        for episode in suite.episodes()
    ]
    print(
        f"| {package.contract.name}, {arguments.speed}, {arguments.samples} seeds | clips "
        "| uncertainty | off sight | 1 - coverage | uncertainty, 8x8 | off sight, 8x8 "
        "| 1 - coverage, 8x8 | mean error | mean uncertainty |"
    )
    print("|" + " --- |" * 10)
    by_split = {
        split: [answer for answer in answers if answer.episode.split == split]
        for split in dict.fromkeys(answer.episode.split for answer in answers)
    }
    for split, some in by_split.items():
        print_row(split, len(some), np.mean([figures(answer) for answer in some], axis=0))
    for kind in kinds:
        some = [answer for answer in answers if answer.episode.split.startswith(kind)]
        print_row(f"{kind}, all pixels together", len(some), together(some))
    if arguments.out:
        shown = SHOWN // len(by_split)
        write_sheet(arguments.out, [a for some in by_split.values() for a in some[:shown]])


if __name__ == "__main__":
    main()

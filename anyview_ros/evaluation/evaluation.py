"""Evaluate one episode: score the model beside baselines and negative controls, save pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.evaluation import clip_metrics as figures
from anyview_ros.evaluation.baselines import COPY, baselines
from anyview_ros.evaluation.contact_sheet import GENERATED, TRUTH, WITHOUT_MEMORY, write_strip
from anyview_ros.evaluation.perceptual import Perceptual
from anyview_ros.evaluation.pose_error import pose_error
from anyview_ros.evaluation.suite import Episode, Suite
from anyview_ros.evaluation.task import (
    Images,
    Task,
    Visibility,
    answer,
    windows,
    with_images_of,
    with_pose_of,
)
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.provenance import MIXED, WORDS
from anyview_ros.media.video_writer import VideoWriter
from anyview_ros.packages import ModelPackage
from anyview_ros.training.scenes import MEAN_IMAGE
from anyview_ros.whole_file import whole_file

WRONG_POSE = "wrong target pose"
WRONG_SOURCE = "source of another scene"
OTHER_SEED = "another noise seed"
MEAN_IMAGES = (MEAN_IMAGE, "mean.png")  # in a package: of the worlds of one kind, of all
VIDEO_HEIGHT = 216  # pixels of a tile
DIGITS = 4  # of figures; a mean must not depend on the threads that computed it

Row = dict[str, float | None]


@dataclass(frozen=True)
class Outcome:
    """Figures of an episode.

    Args:
        rows: by method, then by figure; None where a figure cannot be had.
        facts: of the task itself.
        calls: of the model.
    """

    split: str
    name: str
    rows: dict[str, Row]
    facts: Row
    calls: int

    @classmethod
    def read(cls, file: Path) -> Outcome:
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        """Write JSON that is there whole or not at all."""
        with whole_file(file) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True)
class SamplingOptions:
    """How the model samples.

    Args:
        speeds: of the package; the first one makes the pictures and gets the negative controls.
        seed: of the noise, the same for every episode.
    """

    speeds: tuple[str, ...]
    seed: int = 0


class Evaluator:
    """Evaluates episodes of a suite, one at a time.

    Args:
        pipeline: of the package that is evaluated.
        perceptual: None leaves that figure out.
    """

    def __init__(
        self,
        suite: Suite,
        pipeline: Pipeline,
        sampling: SamplingOptions,
        perceptual: Perceptual | None,
    ) -> None:
        self._suite, self._pipeline, self._sampling = suite, pipeline, sampling
        self._perceptual = perceptual

    def evaluate(self, episode: Episode, folder: Path) -> Outcome:
        """Evaluate an episode; write `<name>.json`, `.mp4` and `.png` to the folder.

        Raises:
            AnyviewError: what the suite, or the model, refuses.
        """
        task = self._suite.task(episode)
        drawn = {s: self._answer(task, s) for s in self._sampling.speeds}
        if task.memory:
            live = replace(task, memory=())
            drawn[WITHOUT_MEMORY] = self._answer(live, self._sampling.speeds[0])
        made = baselines(task, self._mean_image(task))
        rows = {name: self._scored(frames, task) for name, frames in (drawn | made).items()}
        for speed, frames in drawn.items():
            rows[speed] |= pose_figures(frames, task)
        first = drawn[self._sampling.speeds[0]]
        wrong = dict(self._negative_controls(task, episode, first))
        calls = len(windows(len(task.source), self._pipeline.package.contract.frames))
        outcome = Outcome(
            episode.split,
            episode.name,
            {name: _rounded(row) for name, row in (rows | wrong).items()},
            _rounded(_facts(task)),
            calls * (len(drawn) + len(wrong)),
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{episode.name}.mp4", task, first, made[COPY])
        pictures = made | {GENERATED: first, TRUTH: task.truth}
        pictures |= {name: drawn[name] for name in (WITHOUT_MEMORY,) if name in drawn}
        write_strip(folder / f"{episode.name}.png", pictures)
        outcome.write(folder / f"{episode.name}.json")
        return outcome

    def _answer(self, task: Task, speed: str, seed_offset: int = 0) -> Images:
        options = SynthesisOptions(speed=speed, seed=self._sampling.seed + seed_offset)
        return answer(self._pipeline, task, options)

    def _scored(self, frames: Images, task: Task) -> dict[str, float]:
        scores = clip_figures(frames, task, self._pipeline.package.contract.frames)
        if self._perceptual is not None:
            picked = self._suite.perceptual_frames(len(frames))
            scores["perceptual"] = self._perceptual(frames[picked], task.truth[picked])
        return scores

    def _negative_controls(
        self, task: Task, episode: Episode, right: Images
    ) -> Iterator[tuple[str, dict[str, float]]]:
        """Yield figures where the pose, the source or the noise is another one."""
        control_scene = self._suite.control_scene(episode)
        if control_scene is None:
            return
        speed, lengths = self._sampling.speeds[0], self._pipeline.package.contract.frames
        own = figures.whole_clip(right, task.truth)["psnr"]
        for name, control in (
            (WRONG_POSE, with_pose_of(task, control_scene)),
            (WRONG_SOURCE, with_images_of(task, control_scene)),
        ):
            row = clip_figures(self._answer(control, speed), task, lengths)
            yield name, row | {"cost_db": own - row["psnr"]}
        reseeded = self._answer(task, speed, seed_offset=1)
        layout = figures.layout(reseeded, right)
        yield OTHER_SEED, clip_figures(reseeded, task, lengths) | layout

    def _mean_image(self, task: Task) -> Images | None:
        kind = task.world.kind if task.world else ""
        return mean_image(self._pipeline.package, kind)


def clip_figures(frames: Images, task: Task, lengths: tuple[int, ...]) -> dict[str, float]:
    """Return every figure that needs nothing but the frames and the task."""
    truth = task.truth
    scores = figures.whole_clip(frames, truth)
    scores["sharpness"] = figures.sharpness(frames, truth)
    if task.visibility is not None:
        scores |= region_figures(frames, truth, task.visibility)
    scores["unsteadiness"] = figures.unsteadiness(frames, truth)
    seams = [window.stop for window in windows(len(truth), lengths)[:-1]]
    if seams:
        scores["seam_unsteadiness"] = figures.unsteadiness(frames, truth, seams)
    return scores


def region_figures(frames: Images, truth: Images, visibility: Visibility) -> dict[str, float]:
    """Return figures of what the source shows, does not show, and has shown before."""
    seen, before = visibility.covisible, visibility.remembered
    found = {
        "covisible_psnr": figures.region_psnr(frames, truth, seen),
        "covisible_sharpness": figures.sharpness(frames, truth, seen),
        "hidden_psnr": figures.region_psnr(frames, truth, visibility.hidden),
    }
    if before is not None:
        found["remembered_psnr"] = figures.region_psnr(frames, truth, before)
    return found


def pose_figures(frames: Images, task: Task) -> dict[str, float]:
    """Return the pose error at the middle frame; nothing if the world is unknown."""
    if task.world is None:
        return {}
    k = len(frames) // 2
    rotation, translation = pose_error(
        frames[k],
        task.world.scene_at(task.source[k].stamp_ns),
        task.target.camera,
        task.target.world_from_cam[k],
        task.scene_scale,
    )
    return {"rotation_deg": rotation, "translation_m": translation}


def _facts(task: Task) -> dict[str, float]:
    frames, axes = float(len(task.truth)), task.between_axes_deg
    facts = {"frames": frames, "between_axes_deg": axes, "scene_scale": task.scene_scale}
    if (visibility := task.visibility) is not None:
        facts["overlap"] = float(visibility.covisible.mean())
        if visibility.remembered is not None:
            facts["remembered"] = float(visibility.remembered.mean())
            facts["keyframes"] = float(len(task.memory))
    return facts


def mean_image(package: ModelPackage, kind: str) -> Images | None:
    """Return the mean of the training clips, (H, W, 3); None if the package has none."""
    for name in MEAN_IMAGES:
        file = package.path / name.format(kind=kind)
        if file.is_file():
            return np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), np.uint8)
    return None


def write_video(file: Path, task: Task, drawn: Images, source: Images) -> None:
    """Write source | generated | truth, at the pace of the stamps."""
    height, width = task.truth.shape[1:3]
    tile = (round(VIDEO_HEIGHT * width / height), VIDEO_HEIGHT)
    labels = [label(text, tile[0]) for text in ("source", "generated", "truth")]

    def side_by_side(k: int) -> Images:
        return grid([labels, [fitted(clip[k], *tile) for clip in (source, drawn, task.truth)]])

    size = side_by_side(0).shape
    with (
        whole_file(file) as partial,
        VideoWriter(partial, (size[1], size[0]), WORDS[MIXED]) as video,
    ):
        for k in range(len(drawn)):
            video.write(side_by_side(k), k * task.period_ns)


def _rounded(row: dict[str, float]) -> Row:
    return {k: round(v, DIGITS) if math.isfinite(v) else None for k, v in row.items()}

"""One episode: ask the model, score it beside its baselines and wrong questions, keep pictures."""

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
        facts: of the question itself.
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
class Asking:
    """How the model is asked.

    Args:
        speeds: of the package; the first one makes the pictures and gets the wrong questions.
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
        self, suite: Suite, pipeline: Pipeline, asking: Asking, perceptual: Perceptual | None
    ) -> None:
        self._suite, self._pipeline, self._asking = suite, pipeline, asking
        self._perceptual = perceptual

    def evaluate(self, episode: Episode, folder: Path) -> Outcome:
        """Figures of an episode; `<name>.json`, `.mp4` and `.png` appear in the folder.

        Raises:
            AnyviewError: what the suite, or the model, refuses.
        """
        question = self._suite.question(episode)
        drawn = {s: self._answer(question, s) for s in self._asking.speeds}
        if question.memory:
            live = replace(question, memory=())
            drawn[WITHOUT_MEMORY] = self._answer(live, self._asking.speeds[0])
        made = baselines(question, self._mean_image(question))
        rows = {name: self._scored(frames, question) for name, frames in (drawn | made).items()}
        for speed, frames in drawn.items():
            rows[speed] |= pose_figures(frames, question)
        first = drawn[self._asking.speeds[0]]
        wrong = dict(self._wrong(question, episode, first))
        calls = len(windows(len(question.source), self._pipeline.package.contract.frames))
        outcome = Outcome(
            episode.split,
            episode.name,
            {name: _rounded(row) for name, row in (rows | wrong).items()},
            _rounded(_facts(question)),
            calls * (len(drawn) + len(wrong)),
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{episode.name}.mp4", question, first, made[COPY])
        pictures = made | {GENERATED: first, TRUTH: question.truth}
        pictures |= {name: drawn[name] for name in (WITHOUT_MEMORY,) if name in drawn}
        write_strip(folder / f"{episode.name}.png", pictures)
        outcome.write(folder / f"{episode.name}.json")
        return outcome

    def _answer(self, question: Task, speed: str, seed_offset: int = 0) -> Images:
        options = SynthesisOptions(speed=speed, seed=self._asking.seed + seed_offset)
        return answer(self._pipeline, question, options)

    def _scored(self, frames: Images, question: Task) -> dict[str, float]:
        scores = clip_figures(frames, question, self._pipeline.package.contract.frames)
        if self._perceptual is not None:
            picked = self._suite.perceptual_frames(len(frames))
            scores["perceptual"] = self._perceptual(frames[picked], question.truth[picked])
        return scores

    def _wrong(
        self, question: Task, episode: Episode, right: Images
    ) -> Iterator[tuple[str, dict[str, float]]]:
        """What changes with the pose, the source and the noise."""
        stranger = self._suite.stranger(episode)
        if stranger is None:
            return
        speed, lengths = self._asking.speeds[0], self._pipeline.package.contract.frames
        own = figures.whole_clip(right, question.truth)["psnr"]
        for name, asked in (
            (WRONG_POSE, with_pose_of(question, stranger)),
            (WRONG_SOURCE, with_images_of(question, stranger)),
        ):
            row = clip_figures(self._answer(asked, speed), question, lengths)
            yield name, row | {"cost_db": own - row["psnr"]}
        reseeded = self._answer(question, speed, seed_offset=1)
        layout = figures.layout(reseeded, right)
        yield OTHER_SEED, clip_figures(reseeded, question, lengths) | layout

    def _mean_image(self, question: Task) -> Images | None:
        kind = question.world.kind if question.world else ""
        return mean_image(self._pipeline.package, kind)


def clip_figures(frames: Images, question: Task, lengths: tuple[int, ...]) -> dict[str, float]:
    """Every figure that needs nothing but the frames and the question."""
    truth = question.truth
    scores = figures.whole_clip(frames, truth)
    scores["sharpness"] = figures.sharpness(frames, truth)
    if question.visibility is not None:
        scores |= region_figures(frames, truth, question.visibility)
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


def pose_figures(frames: Images, question: Task) -> dict[str, float]:
    """Pose error at the middle frame, where the world is known."""
    if question.world is None:
        return {}
    k = len(frames) // 2
    rotation, translation = pose_error(
        frames[k],
        question.world.scene_at(question.source[k].stamp_ns),
        question.target.camera,
        question.target.world_from_cam[k],
        question.scene_scale,
    )
    return {"rotation_deg": rotation, "translation_m": translation}


def _facts(question: Task) -> dict[str, float]:
    frames, axes = float(len(question.truth)), question.between_axes_deg
    facts = {"frames": frames, "between_axes_deg": axes, "scene_scale": question.scene_scale}
    if (visibility := question.visibility) is not None:
        facts["overlap"] = float(visibility.covisible.mean())
        if visibility.remembered is not None:
            facts["remembered"] = float(visibility.remembered.mean())
            facts["keyframes"] = float(len(question.memory))
    return facts


def mean_image(package: ModelPackage, kind: str) -> Images | None:
    """(H, W, 3), the mean of the model's training clips, where its package has it."""
    for name in MEAN_IMAGES:
        file = package.path / name.format(kind=kind)
        if file.is_file():
            return np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), np.uint8)
    return None


def write_video(file: Path, question: Task, drawn: Images, source: Images) -> None:
    """source | generated | truth, at the pace of the stamps."""
    height, width = question.truth.shape[1:3]
    tile = (round(VIDEO_HEIGHT * width / height), VIDEO_HEIGHT)
    labels = [label(text, tile[0]) for text in ("source", "generated", "truth")]

    def side_by_side(k: int) -> Images:
        return grid([labels, [fitted(clip[k], *tile) for clip in (source, drawn, question.truth)]])

    size = side_by_side(0).shape
    with (
        whole_file(file) as partial,
        VideoWriter(partial, (size[1], size[0]), WORDS[MIXED]) as video,
    ):
        for k in range(len(drawn)):
            video.write(side_by_side(k), k * question.period_ns)


def _rounded(row: dict[str, float]) -> Row:
    return {k: round(v, DIGITS) if math.isfinite(v) else None for k, v in row.items()}

"""How good a model package is on held-out scenes, beside baselines that need no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import (
    DEFAULT_SPEED,
    MANIFEST,
    Contract,
    ModelPackage,
    sha256_of,
    write_manifest,
)
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.geometry import inverse
from anyview_ros.tools.metrics import psnr
from anyview_ros.training.scenes import MEAN_IMAGE, SceneConfig, SceneViews
from anyview_ros.training.store import SceneStore

SHEET = "sheet.png"
SOURCES, TARGETS = 2, 4  # views of a held-out scene, as in training
BASELINES = ("copy of the source", "training mean image", "mean colour of the source")
WRONG_POSE, WRONG_SOURCE = "wrong target pose", "source of another scene"
POSE_COST_DB, SOURCE_COST_DB = 1.0, 2.0


@dataclass(frozen=True)
class Example:
    """One question with its answer: what `target` sees while the source sees `source`.

    Args:
        truth: (T, H, W, 3) uint8.
    """

    source: Clip
    target: View
    truth: NDArray[np.uint8]


@dataclass(frozen=True)
class ScoreTable:
    """Mean PSNR in dB over clips of held-out scenes.

    Args:
        seeds: first and last + 1 of the worlds.
        clips: number of target clips.
        model: by speed.
        others: by the names in BASELINES, WRONG_POSE and WRONG_SOURCE; the wrong ones are the
            model at its default speed, asked with something that does not belong there.
    """

    seeds: tuple[int, int]
    clips: int
    model: dict[str, float]
    others: dict[str, float]

    def unmet(self) -> list[str]:
        """What a model must show to be one, and this one does not."""
        own = self.model[DEFAULT_SPEED]
        needed = {
            **dict.fromkeys(BASELINES, 0.0),
            WRONG_POSE: POSE_COST_DB,
            WRONG_SOURCE: SOURCE_COST_DB,
        }
        return [
            f"{own:.2f} dB must be more than {margin:g} dB above '{name}' ({self.others[name]:.2f})"
            for name, margin in needed.items()
            if not own - self.others[name] > margin
        ]

    def as_scores(self) -> dict[str, Any]:
        """The manifest's form."""
        return {
            "metric": "PSNR in dB, mean over the frames of held-out clips",
            "world_seeds": f"{self.seeds[0]}:{self.seeds[1]}",
            "clips": self.clips,
            "model": {k: round(v, 2) for k, v in self.model.items()},
            "others": {k: round(v, 2) for k, v in self.others.items()},
        }


def held_out(contract: Contract, world: str, first: int, last: int) -> SceneConfig:
    """Scenes of the worlds first .. last - 1, as the contract's clips are.

    Raises:
        AnyviewError: `invalid_seeds` for an empty range.
    """
    if not 0 <= first < last - 1:
        raise AnyviewError("invalid_seeds", f"seeds need at least two worlds, got {first}:{last}")
    return SceneConfig(
        world=world,
        first_seed=first,
        count=last - first,
        frames=contract.frames[0],
        frame_period=contract.frame_period,
        size=contract.sizes[0],
        sources=SOURCES,
        targets=TARGETS,
    )


def score_package(
    package: ModelPackage, store: SceneStore, on_clip: Callable[[int, int], None]
) -> ScoreTable:
    """Score a package on the scenes of `store`, which must be rendered."""
    pipeline, mean = Pipeline(package, "cpu"), mean_image(package)
    examples = [list(scene_examples(store[i])) for i in range(store.config.count)]
    total = sum(map(len, examples))
    rows: list[dict[str, float]] = []
    for index, scene in enumerate(examples):
        following = examples[(index + 1) % len(examples)]
        for example, other in zip(scene, following, strict=True):
            rows.append(score_example(pipeline, example, other, mean))
            on_clip(len(rows), total)
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    speeds = {speed: means.pop(speed) for speed in package.contract.sigmas}
    first = store.config.first_seed
    return ScoreTable((first, first + store.config.count), total, speeds, means)


def scene_examples(scene: SceneViews) -> Iterator[Example]:
    """The first source with each target that was drawn for it."""
    for view in range(SOURCES, SOURCES + TARGETS, SOURCES):
        yield Example(scene.clip(0), scene.view(view), scene.images[view])


def score_example(
    pipeline: Pipeline, example: Example, other: Example, mean: NDArray[np.uint8]
) -> dict[str, float]:
    """PSNR of the model at each speed, of the baselines, and of wrong questions.

    Args:
        other: an example of another scene.
        mean: (H, W, 3), mean image of the training clips.
    """

    def of(frames: NDArray[Any]) -> float:
        return clip_psnr(np.broadcast_to(frames, example.truth.shape), example.truth)

    def asked(source: Clip, target: View, speed: str = DEFAULT_SPEED) -> float:
        return of(pipeline.synthesize([source], target, SynthesisOptions(speed)).frames)

    images = example.source.images
    scores = {
        speed: asked(example.source, example.target, speed)
        for speed in pipeline.package.contract.sigmas
    }
    baselines = (images, mean, images.mean(axis=(0, 1, 2)))
    scores.update(zip(BASELINES, map(of, baselines), strict=True))
    scores[WRONG_POSE] = asked(example.source, moved_target(example, other))
    scores[WRONG_SOURCE] = asked(with_images(example.source, other.source.images), example.target)
    return scores


def clip_psnr(frames: NDArray[Any], truth: NDArray[np.uint8]) -> float:
    """Mean over frames, in dB, of (T, H, W, 3) in 0..255."""
    return float(np.mean([psnr(a / 255.0, b / 255.0) for a, b in zip(frames, truth, strict=True)]))


def moved_target(example: Example, other: Example) -> View:
    """The target of another scene, at the same place relative to this scene's source."""
    world_from_source = example.source.frames[0].world_from_cam
    source_from_other_world = inverse(other.source.frames[0].world_from_cam)
    poses = world_from_source @ source_from_other_world @ other.target.world_from_cam
    return View(other.target.camera, poses)


def with_images(clip: Clip, images: NDArray[np.uint8]) -> Clip:
    """The clip with other images at the same places and times."""
    pairs = zip(clip.frames, images, strict=True)
    return Clip(tuple(Frame(f.stamp_ns, image, f.camera, f.world_from_cam) for f, image in pairs))


def mean_image(package: ModelPackage) -> NDArray[np.uint8]:
    """(H, W, 3) RGB, the mean of the training clips, kept in the package as a baseline.

    Raises:
        AnyviewError: `no_mean_image` when the package has none.
    """
    image = cv2.imread(str(package.path / MEAN_IMAGE), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise AnyviewError("no_mean_image", f"{package.path} has no {MEAN_IMAGE} to compare with")
    return np.asarray(image, np.uint8)


def contact_sheet(package: ModelPackage, scenes: Sequence[SceneViews]) -> NDArray[np.uint8]:
    """A row for each example: source, virtual camera and truth at the first, middle, last frame."""
    pipeline, rows = Pipeline(package, "cpu"), []
    for example in (e for scene in scenes for e in scene_examples(scene)):
        virtual = pipeline.synthesize([example.source], example.target, SynthesisOptions()).frames
        count = len(virtual)
        shown = [0, count // 2, count - 1]
        clips = (example.source.images, virtual, example.truth)
        rows.append(np.concatenate([clip[k] for clip in clips for k in shown], axis=1))
    return np.concatenate(rows)


def write_sheet(package: ModelPackage, sheet: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(package.path / SHEET), np.ascontiguousarray(sheet[..., ::-1]))


def seal(package: ModelPackage, scores: dict[str, Any]) -> None:
    """Write the manifest again, with scores and the hash of every file that is there now."""
    files = sorted(f for f in package.path.iterdir() if f.is_file() and f.name != MANIFEST)
    hashes = {file.name: sha256_of(file) for file in files}
    write_manifest(package.path, replace(package.contract, files=hashes, scores=scores))

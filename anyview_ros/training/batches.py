"""Batches as a pure function of (config, step): which scenes, which views, which noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyview_ros.contract import Contract
from anyview_ros.engine import conditioning
from anyview_ros.engine.plane_sweep import Candidates, plane_sweep
from anyview_ros.engine.surfaces.composite import composite
from anyview_ros.training.augmentation import augment, mirror, relight, simulate_cameras
from anyview_ros.training.composites import Composer, Shown
from anyview_ros.training.config import MONOCULAR, Run, RunConfig, TrainingConfig
from anyview_ros.training.monocular import cut_views
from anyview_ros.training.scenes import SceneSet, SceneSetConfig, SceneViews

SIGMA_MAX = 80.0
LEVEL_MEAN, LEVEL_STD = -1.0, 1.4  # of log(sigma) below the highest noise level
KNOWN_NOISE = 0.3  # highest sigma of frames that are given
SHORT = 5  # frames of a short clip
ANY_SOURCE = 0.3  # share of scenes whose sources are any views, not first those of a rig


@dataclass(frozen=True)
class Batch:
    """G scenes with S sources and K targets each, scene by scene.

    Args:
        source, target: (G * S, 3, T, H, W) and (G * K, 3, T, H, W) in [-1, 1].
        source_rays, target_rays: (G * S, R, T', H', W') and (G * K, R, T', H', W').
        sweep: (P, T, H, W, 3) uint8 candidates of the plane sweep of each target, its composite
            last where the run has one; () without.
        marks: (P, 2, T', H', W') beside them.
        levels: (G * K, T') sigma of each latent frame.
        known: (G * K, T') bool, frames that are given; they have little noise or none, so that the
            network goes on from frames of its own making too.
        noise_seeds: G, of the noise itself, whose shape the codec knows.
    """

    source: Tensor
    source_rays: Tensor
    target: Tensor
    target_rays: Tensor
    sweep: tuple[Tensor, ...]
    marks: tuple[Tensor, ...]
    levels: Tensor
    known: Tensor
    noise_seeds: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        def moved(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(moved(part) for part in value)
            return value.to(device) if isinstance(value, Tensor) else value

        return Batch(*[moved(getattr(self, field.name)) for field in fields(self)])


@dataclass(frozen=True)
class Example:
    """Which views of a scene are sources and which are targets; what the targets show of them,
    where the run has composites."""

    scene: SceneViews
    sources: list[int]
    targets: list[int]
    shown: Shown | None = None

    def mirrored(self) -> Example:
        shown = None if self.shown is None else self.shown.mirrored()
        return replace(self, scene=mirror(self.scene), shown=shown)


def draw_batch(
    run: RunConfig,
    contract: Contract,
    stores: Mapping[str, SceneSet],
    step: int,
    share: tuple[int, int] = (0, 1),
    composer: Composer | None = None,
) -> Batch:
    """Draw the batch of a step: the same at every call, whatever was drawn before.

    Args:
        share: (i, n): every n-th scene from the i-th, for one of n processes.
        composer: of a run with composites.
    """
    training = run.training
    rng = np.random.default_rng([training.seed, step])
    drawn = draw_examples(rng, run, stores, step, share, composer)
    latent_frames = contract.latent.of(drawn.frames, *drawn.scenes.size)[1]
    shape = training.scenes_per_step, training.targets_per_scene, latent_frames
    levels, known = draw_levels(rng, shape, training)
    mine = slice(share[0], None, share[1])
    return collate(
        contract,
        drawn.examples,
        drawn.scenes.scene_scale,
        levels=levels[mine].flatten(0, 1),
        known=known[mine].flatten(0, 1),
        noise_seeds=drawn.noise_seeds,
    )


@dataclass(frozen=True)
class Question:
    """Which example a step asks for, and what it adds to it.

    Args:
        name: of the set of scenes, see `Stage.mixture`.
        index: of the scene.
        counts: of sources, and of frames.
        seed: of light, mirror, camera effects and noise; without composites also of the views.
    """

    name: str
    index: int
    counts: tuple[int, int]
    seed: int


def draw_questions(
    rng: np.random.Generator,
    run: Run,
    stores: Mapping[str, SceneSet],
    step: int,
    share: tuple[int, int],
) -> list[Question]:
    """Draw which examples a step is made of, or a process's share of it: all of one set.

    Args:
        rng: of the step.
        share: see `draw_batch`.
    """
    training = run.training
    name = draw_set_name(run, step, rng)
    config = stores[name.removesuffix(MONOCULAR)].config
    pool: NDArray[np.int64] = np.arange(training.pool(step, config.count))
    if run.one_example_a_scene:
        own = [counts_of(training, config.frames, index) for index in pool.tolist()]
        counts = own[int(rng.integers(len(pool)))]
        pool = pool[[each == counts for each in own]]
        chosen, seeds = _choose(rng, pool, training)
    else:
        sources = _draw_sources(rng, training)
        chosen, seeds = _choose(rng, pool, training)
        counts = sources, _draw_frames(rng, training, config.frames)
    mine = slice(share[0], None, share[1])
    return [
        Question(name, int(index), counts, int(seed))
        for index, seed in zip(chosen[mine], seeds[mine], strict=True)
    ]


@lru_cache(maxsize=2**17)
def counts_of(training: TrainingConfig, frames: int, index: int) -> tuple[int, int]:
    """Return the numbers of sources and of frames of a scene, where it has one example.

    Args:
        frames: of the scene.
    """
    rng = np.random.default_rng([training.seed, index, 0xC0175])
    return _draw_sources(rng, training), _draw_frames(rng, training, frames)


def _draw_sources(rng: np.random.Generator, training: TrainingConfig) -> int:
    return 1 + int(np.sum(rng.random() < np.cumprod(training.more_sources)))


def _draw_frames(rng: np.random.Generator, training: TrainingConfig, frames: int) -> int:
    return SHORT if rng.random() < training.short else frames


def _choose(
    rng: np.random.Generator, pool: NDArray[np.int64], training: TrainingConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the scenes of a step, and a seed for each."""
    few = len(pool) < training.scenes_per_step
    chosen = rng.choice(pool, training.scenes_per_step, replace=few)
    return chosen, rng.integers(2**62, size=len(chosen))


@dataclass(frozen=True)
class DrawnExamples:
    """The examples of a step, or of a process's share of it.

    Args:
        scenes: the set they are of.
        frames: T of each.
        noise_seeds: one an example.
    """

    scenes: SceneSetConfig
    frames: int
    examples: Sequence[Example]
    noise_seeds: tuple[int, ...]


def draw_examples(
    rng: np.random.Generator,
    run: Run,
    stores: Mapping[str, SceneSet],
    step: int,
    share: tuple[int, int],
    composer: Composer | None = None,
) -> DrawnExamples:
    """Draw the examples of a step: the same whatever was drawn before; arguments as
    `draw_questions`, and the composer of a run with composites."""
    questions = draw_questions(rng, run, stores, step, share)
    store = stores[questions[0].name.removesuffix(MONOCULAR)]
    examples = [draw_example(q, store, run.training, composer) for q in questions]
    frames = questions[0].counts[1]
    return DrawnExamples(store.config, frames, examples, tuple(q.seed for q in questions))


def draw_example(
    question: Question, store: SceneSet, training: TrainingConfig, composer: Composer | None = None
) -> Example:
    """Draw views of a scene in another light, and which of them are sources and targets.

    With composites a scene has one example, whatever the step: what its targets show takes long to
    find.
    """
    rng = np.random.default_rng(question.seed)
    if composer is None:
        scene = augment(rng, _cut_in_time(rng, store, question))
        example = _placed(rng, scene, store.config, question, training)
    else:
        example = composed_example(question, store, training, composer)
        example = replace(example, scene=relight(rng, example.scene))
        if rng.random() < 0.5:
            example = example.mirrored()
    if rng.random() < training.camera_effects:
        return replace(example, scene=simulate_cameras(rng, example.scene, example.sources))
    return example


def composed_example(
    question: Question, store: SceneSet, training: TrainingConfig, composer: Composer
) -> Example:
    """Return a scene's example, in its own light."""
    rng = np.random.default_rng([question.index, 0xC0135])
    scene = _cut_in_time(rng, store, question)
    example = _placed(rng, scene, store.config, question, training)
    scale = store.config.scene_scale
    shown = composer.shown(example.scene, example.sources, example.targets, scale)
    return replace(example, shown=shown)


def _cut_in_time(rng: np.random.Generator, store: SceneSet, question: Question) -> SceneViews:
    whole, frames = store[question.index], question.counts[1]
    return whole.cut(int(rng.integers(len(whole.stamps_ns) - frames + 1)), frames)


def _placed(
    rng: np.random.Generator,
    scene: SceneViews,
    config: SceneSetConfig,
    question: Question,
    training: TrainingConfig,
) -> Example:
    """Draw which views of a scene are sources and targets."""
    sources = question.counts[0]
    if question.name.endswith(MONOCULAR):
        cuts = sources + training.targets_per_scene - 1
        scene = cut_views(rng, scene, int(rng.integers(len(scene.cameras))), cuts)
        order = rng.permutation(len(scene.cameras))
    else:
        order = _order(rng, config, len(scene.cameras))
        # One view is left to be the target, also in the scene of the set that has the fewest:
        # all scenes of a step have as many sources.
        sources = min(sources, config.views - 1)
    # Again from the first where there are few.
    targets = np.resize(order[sources:], training.targets_per_scene)
    return Example(scene, order[:sources].tolist(), targets.tolist())


def collate(
    contract: Contract, examples: Sequence[Example], scene_scale: float, **others: Any
) -> Batch:
    """Return the tensors of examples; `others` are the fields of `Batch` that are drawn."""
    parts = [scene_tensors(contract, q.scene, q.sources, q.targets, scene_scale) for q in examples]
    source, source_rays, target, target_rays = (
        torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True)
    )
    depths = [scene_scale * depth for depth in contract.plane_sweep]
    swept = []
    for example in examples if depths else ():
        swept += candidates_of(contract, example, depths)
    return Batch(
        source,
        source_rays,
        target,
        target_rays,
        sweep=tuple(torch.from_numpy(candidates.images) for candidates in swept),
        marks=tuple(torch.from_numpy(candidates.marks) for candidates in swept),
        **others,
    )


def candidates_of(
    contract: Contract, example: Example, inverse_depths: Sequence[float]
) -> list[Candidates]:
    """Return the plane sweep of each target, with its composite where the run has one."""
    clips = [example.scene.clip(view) for view in example.sources]
    found = []
    for k, view in enumerate(example.scene.view(place) for place in example.targets):
        candidates = plane_sweep(clips, view, inverse_depths, contract.latent)
        if example.shown is not None:
            one_more = composite(example.shown.choices(k), clips, view, contract.latent)
            candidates = candidates.with_more(one_more)
        found.append(candidates)
    return found


def draw_set_name(run: Run, step: int, rng: np.random.Generator) -> str:
    """Draw the scene set of a step, one name of the stage's mixture."""
    mixture = run.stage(step).mixture
    shares = np.array(list(mixture.values()))
    return str(rng.choice(list(mixture), p=shares / shares.sum()))


def scene_tensors(
    contract: Contract,
    scene: SceneViews,
    sources: Sequence[int],
    targets: Sequence[int],
    scene_scale: float,
) -> tuple[NDArray[np.float32], ...]:
    """Return source video and rays, target video and rays of one scene, as in `Batch`."""
    anchor_from_world = conditioning.anchor(
        contract, scene.world_from_cam[sources[0]], scene.world_from_cam[targets[0]]
    )

    def rays(view: int) -> NDArray[np.float32]:
        anchor_from_cam = anchor_from_world @ scene.world_from_cam[view]
        return conditioning.unshuffle_rays(
            contract, scene.cameras[view], anchor_from_cam, scene_scale
        )[0]

    def video(views: Sequence[int]) -> NDArray[np.float32]:
        return np.concatenate([conditioning.video_tensor(scene.images[view]) for view in views])

    return (
        video(sources),
        np.concatenate([rays(view) for view in sources]),
        video(targets),
        np.concatenate([rays(view) for view in targets]),
    )


def draw_levels(
    rng: np.random.Generator, shape: tuple[int, int, int], training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Draw (G, K, T') noise levels, and which frames are known.

    A share of targets is at the highest level, the others are log-normal below it; the first
    latent frames of a share are known, half of those without any noise.
    """
    *targets, frames = shape
    sigma = np.exp(rng.normal(LEVEL_MEAN, LEVEL_STD, targets)).clip(max=0.99 * SIGMA_MAX)
    sigma[rng.random(targets) < training.pure_noise] = SIGMA_MAX
    given = rng.integers(1, frames, targets) * (rng.random(targets) < training.known)
    known = np.arange(frames) < given[..., None]
    small = rng.uniform(0, KNOWN_NOISE, targets) * (rng.random(targets) < 0.5)
    levels = np.where(known, np.minimum(small, sigma)[..., None], sigma[..., None])
    return torch.from_numpy(levels.astype(np.float32)), torch.from_numpy(known)


def _order(rng: np.random.Generator, config: SceneSetConfig, views: int) -> NDArray[np.int64]:
    """Draw an order of views of which the first are sources: mostly the rig's, if there is one."""
    if not config.sources or rng.random() < ANY_SOURCE:
        return rng.permutation(views)
    rig, free = np.arange(config.sources), np.arange(config.sources, config.views)
    return np.concatenate([rng.permutation(rig), rng.permutation(free)])

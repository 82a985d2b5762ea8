"""What each part of a run is worth: the run with one part changed, at the same small budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from anyview_ros.errors import AnyviewError
from anyview_ros.training.batches import SIGMA_MAX
from anyview_ros.training.config import MONOCULAR, RunConfig, Stage
from anyview_ros.training.scenes import SceneConfig

REFERENCE = "reference"


def variants(run: RunConfig, steps: int) -> dict[str, RunConfig]:
    """Return the run and its ablations (AnyView, arXiv 2601.16982, section 5), each of `steps`
    steps.

    Stages and pools shrink with the number of steps. A kind of supervision that is left out gives
    its share to the others of its stage.
    """
    reference = shortened(run, steps)
    one_level = replace(reference.training, pure_noise=1.0, known=0.0)
    made = {
        REFERENCE: reference,
        "without 2D": without(reference, lambda name: name.endswith(MONOCULAR)),
        "without 3D": without(reference, lambda name: _is_still(run, name)),
        "without 4D": without(reference, lambda name: _is_moving(run, name)),
        "without view conditioning": replace(
            reference,
            plane_sweep=(),
            composite="",
            network=replace(run.network, planes=0, rays=False),
        ),
        "one-step regressor": replace(
            reference, training=one_level, speeds={"exact": (SIGMA_MAX, 0.0)}
        ),
        "rays only": replace(
            reference, plane_sweep=(), composite="", network=replace(run.network, planes=0)
        ),
    }
    return {name: replace(variant, name=name) for name, variant in made.items()}


def shortened(run: RunConfig, steps: int) -> RunConfig:
    """Return the run with its stages and pools squeezed into `steps` steps."""
    share = steps / run.training.steps
    stages = tuple(replace(s, until=max(1, round(s.until * share))) for s in run.stages)
    pool_steps = max(1, round(run.training.pool_steps * share))
    training = replace(run.training, steps=steps, pool_steps=pool_steps)
    return replace(run, stages=stages, training=training)


def without(run: RunConfig, left_out: Callable[[str], bool]) -> RunConfig:
    """Return the run without the names of its mixtures for which `left_out` holds.

    A stage that would be empty takes the mixture of the next one that is not.

    Raises:
        AnyviewError: `nothing_left` when no stage has anything else.
    """
    remaining = [
        {name: share for name, share in stage.mixture.items() if not left_out(name)}
        for stage in run.stages
    ]
    if not any(remaining):
        raise AnyviewError("nothing_left", "the config's stages hold only what is to be left out")
    stages = [
        Stage(stage.until, mixture or _nearest(remaining, i))
        for i, (stage, mixture) in enumerate(zip(run.stages, remaining, strict=True))
    ]
    return replace(run, stages=tuple(stages))


def _nearest(mixtures: list[dict[str, float]], index: int) -> Mapping[str, float]:
    """Return the first mixture after `index` that holds something, else the last one before it."""
    later = [m for m in mixtures[index:] if m]
    return later[0] if later else [m for m in mixtures if m][-1]


def _is_still(run: RunConfig, name: str) -> bool:
    return not name.endswith(MONOCULAR) and not _is_moving(run, name)


def _is_moving(run: RunConfig, name: str) -> bool:
    if name.endswith(MONOCULAR):
        return False
    scenes = run.scenes[name]
    return not (isinstance(scenes, SceneConfig) and scenes.still)

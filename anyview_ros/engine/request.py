"""What a request asks of a model, and whether the model's contract allows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.contract import DEFAULT_SPEED, Contract
from anyview_ros.engine import sampler
from anyview_ros.engine.trust.uncertainty import check_samples
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, View


@dataclass(frozen=True)
class SynthesisOptions:
    """How to sample. Zero or empty means the package's default.

    Args:
        speed: `exact`, `fast` or `draft`, as far as the package has them.
        steps: calls of the denoiser, in place of the speed's own number.
        seed: makes the noise; 0 is a seed like any other.
        scene_scale: multiplies Plücker moments.
        uncertainty_samples: seeds whose spread is told, `seed` and those after it; 0 for none.
        depth: whether the depth of what is seen is told too; for packages with `sweep_weights`.
    """

    speed: str = ""
    steps: int = 0
    seed: int = 0
    scene_scale: float = 0.0
    uncertainty_samples: int = 0
    depth: bool = False


def check_request(
    contract: Contract, sources: Sequence[Clip], target: View, options: SynthesisOptions
) -> sampler.SamplerSettings:
    """How a request that the contract allows is sampled.

    Raises:
        AnyviewError: `invalid_sources`, `invalid_num_frames`, `unknown_speed`, `invalid_steps`,
            `invalid_scene_scale`, `no_depth` or `invalid_uncertainty_samples`.
    """
    if not 1 <= len(sources) <= contract.max_sources:
        raise AnyviewError(
            "invalid_sources",
            f"model '{contract.name}' takes 1..{contract.max_sources} sources, got {len(sources)}",
        )
    lengths = {len(target.world_from_cam), *map(len, sources)}
    if len(lengths) > 1 or not lengths <= set(contract.frames):
        raise AnyviewError(
            "invalid_num_frames",
            f"model '{contract.name}' takes clips of {_words(contract.frames)} frames, the same "
            f"for sources and target, got {_words(sorted(lengths))}",
        )
    if not (np.isfinite(options.scene_scale) and options.scene_scale >= 0):
        raise AnyviewError(
            "invalid_scene_scale", f"scene_scale must be positive, got {options.scene_scale}"
        )
    if options.depth and not contract.sweep_weights:
        raise AnyviewError(
            "no_depth",
            f"model '{contract.name}' does not say which surface a pixel shows (sweep_weights of "
            "its manifest), so it knows no depth: leave depth out, or take a package that has it",
        )
    check_samples(options.uncertainty_samples)
    return check_sampling(contract, options)


def check_known(contract: Contract, known: NDArray[np.uint8], target: View) -> None:
    """Whether the contract takes these first frames of a target.

    Raises:
        AnyviewError: `known_frames_unsupported`, or `invalid_known_frames` for a wrong number or
            size.
    """
    if not contract.known_frames:
        raise AnyviewError(
            "known_frames_unsupported",
            f"model '{contract.name}' was not trained to go on from given frames",
        )
    frames, time_factor = len(target.world_from_cam), contract.latent.time
    size = (target.camera.height, target.camera.width, 3)
    fits = 0 < len(known) < frames and (len(known) - 1) % time_factor == 0
    if known.shape[1:] != size or not fits:
        raise AnyviewError(
            "invalid_known_frames",
            f"known frames must be 1 + {time_factor} j, less than {frames}, of shape {size}, got "
            f"{known.shape}",
        )


def check_sampling(contract: Contract, options: SynthesisOptions) -> sampler.SamplerSettings:
    """What a speed and a number of steps ask for; errors as `check_request`."""
    speed = options.speed or DEFAULT_SPEED
    if speed not in contract.sigmas:
        raise AnyviewError(
            "unknown_speed",
            f"model '{contract.name}' has the speeds {_words(contract.sigmas)}, got '{speed}'",
        )
    if not 0 <= options.steps <= contract.max_steps:
        raise AnyviewError(
            "invalid_steps",
            f"model '{contract.name}' takes 1..{contract.max_steps} steps, got {options.steps}; "
            "0 means the speed's own number",
        )
    sigmas, own = contract.sigmas[speed], contract.sampled_by(speed)
    levels = sampler.schedule(sigmas, options.steps or len(sigmas) - 1)
    return sampler.SamplerSettings(levels, contract.solver_of(speed), own.reuse, own.temperature)


def _words(values: Iterable[object]) -> str:
    return " or ".join(str(value) for value in values)

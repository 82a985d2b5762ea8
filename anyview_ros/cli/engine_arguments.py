"""By what frames are made: options that `augment` and `cameras preview` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from anyview_ros.engine.onnx.providers import AUTO, ProviderChoice
from anyview_ros.packages import DEFAULT_MODEL

if TYPE_CHECKING:
    from anyview_ros.augment.settings import Model
    from anyview_ros.engine.pipeline import SynthesisOptions


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--provider",
        choices=get_args(ProviderChoice),
        default=AUTO,
        help="what the model runs on; auto: the fastest that this machine has",
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model package, a name or a path")
    add_provider(parser)
    parser.add_argument(
        "--speed",
        default="",
        help="exact, fast or draft, if the package has it; its default if not given",
    )
    parser.add_argument(
        "--steps", type=int, default=0, help="steps of the sampler; 0: those of the speed"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument(
        "--scene-scale",
        type=float,
        default=0.0,
        help="0.0625 on a road, 0.125 in a room; 0: the model's",
    )


def chosen_model(args: argparse.Namespace) -> Model:
    """Return what makes frames; its networks are not loaded yet.

    Raises:
        AnyviewError: those of `load_package` and `choose_provider`.
    """
    from anyview_ros.augment.model import find_model

    return find_model(args.model, args.provider)


def sampling_options(args: argparse.Namespace) -> SynthesisOptions:
    """Return how the sampler runs."""
    from anyview_ros.engine.pipeline import SynthesisOptions

    return SynthesisOptions(args.speed, args.steps, args.seed, args.scene_scale)

"""By what frames are made: options that `augment` and `cameras preview` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from anyview_ros.engine.onnx.providers import AUTO, ProviderChoice
from anyview_ros.packages import DEFAULT_MODEL

if TYPE_CHECKING:
    from anyview_ros.augment.settings import Model
    from anyview_ros.engine.pipeline import SynthesisOptions


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", default=DEFAULT_MODEL, help="package: a name, or a path")
    parser.add_argument(
        "--provider", choices=get_args(ProviderChoice), default=AUTO, help="auto: the fastest"
    )
    parser.add_argument("--speed", default="", help="exact, fast, draft, as the package has them")
    parser.add_argument("--steps", type=int, default=0, help="of the sampler; 0 = the speed's own")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument(
        "--scene-scale", type=float, default=0.0, help="about 1 over metres; 0 = the model's"
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

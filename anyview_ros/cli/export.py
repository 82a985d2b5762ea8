"""`anyview export CHECKPOINT|NAME ...`: trained or imported weights as a model package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anyview_ros.cli.bench import say
from anyview_ros.cli.waiting import waiting
from anyview_ros.errors import AnyviewError

if TYPE_CHECKING:
    from anyview_ros.contract import Contract
    from anyview_ros.model.checkpoint import Checkpoint
    from anyview_ros.model.joint.imported import Import

OF_IMPORTED: dict[str, object] = {
    "frames": 41,
    "size": "16:9",
    "exact_size": None,
    "precision": "fp32",
    "steps": 35,
    "frame_period": 0.1,
    "scene_scale": 1 / 16,
    "piece": 1,
    "table": False,
}

COMPARING = "making the graphs, comparing each with torch"
OF_SURFACES: dict[str, object] = {"into": None, "share": 1.0}
OF_PACKAGE: dict[str, object] = {"out": None, "name": "", "config": None}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights", help="latest.safetensors of a training run, or a name given to 'anyview import'"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the package; if not given models, or where the imported weights lie",
    )
    parser.add_argument("--name", default="", help="another name for the package")
    parser.add_argument(
        "--into", help="package to which a surface network is added, a name or a path"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of the new surface network's weights; the rest is of those that the package has",
    )
    trained = parser.add_argument_group("of a training run")
    trained.add_argument(
        "--config", type=Path, help="another config than the one in the checkpoint"
    )
    _add_imported(parser.add_argument_group("of imported weights, and of their students"))
    parser.set_defaults(**OF_IMPORTED)


def _add_imported(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", type=int, help="frames of a clip: 1 + 4k, up to 41")
    group.add_argument(
        "--size", help="shape of the camera: 16:9, 4:3, 1:1, or WIDTHxHEIGHT in pixels"
    )
    group.add_argument(
        "--exact-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="size of the network in pixels, multiples of 16; what suits the camera if not given",
    )
    group.add_argument(
        "--precision", choices=("fp32", "fp16", "bf16"), help="precision of the arithmetic"
    )
    group.add_argument("--steps", type=int, help="steps of the speed exact; a student has its own")
    group.add_argument("--frame-period", type=float, help="seconds between frames")
    group.add_argument("--scene-scale", type=float, help="0.0625 on a road, 0.125 in a room")
    group.add_argument("--piece", type=int, help="latent frames that are coded at a time; 0: all")
    group.add_argument(
        "--table",
        action="store_true",
        help="store the modulations, not their networks: smaller, but only the speed exact works",
    )


def run(args: argparse.Namespace) -> int:
    if not Path(args.weights).is_file():
        refuse(args, args.weights, {"config": None}, "a training run")
        refuse(args, args.weights, OF_SURFACES, "a run of family 'surfaces'")
        return _export_imported(args)
    from anyview_ros.model.checkpoint import read_checkpoint
    from anyview_ros.training.joint.config import is_joint
    from anyview_ros.training.surfaces.config import is_surfaces

    checkpoint = read_checkpoint(Path(args.weights))
    if is_surfaces(checkpoint.config):
        refuse(args, args.weights, {**OF_IMPORTED, **OF_PACKAGE}, "a package of its own")
        return _add_surfaces(args, checkpoint)
    refuse(args, args.weights, OF_SURFACES, "a run of family 'surfaces'")
    if is_joint(checkpoint.config):
        refuse(args, args.weights, {"config": None}, "a training run")
        refuse(args, args.weights, {"steps": OF_IMPORTED["steps"]}, "imported weights")
        return _export_student(args, checkpoint)
    refuse(args, args.weights, OF_IMPORTED, "imported weights")
    return _export_trained(args, checkpoint)


def refuse(args: argparse.Namespace, weights: str, others: dict[str, object], what: str) -> None:
    """Raise `wrong_option` where one is given that only other weights have a use for.

    Args:
        weights: that were given.
        others: what these options are when they are not given.
        what: whose they are.
    """
    if wrong := [name for name, usual in others.items() if getattr(args, name) != usual]:
        raise AnyviewError(
            "wrong_option",
            f"--{wrong[0].replace('_', '-')} is for {what}, and {weights} is none",
        )


def _export_trained(args: argparse.Namespace, checkpoint: Checkpoint) -> int:
    from dataclasses import replace

    from anyview_ros.training.config import parse_config, read_config
    from anyview_ros.training.package import package_run

    config = read_config(args.config) if args.config else parse_config(checkpoint.config)
    named = replace(config, name=args.name or config.name)
    folder = (args.out or Path("models")) / named.name
    with waiting(COMPARING):
        signature = package_run(folder, named, checkpoint)
    print(f"{folder}: step {checkpoint.step}, {_mebibytes(folder)} MiB, equal to torch")
    say(signature)
    return 0


def _add_surfaces(args: argparse.Namespace, checkpoint: Checkpoint) -> int:
    from anyview_ros.packages import find_package
    from anyview_ros.training.surfaces.config import parse_surfaces
    from anyview_ros.training.surfaces.package import package_surfaces

    if args.into is None:
        raise AnyviewError(
            "wrong_option",
            f"{args.weights} is no model but a part of one: name its package with --into, as in "
            "--into models/worlds-composite-10m",
        )
    folder = find_package(args.into)
    with waiting(COMPARING):
        config = parse_surfaces(checkpoint.config)
        signature = package_surfaces(folder, config, checkpoint, args.share)
    print(f"{folder}: surfaces of step {checkpoint.step} added, equal to torch")
    say(signature)
    return 0


def _export_imported(args: argparse.Namespace) -> int:
    from anyview_ros.model.joint.package import find_import

    contract = _contract(args, Path(args.weights).name)
    imported = find_import(args.weights)
    return _export_joint(args, imported, contract, args.out or imported.folder.parent)


def _export_student(args: argparse.Namespace, checkpoint: Checkpoint) -> int:
    from anyview_ros.training.joint.package import student_contract, student_weights

    weights = student_weights(Path(args.weights), checkpoint)
    contract = student_contract(_contract(args, weights.run.name), weights.run)
    return _export_joint(args, weights, contract, args.out or Path("models"))


def _contract(args: argparse.Namespace, weights: str) -> Contract:
    """Of a package of weights of that name, with the schedules of the release."""
    from anyview_ros.model.joint.export import joint_contract
    from anyview_ros.model.joint.package import package_name, size_of_camera
    from anyview_ros.model.joint.release import LICENCE

    height, width = args.exact_size or size_of_camera(args.size)
    clip = (args.frames, height, width)
    name = args.name or package_name(weights, clip, args.precision)
    return joint_contract(
        name, clip, args.scene_scale, LICENCE, args.steps, args.frame_period, args.precision
    )


def _export_joint(
    args: argparse.Namespace, weights: Import, contract: Contract, models: Path
) -> int:
    from anyview_ros.model.joint.package import package_import

    with waiting(COMPARING):
        made = package_import(weights, models, contract, args.piece, args.table)
    worst = max(made.differences.values(), default=None)
    print(
        f"{made.folder}: {_mebibytes(made.folder)} MiB, "
        + (f"{worst:.1e} from torch" if worst is not None else "not compared on this machine")
    )
    return 0


def _mebibytes(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 2**20:.1f}"

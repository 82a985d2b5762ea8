"""`anyview export CHECKPOINT|NAME ...`: trained or imported weights as a model package."""

from __future__ import annotations

import argparse
from pathlib import Path

from anyview_ros.errors import AnyviewError

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights", help="latest.safetensors of a training run, or a name given to 'anyview import'"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of packages: models, or where the imported weights lie"
    )
    parser.add_argument("--name", default="", help="of the package, in place of the one it gets")
    trained = parser.add_argument_group("of a training run")
    trained.add_argument("--config", type=Path, help="in place of the copy in the checkpoint")
    _add_imported(parser.add_argument_group("of imported weights"))
    parser.set_defaults(**OF_IMPORTED)


def _add_imported(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", type=int, help="of a clip: 1 + 4k, up to 41")
    group.add_argument("--size", help="of the camera: 16:9, 4:3, 1:1, or WIDTHxHEIGHT in pixels")
    group.add_argument(
        "--exact-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="of the network, multiples of 16, in place of what suits the camera",
    )
    group.add_argument("--precision", choices=("fp32", "fp16", "bf16"), help="of the arithmetic")
    group.add_argument("--steps", type=int, help="of the exact schedule")
    group.add_argument("--frame-period", type=float, help="seconds between frames")
    group.add_argument("--scene-scale", type=float, help="1/16 driving, 1/8 indoor, in decimals")
    group.add_argument("--piece", type=int, help="latent frames coded at a time; 0 = all")
    group.add_argument(
        "--table",
        action="store_true",
        help="store modulations, not their networks: smaller, for the exact schedule alone",
    )


def run(args: argparse.Namespace) -> int:
    trained = Path(args.weights).is_file()
    others = OF_IMPORTED if trained else {"config": None}
    if wrong := [name for name, usual in others.items() if getattr(args, name) != usual]:
        raise AnyviewError(
            "wrong_option",
            f"--{wrong[0].replace('_', '-')} is for "
            + ("imported weights" if trained else "a training run")
            + f", and {args.weights} is none",
        )
    return _export_trained(args) if trained else _export_imported(args)


def _export_trained(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from anyview_ros.model.checkpoint import read_checkpoint
    from anyview_ros.training.config import parse_config, read_config
    from anyview_ros.training.package import package_run

    checkpoint = read_checkpoint(Path(args.weights))
    config = read_config(args.config) if args.config else parse_config(checkpoint.config)
    named = replace(config, name=args.name or config.name)
    folder = package_run((args.out or Path("models")) / named.name, named, checkpoint)
    print(f"{folder}: step {checkpoint.step}, {_mebibytes(folder)} MiB, equal to torch")
    return 0


def _export_imported(args: argparse.Namespace) -> int:
    from anyview_ros.model.joint.export import joint_contract
    from anyview_ros.model.joint.package import (
        find_import,
        package_import,
        package_name,
        size_of_camera,
    )
    from anyview_ros.model.joint.release import LICENCE

    height, width = args.exact_size or size_of_camera(args.size)
    clip = (args.frames, height, width)
    name = args.name or package_name(Path(args.weights).name, clip, args.precision)
    contract = joint_contract(
        name, clip, args.scene_scale, LICENCE, args.steps, args.frame_period, args.precision
    )
    imported = find_import(args.weights)
    models = args.out or imported.folder.parent
    made = package_import(imported, models, contract, args.piece, args.table)
    worst = max(made.differences.values(), default=None)
    print(
        f"{made.folder}: {_mebibytes(made.folder)} MiB, "
        + (f"{worst:.1e} from torch" if worst is not None else "not compared on this machine")
    )
    return 0


def _mebibytes(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 2**20:.1f}"

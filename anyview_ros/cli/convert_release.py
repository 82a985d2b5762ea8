"""`anyview convert release FOLDER --clip T H W`: the released network as a model package."""

from __future__ import annotations

import argparse
from pathlib import Path

STEPS, CLIP = 35, (41, 304, 576)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="holds the three files of the release")
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder of packages")
    parser.add_argument("--name", default="anyview-2b", help="of the package")
    parser.add_argument(
        "--clip",
        type=int,
        nargs=3,
        default=CLIP,
        metavar=("T", "H", "W"),
        help="frames (1 + 4k) and size in pixels (multiples of 16) of source and target",
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of the exact schedule")
    parser.add_argument("--frame-period", type=float, default=0.1, help="seconds between frames")
    parser.add_argument(
        "--scene-scale", type=float, default=1 / 16, help="1/16 driving, 1/8 indoor, in decimals"
    )
    parser.add_argument(
        "--piece", type=int, default=1, help="latent frames coded at a time; 0 = all"
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="store modulations, not their networks: smaller, for the exact schedule alone",
    )


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from anyview_ros.model.joint.config import AUTOENCODERS, NETWORKS
    from anyview_ros.model.joint.export import export_joint_package, joint_contract
    from anyview_ros.model.joint.release import LICENCE, card, read_release

    frames, height, width = args.clip
    clip = (frames, height, width)
    contract = joint_contract(
        args.name, clip, args.scene_scale, LICENCE, args.steps, args.frame_period
    )
    model = read_release(args.folder, NETWORKS["anyview_dvs_2b"], AUTOENCODERS["cosmos_predict2"])
    model = replace(model, piece=args.piece, tabulated=args.table)
    folder = args.out / args.name
    export_joint_package(folder, contract, model)
    (folder / "README.md").write_text(card(args.name, clip, args.steps))
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 2**20:.1f} MiB, equal to torch")
    return 0

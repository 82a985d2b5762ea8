"""`anyview cameras preview BAG OUT.jpg --cameras FILE.yaml`: virtual cameras over the rig."""

from __future__ import annotations

import argparse
from pathlib import Path

from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.cli.engine_arguments import add_engine_arguments, chosen_model, sampling_options
from anyview_ros.cli.opened_bag import opened_bag
from anyview_ros.cli.printable import printable
from anyview_ros.errors import AnyviewError

KINDS = (".jpg", ".jpeg", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    text = "draw the cameras of a file over the rig, with a frame of each"
    preview = kinds.add_parser("preview", help=text, description=text)
    preview.add_argument("bag", type=Path, help="recording, as for augment; never changed")
    preview.add_argument("out", type=Path, help=f"picture to write: {', '.join(KINDS)}")
    preview.add_argument(
        "--cameras",
        type=Path,
        required=True,
        metavar="FILE.yaml",
        help="virtual cameras, as for augment",
    )
    preview.add_argument(
        "--at", type=float, default=0.0, metavar="S", help="seconds after the first image"
    )
    add_bag_arguments(preview, choice="--sources")
    add_engine_arguments(preview)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.augment.cameras_file import read_cameras_file
    from anyview_ros.augment.preview import Previewing
    from anyview_ros.augment.preview_picture import picture
    from anyview_ros.augment.requested import requested
    from anyview_ros.augment.settings import Settings
    from anyview_ros.media.provenance import MIXED, save_picture

    if args.out.suffix.lower() not in KINDS:
        raise AnyviewError(
            "invalid_picture", f"a picture ends in {', '.join(KINDS)}, got '{args.out}'"
        )
    model, settings = chosen_model(args), Settings(sampling_options(args))
    file = read_cameras_file(args.cameras, model.package.contract)
    options = bag_options(args, args.sources)
    with opened_bag(args.bag) as bag:
        found = requested(file, args.bag, bag, options, settings, model.package.contract)
        made = Previewing(found, settings, model).preview(args.at)
    for sample in found.samples:
        print(printable(str(sample)))
    for camera in made.virtual:
        print(printable(f"{camera.name}: {camera.caption}"))
    save_picture(picture(made, found.samples), args.out, MIXED)
    print(f"{len(made.virtual)} cameras at {made.stamp_ns / 1e9:.3f} s: {args.out}")
    return 0 if all(camera.image is not None for camera in made.virtual) else 1

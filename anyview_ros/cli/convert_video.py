"""`anyview convert video FILE --out DIR --hfov DEG`: 2D scenes for training."""

from __future__ import annotations

import argparse
from pathlib import Path

from anyview_ros.cli.convert_scenes import add_scene_arguments, folders_from, progress, report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, help="file that FFmpeg plays, or folder of images")
    parser.add_argument(
        "--hfov",
        type=float,
        required=True,
        metavar="DEG",
        help="horizontal field of view of the camera, degrees",
    )
    add_scene_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from anyview_ros.datasets.video_scenes import VideoShape, write_video_scenes
    from anyview_ros.media.video import open_footage

    folders = folders_from(args, args.video)
    shape = VideoShape(args.frames, args.longer_side, args.hfov)
    footage = open_footage(args.video, folders.notes.period_ns)
    with progress(folders, None) as advance:
        cut = write_video_scenes(footage, folders, shape, advance)
    for joint in cut.joints:
        print(f"{args.video}: {joint}")
    why = f"{cut.short} frames: in runs too short for {args.frames} frames {args.period:g} s apart"
    return report(folders, cut.scenes, [why] if cut.short else [])

"""What `convert bag` and `convert video` have in common: the scenes that they write."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.printable import printable
from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.datasets.scene_writer import IMAGES, SceneNotes
from anyview_ros.errors import AnyviewError


def add_scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder to write the scenes to")
    parser.add_argument(
        "--name", help="how the names of their folders begin; the input's name if not given"
    )
    parser.add_argument("--frames", type=int, default=41, help="frames of a scene: 1 + 4k")
    parser.add_argument("--period", type=float, default=0.1, help="seconds between frames")
    parser.add_argument(
        "--images", choices=IMAGES, default="jpg", help="format of the images; png loses nothing"
    )
    parser.add_argument(
        "--longer-side",
        type=int,
        default=0,
        help="shrink images to this many pixels; 0: keep their size",
    )
    parser.add_argument(
        "--scene-scale", type=float, default=1 / 16, help="0.0625 on a road, 0.125 in a room"
    )


def folders_from(args: argparse.Namespace, source: Path) -> SceneFolders:
    """Where the scenes of a source go.

    Raises:
        AnyviewError: `invalid_num_frames`, `invalid_parameter`.
    """
    if args.frames < 1 or args.frames % 4 != 1:
        raise AnyviewError(
            "invalid_num_frames", f"a scene has 1 + 4k frames (9, 41, ...), got {args.frames}"
        )
    for name in ("period", "scene_scale"):
        if not (math.isfinite(getattr(args, name)) and getattr(args, name) > 0):
            raise AnyviewError(
                "invalid_parameter", f"{name} must be positive, got {getattr(args, name)}"
            )
    name = args.name or source.resolve().stem
    notes = SceneNotes(name, args.scene_scale, round(args.period * 1e9), args.images)
    return SceneFolders(args.out, name, notes)


@contextmanager
def progress(folders: SceneFolders, frames: int | None) -> Iterator[Callable[[], object]]:
    """A progress bar; gives what to call after each frame.

    Args:
        frames: how many there will be, if known.
    """
    try:
        with tqdm(total=frames, unit="frame", file=sys.stderr, disable=None) as bar:
            yield bar.update
    except KeyboardInterrupt:
        complete = len(folders.written())
        print(f"interrupted; {complete} complete scenes are in {folders.out}", file=sys.stderr)
        raise


def report(folders: SceneFolders, scenes: int, reasons: Sequence[str]) -> int:
    """Say what became of it.

    Raises:
        AnyviewError: `no_complete_scene`.
    """
    why = "".join(f"\n  {reason}" for reason in reasons)
    if not scenes:
        raise AnyviewError(
            "no_complete_scene",
            "not one scene is complete; lower --frames, raise --period to that of the camera, or "
            f"mend what is named here. Left out:{why or ' nothing, it is too short'}",
        )
    print(printable(f"{scenes} scenes in {folders.out}" + (f"; left out:{why}" if why else "")))
    return 0

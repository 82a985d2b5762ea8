"""How the cameras of a recording are taken: options that `convert bag` and `augment` share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from anyview_ros.imaging.camera_info import Rectify

if TYPE_CHECKING:
    from anyview_ros.datasets.bag_choice import BagOptions


def add_bag_arguments(parser: argparse.ArgumentParser, choice: str) -> None:
    """Add the options.

    Args:
        choice: name of the option that says which cameras are taken.
    """
    parser.add_argument(
        choice,
        nargs="+",
        default=(),
        metavar="NAME",
        help="use only these cameras: front for /front/image_raw; all if not given",
    )
    parser.add_argument("--fixed-frame", default="odom", help="TF frame that does not move")
    parser.add_argument(
        "--rectify",
        choices=get_args(Rectify),
        default="auto",
        help="auto: rectify, unless the topic's name says rect; off: images are rectified already",
    )
    parser.add_argument(
        "--param",
        "-p",
        nargs="+",
        action="extend",
        metavar="CAMERA.NAME:=VALUE",
        help="set something of one camera: image_topic, camera_info_topic, rectify, "
        "frame_id (its optical frame) or camera_info_url (a calibration file)",
    )
    parser.add_argument(
        "--tf-topics",
        nargs="+",
        default=(),
        metavar="TOPIC",
        help="topics of the TF tree; if not given, those nearest above each camera's topic",
    )
    parser.add_argument(
        "--ignore-frames",
        nargs="+",
        default=(),
        metavar="FRAME",
        help="leave out the transforms of these frames",
    )


def bag_options(args: argparse.Namespace, cameras: Sequence[str]) -> BagOptions:
    """Return how the cameras are to be taken.

    Args:
        cameras: their names; empty = all.

    Raises:
        AnyviewError: `invalid_parameter`.
    """
    from anyview_ros.datasets.bag_choice import BagOptions, camera_options

    return BagOptions(
        tuple(cameras),
        args.fixed_frame,
        args.rectify,
        tuple(args.tf_topics),
        tuple(args.ignore_frames),
        camera_options(args.param or []),
    )

"""`anyview policy [IMAGE_TOPIC ...]`: what the node may do in a secured graph, for SROS2."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE_TOPIC",
        help="topics that the node takes images from, as /front/image_raw or "
        "/rear/image_raw/compressed; those of all cameras if not given",
    )
    parser.add_argument("--namespace", default="/", help="namespace of the node")
    parser.add_argument("--node", default="anyview", help="name of the node")
    parser.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="SERVICE",
        help="a service that the parameter back_pressure lets it call, as /rosbag2_player/pause; "
        "may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    from anyview_ros.node.access_policy import Access

    print(Access(tuple(args.images), tuple(args.call), args.namespace, args.node).policy())
    return 0

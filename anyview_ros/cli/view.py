"""`anyview view BAG`: a page on localhost with a bag's cameras and one that a mouse moves."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.engine.onnx.providers import ProviderChoice
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import DEFAULT_MODEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="rosbag2 folder, or one .mcap or .db3 file")
    add_bag_arguments(parser, choice="--cameras")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder of a package")
    parser.add_argument("--provider", default="auto", choices=get_args(ProviderChoice))
    parser.add_argument("--port", type=int, default=8080, help="of localhost; 0: any that is free")
    parser.add_argument(
        "--out", type=Path, default=Path("out/view"), help="folder for the YAML of cameras"
    )


def run(args: argparse.Namespace) -> int:
    if find_spec("viser") is None:
        raise AnyviewError(
            "viser_missing",
            "the page needs the library viser: call ./anyview view, which installs it, or "
            "pip install viser",
        )
    from anyview_ros.datasets.bag import Bag
    from anyview_ros.datasets.bag_cameras import bag_cameras
    from anyview_ros.datasets.scene_plan import plan_scenes
    from anyview_ros.engine.pipeline import Pipeline
    from anyview_ros.packages import find_package, load_package
    from anyview_ros.view.page import Page, check_port
    from anyview_ros.view.recording import Recording
    from anyview_ros.view.serving import serve
    from anyview_ros.view.virtual_view import Viewer
    from anyview_ros.view.wishes import Wishes

    options = bag_options(args, args.cameras)
    check_port(args.port)
    package = load_package(find_package(args.model))
    contract = package.contract
    with Bag(args.bag) as bag:
        print(f"reading the stamps of {args.bag} ...", flush=True)
        with tqdm(unit="image", disable=None) as bar:  # None: only on a terminal
            cameras = bag_cameras(bag, options, bar.update)
        for note in cameras.notes:
            print(note)
        period_ns = round(contract.frame_period * 1e9)
        plan = plan_scenes(cameras.by_name, max(contract.frames), period_ns)
        recording = Recording(bag, cameras, plan)
        print(f"{len(plan.scenes)} clips of {', '.join(recording.names)}", flush=True)
        viewer, wishes = Viewer(recording, Pipeline(package, args.provider)), Wishes()
        page = Page(args.port, viewer, wishes, args.fixed_frame, args.out)
        try:
            print(f"{page.url} (this machine only); Ctrl-C ends it", flush=True)
            serve(page, viewer, wishes)
        except KeyboardInterrupt:
            return 0
        finally:
            page.stop()
    return 0

"""`anyview view [BAG]`: a page on localhost with cameras and one that a mouse moves."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from anyview_ros.cli.bag_arguments import add_bag_arguments, bag_options
from anyview_ros.cli.engine_arguments import add_provider
from anyview_ros.cli.node import add_ros_arguments, use_profile
from anyview_ros.cli.opened_bag import opened_bag
from anyview_ros.cli.printable import printable
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import DEFAULT_MODEL

PORT = 8080
OF_BOTH, OF_NODE = ("bag", "port"), ("node", "ros_args")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bag",
        nargs="?",
        type=Path,
        help="rosbag2 folder, .mcap or .db3 file, or ROS 1 bag; if not given, a running node is "
        "shown",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        help="port of the page on this machine; 0: any that is free",
    )
    parser.add_argument(
        "--node", default="", help="name of a running node, where there are several"
    )
    add_ros_arguments(parser)
    add_bag_arguments(parser, choice="--cameras")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="model package for a bag, a name or a path"
    )
    add_provider(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("out/view"), help="folder for the YAML file of a camera"
    )


def run(args: argparse.Namespace) -> int:
    check_options(args)
    check_viser()
    from anyview_ros.demo.subprocesses import interrupt_once
    from anyview_ros.view.local_server import check_port

    check_port(args.port)
    interrupt_once()
    try:
        if args.bag is None:
            _view_node(args)
        else:
            _view_bag(args)
    except KeyboardInterrupt:
        return 0
    return 0


def check_options(args: argparse.Namespace) -> None:
    """Refuse what is for the other kind of view.

    Raises:
        AnyviewError: `wrong_option`.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    others = [name for name in vars(args) if name not in (*OF_BOTH, *OF_NODE)]
    refused, what = (OF_NODE, "a running node") if args.bag else (others, "a bag")
    for name in refused:
        if getattr(args, name) != parser.get_default(name):
            option = f"--{name.replace('_', '-')}"
            there = f"'{args.bag}' is a bag" if args.bag else "no bag is given"
            raise AnyviewError("wrong_option", f"{option} is for {what}, and {there}")


def check_viser() -> None:
    """Refuse to go on without the library behind the page.

    Raises:
        AnyviewError: `viser_missing`.
    """
    if find_spec("viser") is None:
        raise AnyviewError(
            "viser_missing",
            "the page needs the library viser: call ./anyview view, which installs it, or "
            "pip install 'viser>=1.1,<2' 'websockets>=15'",
        )


def say_address(url: str) -> None:
    print(f"{url} (this machine only); Ctrl-C ends it", flush=True)


def _view_node(args: argparse.Namespace) -> None:
    use_profile()
    from anyview_ros.demo.session import Session
    from anyview_ros.live_view.serving import connect, serve

    arguments = ["--ros-args", *args.ros_args] if args.ros_args else []
    with Session("anyview_view", arguments=arguments) as session:
        serve(connect(session, args.node), args.port, "", say_address)


def _view_bag(args: argparse.Namespace) -> None:
    from anyview_ros.datasets.bag_cameras import bag_cameras
    from anyview_ros.datasets.scene_plan import plan_scenes
    from anyview_ros.engine.pipeline import Pipeline
    from anyview_ros.packages import find_package, load_package
    from anyview_ros.view.page import Page
    from anyview_ros.view.recording import Recording
    from anyview_ros.view.serving import serve
    from anyview_ros.view.virtual_view import Viewer
    from anyview_ros.view.wishes import Wishes

    options = bag_options(args, args.cameras)
    package = load_package(find_package(args.model))
    contract = package.contract
    with opened_bag(args.bag) as bag:
        print(f"reading the stamps of {args.bag} ...", flush=True)
        with tqdm(unit="image", disable=None) as bar:  # None: only on a terminal
            cameras = bag_cameras(bag, options, bar.update)
        for note in cameras.notes:
            print(printable(note))
        period_ns = round(contract.frame_period * 1e9)
        plan = plan_scenes(cameras.by_name, max(contract.frames), period_ns)
        recording = Recording(bag, cameras, plan)
        names = printable(", ".join(recording.names))
        print(f"{len(plan.scenes)} clips of {names}", flush=True)
        viewer, wishes = Viewer(recording, Pipeline(package, args.provider)), Wishes()
        page = Page(args.port, viewer, wishes, args.fixed_frame, args.out)
        try:
            say_address(page.url)
            serve(page, viewer, wishes)
        finally:
            page.stop()

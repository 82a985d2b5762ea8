"""A demo to look at: the node and its robot go on until somebody ends them."""

from __future__ import annotations

from collections.abc import Callable

from anyview_ros.demo.demo import node_parameters, rig_parameters
from anyview_ros.demo.demo_cameras import scene_of
from anyview_ros.demo.harness import START_TIMEOUT_S, harness
from anyview_ros.demo.plan import DemoPlan
from anyview_ros.live_view.serving import connect, serve
from anyview_ros.packages import find_package, load_package

COMPILED = "a world's renderer is compiled the first time"


def run_viewed(plan: DemoPlan, port: int, begin: Callable[[str], None]) -> None:
    """Serve the page of a simulated robot, with a first virtual camera, until interrupted.

    Args:
        plan: 0 seconds are without end.
        port, begin: as of `serve`.

    Raises:
        AnyviewError: as `run_demo` before its first clip, and as `serve`.
    """
    contract = load_package(find_package(plan.model)).contract
    scene = scene_of(plan.source, contract.max_sources)
    camera = scene.cameras[-1]
    camera.rate = 1 / contract.frame_period
    plan.out.mkdir(parents=True, exist_ok=True)
    with harness("view_demo", plan.out, plan.domain) as processes:
        processes.start(
            node_parameters(plan, scene), rig_parameters(plan, contract.frame_period, readers=1)
        )
        node = connect(
            processes.session, "anyview", START_TIMEOUT_S, f"{COMPILED}; {processes.logs}"
        )
        processes.add(camera)
        serve(node, port, camera.name, begin)

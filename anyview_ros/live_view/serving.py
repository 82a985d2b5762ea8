"""Show a running node until interrupted, and do what people ask for on the page."""

from __future__ import annotations

from collections.abc import Callable

from anyview_ros.demo.session import Session
from anyview_ros.errors import AnyviewError
from anyview_ros.live_view.live_node import LiveNode
from anyview_ros.live_view.node_choice import Diagnostics, chosen_node
from anyview_ros.view.live_cameras import Add, Orders
from anyview_ros.view.live_page import LivePage
from anyview_ros.view.page_text import error_text

PERIOD_S = 0.2  # between two looks at the cameras
FIRST_S = 15.0  # a node speaks once a second, and draws cameras with their first images


def connect(session: Session, name: str, timeout_s: float = FIRST_S, logs: str = "") -> LiveNode:
    """Return a node that has drawn its first camera.

    Args:
        session: running.
        name: of the node; empty = the only one there is.
        logs: where to look, of a node that this process started.

    Raises:
        AnyviewError: `timeout`, `several_nodes`.
    """
    diagnostics = Diagnostics(session)
    node = LiveNode(session, diagnostics, chosen_node(session, diagnostics, name, timeout_s, logs))
    remedy = logs or "call 'anyview check', which looks for what is in the way"
    session.wait(node.wait_for_frustums, timeout_s, "the first image of a camera", remedy)
    return node


def serve(node: LiveNode, port: int, chosen: str, begin: Callable[[str], None]) -> None:
    """Serve the page of a node until interrupted.

    Args:
        port: as of `LivePage`.
        chosen: virtual camera that is chosen at first; empty = none.
        begin: called with the page's address.

    Raises:
        AnyviewError: `port_taken`; `child_ended` of a node that this process started.
    """
    orders = Orders()
    page = LivePage(port, orders, node.fixed_frame, node.depth_m())
    try:
        page.choose(chosen)
        begin(page.url)
        while True:
            serve_once(page, node, orders)
    finally:
        page.stop()


def serve_once(page: LivePage, node: LiveNode, orders: Orders) -> None:
    """Do what was asked for, and show what there is now; an error is told on the page."""
    try:
        for order in orders.take(PERIOD_S):
            node.follow(order)
            if isinstance(order, Add):
                page.choose(order.name)
        page.show(node.cameras(), node.images())
    except AnyviewError as error:
        if error.code == "child_ended":
            raise
        page.tell(error_text(error))

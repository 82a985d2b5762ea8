"""A page's server, on this machine alone, and what pages draw with. The home of websockets."""

from __future__ import annotations

import io
import math
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial

import numpy as np
import viser
import websockets.asyncio.server
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.imaging.resize import resize_image

HOST = "127.0.0.1"  # nobody on the network: the page has no password
OWN_ORIGIN = re.compile(r"http://(localhost|127\.0\.0\.1)(:[0-9]+)?")
TITLE = "AnyView"
SOURCE_COLOUR, VIRTUAL_COLOUR = (90, 170, 255), (255, 160, 40)
PANEL_WIDTH = 400  # pixels


class LocalServer(viser.ViserServer):  # type: ignore[misc]
    """A server that only this machine reaches.

    It never opens viser's tunnel to the internet, whoever asks for it.

    Args:
        port: 1 to 65535; 0 = any that is free.

    Raises:
        AnyviewError: `port_taken`, see `check_port`.
    """

    def __init__(self, port: int) -> None:
        with _silence(), _own_pages_only():
            super().__init__(HOST, port, label=TITLE, verbose=False)
        if port not in (0, self.get_port()):  # viser would take the next one
            self.stop()
            raise _taken(port, "it was taken meanwhile")

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://localhost:{self.get_port()}"

    def stop(self) -> None:
        """End the server, and the page's connections."""
        with _silence():
            super().stop()

    def request_share_url(self, verbose: bool = True) -> str | None:
        return None

    def draw_panel(self) -> None:
        """Lay out the panel beside the scene."""
        self.gui.configure_theme(
            control_width="large",
            dark_mode=True,
            show_logo=False,
            show_share_button=False,
            brand_color=VIRTUAL_COLOUR,
        )
        self.gui.set_panel_label(TITLE)
        self.gui.main_panel.dock_right()

    def draw_ground(self, name: str, middle: tuple[float, float], cell: float) -> None:
        """Draw the plane z = 0 of the frame that a name lies in, as a grid."""
        self.scene.add_grid(
            name,
            infinite_grid=True,
            position=(*middle, 0.0),
            cell_size=cell,
            cell_color=(45, 45, 45),
            section_size=5 * cell,
            section_color=(80, 80, 80),
            fade_distance=80 * cell,
        )


def check_port(port: int) -> None:
    """Refuse a port that cannot be listened on.

    Raises:
        AnyviewError: `invalid_parameter`, `port_taken`.
    """
    if not 0 <= port <= 65535:
        raise AnyviewError("invalid_parameter", f"port must be 0 to 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise _taken(port, str(error.strerror)) from None


def free_port(port: int) -> int:
    """Return a port if it can be listened on, else 0: any that is free."""
    try:
        check_port(port)
    except AnyviewError:
        return 0
    return port


@contextmanager
def _silence() -> Iterator[None]:
    """Keep off the terminal what viser says where it begins and ends, whatever it is asked."""
    with redirect_stdout(io.StringIO()):
        yield


@contextmanager
def _own_pages_only() -> Iterator[None]:
    """Refuse pages of other sites in the same browser, for servers begun meanwhile.

    A browser lets any page connect to any WebSocket; the server has to look at the origin, and
    viser gives no way to ask for it.
    """
    serve = websockets.asyncio.server.serve
    websockets.asyncio.server.serve = partial(serve, origins=[None, OWN_ORIGIN])
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve


def _taken(port: int, why: str) -> AnyviewError:
    return AnyviewError(
        "port_taken",
        f"port {port} of this machine cannot be listened on ({why}); end what listens there, or "
        "name another port (--port; 0: any that is free)",
    )


def place(node: viser.SceneNodeHandle, parent_from_node: NDArray[np.float64]) -> None:
    """Place a node of the scene in the one that it hangs in, by a (4, 4) transform."""
    x, y, z, w = quaternion_xyzw(parent_from_node)
    node.wxyz, node.position = (w, x, y, z), parent_from_node[:3, 3]


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image that fills the panel's width, at least."""
    height, width = image.shape[:2]
    factor = max(1.0, PANEL_WIDTH / width)
    return resize_image(image, (round(height * factor), round(width * factor)), "area")


def vertical_fov(camera: Camera) -> float:
    """Return it in radians."""
    return 2 * math.atan(0.5 * camera.height / camera.fy)


def shape(camera: Camera) -> dict[str, float]:
    """Return what viser calls the shape of a frustum."""
    return {"fov": vertical_fov(camera), "aspect": camera.width / camera.height}

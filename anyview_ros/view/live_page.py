"""The page of a running node: its cameras with their images, and virtual ones to be moved."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray

from anyview_ros.clips.placements import FramePose
from anyview_ros.geometry import inverse, rigid, transform_from_pose
from anyview_ros.view.live_cameras import Add, LiveCamera, Order, Orders, Remove, Steer
from anyview_ros.view.local_server import (
    SOURCE_COLOUR,
    VIRTUAL_COLOUR,
    LocalServer,
    enlarged,
    place,
)
from anyview_ros.view.page_text import plain_text

ASIDE = rigid(np.eye(3), (-1.0, 0.0, 0.0))  # in units of the frustums' depth: to the left
FOV_DEG = (20.0, 120.0)
FIRST_FOV_DEG, FIRST_RATE_HZ = 70, 10.0
SETTLE_S = 2.0  # after a step of the hand, until the node's word counts again
NONE = "-"
NO_IMAGE = np.zeros((96, 160, 3), np.uint8)
HINT = "Drag the arrows, squares and arcs of the orange camera that is chosen here."


class LivePage:
    """Serves the page, on this machine alone, until it is stopped.

    What people do on it becomes an order. One thread calls the methods.

    Args:
        port: 1 to 65535; 0 = any that is free.
        orders: where orders go.
        fixed_frame: the node's, by name.
        depth_m: of the frustums.

    Raises:
        AnyviewError: `port_taken`, see `check_port`.
    """

    def __init__(self, port: int, orders: Orders, fixed_frame: str, depth_m: float) -> None:
        self._orders, self._depth = orders, depth_m
        self._fixed_frame = fixed_frame
        self._cameras: Mapping[str, LiveCamera] = {}
        self._drawn: dict[str, tuple[Any, Any]] = {}  # frustum and label
        self._steered_s = -math.inf  # when the hand last moved the camera
        self._server = LocalServer(port)
        self._draw_scene()
        self._draw_panel()
        self._listen()

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return self._server.url

    def stop(self) -> None:
        """End the server, and the page's connections."""
        self._server.stop()

    def choose(self, name: str) -> None:
        """Choose a virtual camera, as soon as it is shown."""
        self._wanted = name

    def tell(self, text: str) -> None:
        """Say in the panel what happened, in Markdown."""
        self._told.content = text

    def show(self, cameras: Sequence[LiveCamera], images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Show all cameras there are, and the images that came since the last call.

        Args:
            images: (H, W, 3) RGB by `LiveCamera.key`.
        """
        before, self._cameras = self._cameras, {camera.key: camera for camera in cameras}
        with self._server.atomic():
            for key in set(self._drawn) - set(self._cameras):
                for handle in self._drawn.pop(key):
                    handle.remove()
            for camera in cameras:
                self._draw(camera)
            if list(before) != list(self._cameras):
                self._offer()
            self._stand_still()
            self._show_chosen(images)
            for key in self._drawn.keys() & images:
                self._drawn[key][0].image = images[key]

    def _draw_scene(self) -> None:
        scene, size = self._server.scene, self._depth
        scene.set_up_direction("+z")
        # The world moves below the first source, so that who looks at the page goes along.
        self._world = scene.add_frame("/world", show_axes=False)
        self._server.draw_ground("/world/ground", (0.0, 0.0), size)
        self._carrier = scene.add_frame("/world/carrier", show_axes=False)
        self._gizmo = scene.add_transform_controls(
            "/world/carrier/chosen", scale=1.5 * size, visible=False
        )
        self._frustum = scene.add_camera_frustum(
            "/world/carrier/chosen/frustum", 1.0, 1.5, scale=size, color=VIRTUAL_COLOUR
        )
        self._is_placed = False

    def _draw_panel(self) -> None:
        gui = self._server.gui
        self._server.draw_panel()
        self._wanted = ""
        self._picture = gui.add_image(NO_IMAGE, label="What it sees")
        self._says = gui.add_markdown("*waiting for cameras ...*")
        self._chosen = gui.add_dropdown("camera", [NONE])
        gui.add_markdown(HINT)
        self._told = gui.add_markdown("")
        with gui.add_folder("Add a virtual camera"):
            self._name = gui.add_text("name", "placed")
            self._parent = gui.add_dropdown(
                "moves with", [self._fixed_frame], hint="TF frame that carries the virtual camera"
            )
            self._fov = gui.add_slider("field of view [°]", *FOV_DEG, 1.0, FIRST_FOV_DEG)
            self._rate = gui.add_number("rate [Hz]", FIRST_RATE_HZ, min=0.1)
            self._add = gui.add_button("Add")
        self._remove = gui.add_button("Remove the chosen camera from the node")

    def _listen(self) -> None:
        """Connect what people do with what it causes, as in `Page`."""
        self._gizmo.on_update(self._drag)
        self._add.on_click(self._add_camera)
        self._remove.on_click(self._remove_camera)

    def _draw(self, camera: LiveCamera) -> None:
        path = f"/world/{'virtual' if camera.is_virtual else 'sources'}/{camera.name}"
        if camera.key not in self._drawn:
            colour = VIRTUAL_COLOUR if camera.is_virtual else SOURCE_COLOUR
            above = (0.0, -0.5 * self._depth, self._depth)
            scene = self._server.scene
            frustum = scene.add_camera_frustum(
                path, camera.fov, camera.aspect, scale=self._depth, color=colour
            )
            label = scene.add_label(
                f"{path}/name", camera.name, position=above, anchor="bottom-center"
            )
            self._drawn[camera.key] = frustum, label
        frustum = self._drawn[camera.key][0]
        frustum.fov, frustum.aspect = camera.fov, camera.aspect
        place(frustum, camera.world_from_cam)

    def _offer(self) -> None:
        """Let people choose among the cameras there are."""
        keys = sorted(self._cameras, key=lambda key: not self._cameras[key].is_virtual)
        chosen = self._chosen.value
        self._chosen.options = keys or [NONE]
        if chosen in keys:
            self._chosen.value = chosen
        carriers = [camera.pose.frame for camera in self._cameras.values() if not camera.is_virtual]
        parent, frames = self._parent.value, [*dict.fromkeys(carriers), self._fixed_frame]
        self._parent.options = frames
        self._parent.value = parent if self._is_placed and parent in frames else frames[0]

    def _stand_still(self) -> None:
        """Keep the first source where it is on the screen."""
        first = next(iter(self._cameras.values()), None)
        if first is None:
            return
        eye = first.world_from_cam[:3, 3]
        if not self._is_placed:
            self._is_placed, self._eye = True, eye
            ahead, up = first.world_from_cam[:3, 2], np.array([0.0, 0.0, 1.0])
            camera = self._server.initial_camera
            camera.position = eye + self._depth * (4 * up - 6 * ahead)
            camera.look_at = eye + self._depth * (4 * ahead - 0.5 * up)
        self._world.position = self._eye - eye

    def _show_chosen(self, images: Mapping[str, NDArray[np.uint8]]) -> None:
        if self._wanted in self._cameras:
            self._chosen.value, self._wanted = self._wanted, ""
        camera = self._cameras.get(self._chosen.value)
        steered = camera is not None and camera.steerable
        self._gizmo.visible = steered
        for key, (frustum, _) in self._drawn.items():
            frustum.visible = not (steered and key == self._chosen.value)
        if camera is None:
            return
        self._says.content = plain_text(camera.says)
        image = images.get(camera.key)
        if image is not None:
            self._picture.image = enlarged(image)
        if not steered:
            return
        if image is not None:
            self._frustum.image = image
        self._frustum.fov, self._frustum.aspect = camera.fov, camera.aspect
        place(self._carrier, camera.world_from_cam @ inverse(camera.pose.frame_from_cam))
        if time.monotonic() - self._steered_s > SETTLE_S:
            place(self._gizmo, camera.pose.frame_from_cam)

    def _order(self, order: Order) -> None:
        self.tell("")
        self._orders.put(order)

    async def _drag(self, event: viser.TransformControlsEvent) -> None:
        camera = self._cameras.get(self._chosen.value)
        if event.phase == "start" or camera is None or not camera.steerable:
            return
        self._steered_s = time.monotonic()
        w, *xyz = self._gizmo.wxyz
        pose = transform_from_pose(self._gizmo.position, (*xyz, w))
        self._order(Steer(camera.name, FramePose(camera.pose.frame, pose)))

    async def _add_camera(self, _: viser.GuiEvent) -> None:
        sources = [camera for camera in self._cameras.values() if not camera.is_virtual]
        if not sources:
            self.tell("**no_sources**: no camera is placed yet; wait for images and TF")
            return
        aside = ASIDE.copy()
        aside[:3, 3] *= self._depth
        world_from_new = sources[0].world_from_cam @ aside
        frame, world_from_frame = self._parent.value, np.eye(4)
        for source in sources:
            if source.pose.frame == frame:
                world_from_frame = source.world_from_cam @ inverse(source.pose.frame_from_cam)
        pose = FramePose(frame, inverse(world_from_frame) @ world_from_new)
        name, hfov = self._name.value, math.radians(self._fov.value)
        self._order(Add(name, pose, hfov, self._rate.value))

    async def _remove_camera(self, _: viser.GuiEvent) -> None:
        camera = self._cameras.get(self._chosen.value)
        if camera is None or not camera.is_virtual:
            self.tell("Only virtual cameras can be removed.")
            return
        self._order(Remove(camera.name))

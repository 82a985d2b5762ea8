"""The page: sources and a virtual camera in 3D, which a mouse moves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import viser
from numpy.typing import NDArray

from anyview_ros.clips.placements import FramePose
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Frame
from anyview_ros.geometry import inverse, transform_from_pose
from anyview_ros.view.camera_file import add_command, camera_fields, write_camera
from anyview_ros.view.local_server import (
    SOURCE_COLOUR,
    VIRTUAL_COLOUR,
    LocalServer,
    enlarged,
    place,
    shape,
    vertical_fov,
)
from anyview_ros.view.page_text import error_text, plain_text
from anyview_ros.view.virtual_view import Viewer, VirtualClip
from anyview_ros.view.wishes import Wish, Wishes

FRUSTUM = 0.0625  # size of a frustum in units of 1 / scene_scale: a metre at 1/16
ASIDE = (-1.0, 0.0, 0.0)  # where a virtual camera begins: a metre to the left of the first source
FOV_DEG = (20.0, 120.0)
NOT_YET = "*making the first view ...*"
HINT = "Drag the arrows, squares and arcs of the orange camera."


class Page:
    """Serves the page, on this machine alone, until it is stopped.

    What people do on it becomes a wish; what `Viewer` makes is shown by the thread that made it.

    Args:
        port: 1 to 65535; 0 = any that is free.
        viewer: whose recording is shown.
        wishes: where wishes go.
        fixed_frame: the recording's world by name.
        folder: where the files of cameras are written.

    Raises:
        AnyviewError: `port_taken`, see `check_port`.
    """

    def __init__(
        self, port: int, viewer: Viewer, wishes: Wishes, fixed_frame: str, folder: Path
    ) -> None:
        self._viewer, self._wishes, self._folder = viewer, wishes, folder
        self._recording, self._unit = viewer.recording, 1 / viewer.scene_scale
        self._seconds = self._recording.seconds()
        self._instant = 0
        own = [self._recording.frame_id(name) for name in self._recording.names]
        self._frames = [*dict.fromkeys(own), fixed_frame]
        self._server = LocalServer(port)
        self._draw_scene()
        self._draw_panel()
        self._listen()
        self._wish()

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return self._server.url

    def stop(self) -> None:
        """End the server, and the page's connections."""
        self._server.stop()

    def show_sources(self, frames: Mapping[str, Frame], carrier: NDArray[np.float64]) -> None:
        """Show what the sources saw at an instant, and bring the virtual camera's frame there.

        Args:
            frames: by camera.
            carrier: (4, 4) pose of the frame that the virtual camera moves with.
        """
        with self._server.atomic():
            eye = frames[self._recording.names[0]].world_from_cam[:3, 3]
            self._world.position = self._eye - eye
            place(self._carrier, carrier)
            for name, frame in frames.items():
                self._sources[name].image = frame.image
                self._seen[name].image = enlarged(frame.image)
                place(self._sources[name], frame.world_from_cam)

    def tell(self, text: str) -> None:
        """Say below the picture what happens, in Markdown."""
        self._status.content = text

    def show(self, made: VirtualClip, instant: int) -> None:
        """Show a frame of a virtual camera's clip."""
        k = self._recording.clip_of(instant).index(instant)
        image, camera = made.frames[k], made.view.camera
        with self._server.atomic():
            self._picture.image, self._frustum.image = enlarged(image), image
            self._frustum.fov = vertical_fov(camera)
            if len(made.depth):
                points, colours = made.surface(k)
                self._points.points, self._points.colors = points, colours
                place(self._points, made.view.world_from_cam[k])
            self.tell(
                f"**co-visibility {100 * made.seen[k]:.0f} %** · {made.speed}, "
                f"{made.seconds:.1f} s a clip of {len(made.frames)} frames · "
                f"from {plain_text(', '.join(made.sources))}"
            )

    def _draw_scene(self) -> None:
        scene, recording, size = self._server.scene, self._recording, FRUSTUM * self._unit
        scene.set_up_direction("+z")
        # The world moves below the first source, so that who looks at the page goes along.
        self._world = scene.add_frame("/world", show_axes=False)
        known = [recording.known(recording.names[0], k) for k in range(len(self._seconds))]
        self._eye = known[0].world_from_cam[:3, 3]
        ahead, up = known[0].world_from_cam[:3, 2], np.array([0.0, 0.0, 1.0])
        self._server.initial_camera.position = self._eye + size * (4 * up - 6 * ahead)
        self._server.initial_camera.look_at = self._eye + size * (4 * ahead - 0.5 * up)
        self._server.draw_ground("/world/ground", (self._eye[0], self._eye[1]), size)
        way = np.array([frame.world_from_cam[:3, 3] for frame in known])
        scene.add_line_segments(
            "/world/path", np.stack([way[:-1], way[1:]], axis=1), SOURCE_COLOUR, thickness=size / 20
        )
        self._sources = {}
        for name in recording.names:
            camera = recording.known(name, 0).camera
            self._sources[name] = scene.add_camera_frustum(
                f"/world/sources/{name}", **shape(camera), scale=size, color=SOURCE_COLOUR
            )
            top = (0.0, -0.5 * size, size)
            scene.add_label(
                f"/world/sources/{name}/name", name, position=top, anchor="bottom-center"
            )
        self._carrier = scene.add_frame("/world/carrier", show_axes=False)
        self._gizmo = scene.add_transform_controls("/world/carrier/virtual", scale=1.5 * size)
        self._gizmo.position = ASIDE
        camera = self._viewer.first_camera
        self._frustum = scene.add_camera_frustum(
            "/world/carrier/virtual/frustum", **shape(camera), scale=size, color=VIRTUAL_COLOUR
        )
        self._points = scene.add_point_cloud(
            "/world/seen", np.zeros((0, 3), np.float32), (0, 0, 0), point_size=size / 8
        )

    def _draw_panel(self) -> None:
        gui = self._server.gui
        self._server.draw_panel()
        camera = self._viewer.first_camera
        blank = np.zeros((camera.height, camera.width, 3), np.uint8)
        self._picture = gui.add_image(blank, label="The virtual camera")
        self._status = gui.add_markdown(NOT_YET)
        period = max(0.001, round(float(np.diff(self._seconds).min(initial=0.1)), 3))
        last = max(period, float(self._seconds[-1]))
        self._time = gui.add_slider("time [s]", 0.0, last, period, 0.0)
        fov = float(np.clip(math.degrees(_horizontal_fov(camera)), *FOV_DEG))
        self._fov = gui.add_slider("field of view [°]", *FOV_DEG, 1.0, round(fov))
        self._parent = gui.add_dropdown(
            "moves with", self._frames, hint="TF frame that carries the virtual camera"
        )
        self._surface = gui.add_checkbox("surfaces it sees, in 3D", True)
        gui.add_markdown(HINT)
        with gui.add_folder("Sources", expand_by_default=False):
            self._seen = {name: gui.add_image(blank, label=name) for name in self._recording.names}
        with gui.add_folder("Keep this camera"):
            self._name = gui.add_text("name", "dragged")
            self._write = gui.add_button("Write YAML")
            self._written = gui.add_markdown("")

    def _listen(self) -> None:
        """Connect what people do with what it causes.

        Coroutines: viser runs them in its event loop, one after the other, in the order of events.
        """
        self._carried_by = self._parent.value
        self._gizmo.on_update(self._drag)
        self._time.on_update(self._go_to)
        self._fov.on_update(self._zoom)
        self._parent.on_update(self._carry)
        self._surface.on_update(self._show_surface)
        self._write.on_click(self._write_camera)

    async def _drag(self, event: viser.TransformControlsEvent) -> None:
        if event.phase != "start":
            self._wish(dragging=event.phase == "update")

    async def _go_to(self, _: viser.GuiEvent) -> None:
        self._instant = int(np.argmin(np.abs(self._seconds - self._time.value)))
        self._wish()

    async def _zoom(self, _: viser.GuiEvent) -> None:
        self._wish()

    async def _show_surface(self, _: viser.GuiEvent) -> None:
        self._points.visible = self._surface.value

    def _pose(self) -> FramePose:
        """Return where the virtual camera is: the gizmo hangs in the frame that carries it."""
        w, *xyz = self._gizmo.wxyz
        return FramePose(self._carried_by, transform_from_pose(self._gizmo.position, (*xyz, w)))

    def _wish(self, dragging: bool = False) -> None:
        hfov = math.radians(self._fov.value)
        self._wishes.put(Wish(self._instant, self._pose(), hfov, dragging))

    async def _carry(self, _: viser.GuiEvent) -> None:
        """Hang the virtual camera into another frame; it stays where it is."""
        if self._parent.value == self._carried_by:
            return
        stamp_ns = self._recording.stamp_ns(self._instant)
        try:
            before = self._pose().world_from_cam(self._recording.world_from, stamp_ns)
            carrier = self._recording.world_from(self._parent.value, stamp_ns)
        except AnyviewError as error:
            self._parent.value = self._carried_by
            self.tell(error_text(error))
            return
        self._carried_by = self._parent.value
        with self._server.atomic():
            place(self._carrier, carrier)
            place(self._gizmo, inverse(carrier) @ before)
        self._wish()

    async def _write_camera(self, _: viser.GuiEvent) -> None:
        camera, hfov = self._viewer.first_camera, math.radians(self._fov.value)
        size = camera.width, camera.height
        try:
            fields = camera_fields(self._name.value, self._pose(), size, hfov)
            file = write_camera(self._folder, fields)
        except AnyviewError as error:
            self._written.content = error_text(error)
        else:
            self._written.content = (
                f"`{file}` is written, for `anyview augment --cameras`. To add it to a node:\n\n"
                f"```\n{add_command(fields)}\n```"
            )


def _horizontal_fov(camera: Camera) -> float:
    return 2 * math.atan(0.5 * camera.width / camera.fx)

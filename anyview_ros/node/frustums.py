"""What cameras see, drawn in rviz and Foxglove: a pyramid and a name for each, on `~/frustums`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.node.messages import pose_message
from anyview_ros.node.sources.camera_stream import CameraStream
from anyview_ros.node.virtual.virtual_cameras import VirtualCamera

TOPIC = "~/frustums"
PERIOD_S = 0.5
DEPTH = 1 / 16  # of a pyramid, in units of 1 / scene_scale: 1 m when driving
LINE, LETTERS = 0.03, 0.3  # width and height, of the depth
SOURCE, VIRTUAL = (0.2, 0.7, 1.0), (1.0, 0.6, 0.0)


@dataclass(frozen=True)
class DrawnCamera:
    """A camera and where it is.

    Args:
        frame_id: a frame of TF.
        frame_from_cam: (4, 4) of the rectified camera.
    """

    name: str
    is_virtual: bool
    frame_id: str
    camera: Camera
    frame_from_cam: NDArray[np.float64]


def drawn_cameras(
    streams: Mapping[str, CameraStream], cameras: Sequence[VirtualCamera]
) -> list[DrawnCamera]:
    """Return sources that sent an image, and virtual cameras whose intrinsics are known."""
    sources = {
        name: DrawnCamera(
            name=name,
            is_virtual=False,
            frame_id=frame,
            camera=info.camera,
            frame_from_cam=info.frame_from_cam,
        )
        for name, stream in streams.items()
        if (info := stream.latest_info) and (frame := stream.source_frame_id)
    }
    drawn = list(sources.values())
    for virtual, choice in ((camera.request, camera.choice) for camera in cameras):
        names = virtual.sources or (choice.names if choice else ()) or tuple(sources)
        first = sources.get(names[0]) if names else None
        camera = virtual.camera(first.camera) if first else virtual.intrinsics
        if camera:
            drawn.append(
                DrawnCamera(
                    name=virtual.name,
                    is_virtual=True,
                    frame_id=virtual.frame_id,
                    camera=camera,
                    frame_from_cam=np.eye(4),
                )
            )
    return drawn


def frustum_markers(drawn: DrawnCamera, depth_m: float) -> list[Marker]:
    """Return the pyramid of a camera up to a depth, and its name above it.

    They have stamp 0 and are locked to their frame: they follow it, by the newest transform.
    """
    camera = drawn.camera
    edges = ((-0.5, camera.width - 0.5), (-0.5, camera.height - 0.5))
    xs = [depth_m * (u - camera.cx) / camera.fx for u in edges[0]]
    ys = [depth_m * (v - camera.cy) / camera.fy for v in edges[1]]
    corners = [Point(x=xs[i], y=ys[j], z=depth_m) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    lines = []
    for k, corner in enumerate(corners):
        lines += [Point(), corner, corner, corners[(k + 1) % 4]]
    pyramid = _marker(drawn, 0, Marker.LINE_LIST)
    pyramid.scale.x = LINE * depth_m
    pyramid.points = lines
    name = _marker(drawn, 1, Marker.TEXT_VIEW_FACING)
    name.scale.z = LETTERS * depth_m
    above = (0.0, ys[0] - name.scale.z, depth_m)  # where names of neighbours are apart
    name.pose = pose_message(drawn.frame_from_cam @ rigid(np.eye(3), above))
    name.text = drawn.name
    return [pyramid, name]


def _marker(drawn: DrawnCamera, number: int, kind: int) -> Marker:
    colour = VIRTUAL if drawn.is_virtual else SOURCE
    marker = Marker(
        ns=f"{'virtual' if drawn.is_virtual else 'source'} {drawn.name}",
        id=number,
        type=kind,
        action=Marker.ADD,
        frame_locked=True,
        pose=pose_message(drawn.frame_from_cam),
        color=ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=1.0),
    )
    marker.header.frame_id = drawn.frame_id
    return marker


class Frustums:
    """Publishes the cameras as they are now, twice a second, if there are subscribers.

    Args:
        node: publishes.
        cameras: that are there.
        scene_scale: of the scene they see.
        clock: steady, so that a paused simulation is drawn too.
    """

    def __init__(
        self,
        node: Node,
        cameras: Callable[[], Sequence[DrawnCamera]],
        scene_scale: Callable[[], float],
        clock: Clock,
    ) -> None:
        self._cameras = cameras
        self._scene_scale = scene_scale
        self._shown: dict[tuple[str, int], Marker] = {}
        self._publisher = node.create_publisher(MarkerArray, TOPIC, 1)
        group = MutuallyExclusiveCallbackGroup()
        node.create_timer(PERIOD_S, self._publish, callback_group=group, clock=clock)

    def _publish(self) -> None:
        if not self._publisher.get_subscription_count():
            return
        depth_m = DEPTH / self._scene_scale()
        markers = [m for camera in self._cameras() for m in frustum_markers(camera, depth_m)]
        shown = {(marker.ns, marker.id): marker for marker in markers}
        removed = [
            Marker(header=marker.header, ns=marker.ns, id=marker.id, action=Marker.DELETE)
            for key, marker in self._shown.items()
            if key not in shown
        ]
        self._shown = shown
        self._publisher.publish(MarkerArray(markers=[*markers, *removed]))

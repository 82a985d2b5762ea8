"""What the demo films, and its virtual cameras, placed relative to what the rig carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyview_ros.demo.plan import SOURCES
from anyview_ros.geometry import look_at, rigid
from anyview_ros.media.stereo_pair import motorcycle
from anyview_ros.msg import VirtualCamera
from anyview_ros.node.messages import info_message, pose_message
from anyview_ros.node.simulation.rig_sources import (
    BASE_FRAME,
    STILL_CAMERA,
    VIDEO_CAMERA,
    optical_frame,
)
from anyview_ros.worlds.street.street import StreetWorld
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.table.table import TableWorld
from anyview_ros.worlds.table.table_rig import TABLE_RIG, around

SHIFT_M = 1.8


@dataclass(frozen=True)
class DemoScene:
    """A scene and the virtual cameras that show it.

    Args:
        source: name of the camera whose stamps all of them have.
        cameras: the virtual ones.
        scene_scale: of the node; 0 = the model's.
    """

    source: str
    cameras: tuple[VirtualCamera, ...]
    scene_scale: float = 0.0


def scene_of(source: str, most: int) -> DemoScene:
    """Return the scene of that name; for any other name, a video.

    Args:
        most: sources of a virtual camera, as many as the model takes; the first ones stay.

    Raises:
        AnyviewError: as `stereo_pair.motorcycle`.
    """
    scene = SCENES.get(source, beside_the_video)()
    for camera in scene.cameras:
        camera.sources = camera.sources[:most]
    return scene


def on_the_car() -> DemoScene:
    """Return a raised camera behind the car, and the front camera moved to the left."""
    front, *sides = STREET_RIG
    chase = look_at((-7.0, 0.0, 3.6), (8.0, 0.0, 0.6))
    to_the_left = rigid(np.eye(3), (0.0, SHIFT_M, 0.0)) @ front.link_from_cam
    cameras = (
        _camera("chase", BASE_FRAME, chase, front.name, *(side.name for side in sides)),
        _camera("shift_left", BASE_FRAME, to_the_left, front.name, *(side.name for side in sides)),
    )
    return DemoScene(front.name, cameras, StreetWorld.scene_scale)


def over_the_table() -> DemoScene:
    """Return a camera straight above the table, and one a quarter of the way around it."""
    front, side = TABLE_RIG[:2]  # the wrist's moves with the arm, which hides the table from it
    above = look_at((0.4, 0.0, 1.05), (0.42, 0.0, 0.0))
    aside = around(np.radians(95.0), np.radians(35.0), 0.9, (0.42, 0.0, 0.1))
    cameras = (
        _camera("above", BASE_FRAME, above, front.name, side.name),
        _camera("aside", BASE_FRAME, aside, front.name, side.name),
    )
    return DemoScene(front.name, cameras, TableWorld.scene_scale)


def right_eye() -> DemoScene:
    """Return the camera of the other picture of a stereo pair."""
    pair = motorcycle()
    parent = optical_frame(STILL_CAMERA)
    camera = _camera("right", parent, pair.left_from_right, STILL_CAMERA)
    camera.camera_info = info_message(pair.right_camera, 0, "")
    return DemoScene(STILL_CAMERA, (camera,))


def beside_the_video() -> DemoScene:
    """Return a raised camera a little behind the real one, and one to its left; in its optical
    frame."""
    frame = optical_frame(VIDEO_CAMERA)
    raised = look_at((0.0, -1.5, -1.0), (0.0, 0.8, 10.0), up=(0.0, -1.0, 0.0))
    to_the_left = rigid(np.eye(3), (-SHIFT_M, 0.0, 0.0))
    cameras = (
        _camera("raised", frame, raised, VIDEO_CAMERA),
        _camera("shift_left", frame, to_the_left, VIDEO_CAMERA),
    )
    return DemoScene(VIDEO_CAMERA, cameras)


SCENES: Mapping[str, Callable[[], DemoScene]] = dict(
    zip(SOURCES, (on_the_car, over_the_table, right_eye), strict=True)
)


def _camera(
    name: str, parent: str, parent_from_cam: NDArray[np.float64], *sources: str
) -> VirtualCamera:
    """Return a camera with the first source's size and field of view."""
    pose = pose_message(parent_from_cam)
    return VirtualCamera(name=name, parent_frame=parent, pose=pose, sources=sources)

"""The picture of docs/operation.md: the markers of `~/frustums`, drawn into a rendered street.

python -m benchmarks.frustum_picture [--seed 0] [--out docs/images/frustums.jpg]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from visualization_msgs.msg import Marker

from anyview_ros.frames import Camera
from anyview_ros.geometry import inverse, look_at
from anyview_ros.robot.frustums import DEPTH, DrawnCamera, frustum_markers
from anyview_ros.worlds.raycast import render
from anyview_ros.worlds.rigs import BASE
from anyview_ros.worlds.world import make_world

STAMP_NS = 8_000_000_000
SIZE, FIELD_OF_VIEW = (1120, 560), 1.0
EYE, POINT = (-7.0, 4.0, 5.2), (1.5, 0.0, 1.0)  # of the viewer, in the vehicle's base
LARGER = 1.6  # than in rviz, where one can go nearer
NEAR_M = 0.05

Pose = NDArray[np.float64]


def pixels(points: NDArray[np.float64], camera: Camera) -> NDArray[np.int32]:
    """(N, 2) in sixteenths of a pixel, of (N, 3) in front of the viewer."""
    x, y, z = points.T
    at = np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], axis=1)
    return np.asarray(np.rint(16 * at), np.int32)


def draw(
    image: NDArray[np.uint8], viewer: Camera, viewer_from_cam: Pose, markers: list[Marker]
) -> None:
    """Lines and names in place; the markers stand at the camera's optical frame."""
    pyramid, name = markers
    colour = [round(255 * c) for c in (pyramid.color.r, pyramid.color.g, pyramid.color.b)]
    ends = np.array([(p.x, p.y, p.z, 1.0) for p in pyramid.points]) @ viewer_from_cam.T
    if ends[:, 2].min() < NEAR_M:
        return
    for start, end in pixels(ends[:, :3], viewer).reshape(-1, 2, 2):
        cv2.line(image, start.tolist(), end.tolist(), colour, 2, cv2.LINE_AA, shift=4)
    place = (pixels(ends[:1, :3], viewer)[0] // 16 + (-14, -8)).tolist()
    for ink, stroke in (((0, 0, 0), 5), (colour, 2)):
        cv2.putText(
            image, name.text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, stroke, cv2.LINE_AA
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="which street")
    parser.add_argument("--out", type=Path, default=Path("docs/images/frustums.jpg"))
    arguments = parser.parse_args()
    world = make_world("street", arguments.seed)
    world_from_base = world.world_from_link(BASE, STAMP_NS)
    viewer = Camera.from_fov(*SIZE, FIELD_OF_VIEW)
    viewer_from_base = inverse(look_at(EYE, POINT))
    image = render(world.scene_at(STAMP_NS), viewer, world_from_base @ inverse(viewer_from_base))
    shift = np.eye(4)
    shift[0, 3] = -1.0
    front = next(camera for camera in world.rig if camera.name == "front")
    cameras = [(c.name, False, c.camera, c.link_from_cam) for c in world.rig]
    cameras += [
        ("left_shift", True, front.camera, front.link_from_cam @ shift),
        ("chase", True, Camera.from_fov(256, 144, 1.2), look_at((-3.0, 0.0, 3.2), (6.0, 0.0, 0.0))),
    ]
    for name, is_virtual, camera, base_from_cam in cameras:
        drawn = DrawnCamera(name, is_virtual, "", camera, np.eye(4))
        markers = frustum_markers(drawn, LARGER * DEPTH / world.scene_scale)
        draw(image, viewer, viewer_from_base @ base_from_cam, markers)
    Image.fromarray(image).save(arguments.out, quality=88)


if __name__ == "__main__":
    main()

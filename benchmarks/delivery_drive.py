"""A recording to fine-tune on: a street that wears photographs no model has seen, and a rig that
no model was trained for. Needs rclpy, and the photographs of docs/worlds.md.

    python -m benchmarks.delivery_drive drive [--seconds 75] [--seed 700000]

Three cameras of a delivery van, 2.6 to 2.9 m high, tilted to the road and rolled, with wide
lenses that bend (`plumb_bob`), at 10 Hz as jpeg; TF at 20 Hz. `anyview convert bag` takes it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, CompressedImage

from anyview_ros.demo.definitions import Definitions
from anyview_ros.frames import Camera
from anyview_ros.node.messages import info_message, time_message
from anyview_ros.node.simulation.rig_sources import Link, optical_frame
from anyview_ros.node.simulation.sim_rig import tf_message
from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.photographed import PhotographedWorld
from anyview_ros.worlds.photographs import read_photographs
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.rigs import BASE, mounted, rolled
from anyview_ros.worlds.world import make_world

START_NS, PERIOD_NS, TF_PERIOD_NS = 2_000_000_000, 100_000_000, 50_000_000
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]


@dataclass(frozen=True)
class LensCamera:
    """A camera of the van.

    Args:
        name: of its topics.
        base_from_cam: (4, 4).
        raw: of the image as it arrives, but for its distortion.
        distortion: k1, k2, p1, p2, k3.
    """

    name: str
    base_from_cam: NDArray[np.float64]
    raw: Camera
    distortion: tuple[float, ...]

    @cached_property
    def around(self) -> Camera:
        """The pinhole camera that sees all that the lens does."""
        return Camera.from_fov(448, 280, np.radians(110.0))

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """Return (H, W, 2): where in `around` each pixel that arrives is found."""
        rows, columns = np.indices((self.raw.height, self.raw.width), np.float32)
        pixels = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2)
        rays = cv2.undistortPoints(pixels, self.raw.matrix, np.array(self.distortion))
        found = rays.reshape(self.raw.height, self.raw.width, 2)
        found = found * (self.around.fx, self.around.fy) + (self.around.cx, self.around.cy)
        inside = (found >= 0) & (found <= (self.around.width - 1, self.around.height - 1))
        assert inside.all(), f"{self.name}: {(1 - inside.mean()):.1%} outside"
        return found.astype(np.float32)

    def picture(self, scene: Any, world_from_base: NDArray[np.float64]) -> NDArray[np.uint8]:
        seen = render(scene, self.around, world_from_base @ self.base_from_cam)
        bent = cv2.remap(seen, self.places, None, cv2.INTER_LINEAR)  # type: ignore[call-overload]
        return np.asarray(bent, np.uint8)

    def info(self, stamp_ns: int) -> CameraInfo:
        info = info_message(self.raw, stamp_ns, optical_frame(self.name))
        info.d = list(self.distortion)
        return info


def van() -> tuple[LensCamera, ...]:
    """Return the cameras: ahead, and 38 degrees to each side."""

    def camera(name: str, place: tuple[float, float, float], yaw: float, roll: float) -> LensCamera:
        pose = mounted(place, np.radians(yaw), np.radians(-13.0)) @ rolled(np.radians(roll))
        raw = Camera(320, 180, 168.0, 168.4, 161.0, 87.5)
        return LensCamera(name, pose, raw, (-0.20, 0.035, 0.0006, -0.0004, -0.002))

    return (
        camera("ahead", (2.4, 0.1, 2.9), 0.0, 1.5),
        camera("left", (2.2, 1.0, 2.6), 38.0, -2.5),
        camera("right", (2.2, -1.0, 2.6), -38.0, 2.0),
    )


def messages(seed: int, seconds: float) -> Iterator[tuple[int, str, Any]]:
    """Yield (stamp, topic, message) of the drive in order of time."""
    pictures = read_photographs(tuple(PACKAGES), held_out=True)
    world = PhotographedWorld(make_world("street", seed), pictures, 1.0)
    cameras = van()
    fixed = [Link("base_link", optical_frame(c.name), c.base_from_cam) for c in cameras]
    yield START_NS - PERIOD_NS, "/tf_static", tf_message(fixed, 0)
    for stamp in range(START_NS - PERIOD_NS, START_NS + round(seconds * 1e9), TF_PERIOD_NS):
        world_from_base = world.world_from_link(BASE, stamp)
        yield stamp, "/tf", tf_message((Link("odom", "base_link", world_from_base),), stamp)
        if stamp < START_NS or (stamp - START_NS) % PERIOD_NS:
            continue
        scene = world.scene_at(stamp)
        for camera in cameras:
            yield stamp, f"/{camera.name}/camera_info", camera.info(stamp)
            image = camera.picture(scene, world_from_base)
            yield stamp, f"/{camera.name}/image_raw/compressed", _jpeg(image, stamp, camera.name)


def write(path: Path, seed: int, seconds: float) -> None:
    """Write the bag."""
    definitions, connections = Definitions(), {}
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for stamp, topic, message in messages(seed, seconds):
            if topic not in connections:
                package, name = type(message).__module__.split(".")[0], type(message).__name__
                kind = f"{package}/msg/{name}"
                definitions.learn(kind)
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=definitions.typestore
                )
            writer.write(connections[topic], stamp, serialize_message(message))


def _jpeg(image: NDArray[np.uint8], stamp_ns: int, camera: str) -> CompressedImage:
    message = CompressedImage(format="rgb8; jpeg compressed bgr8")
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = optical_frame(camera)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), JPEG)[1]
    message.data = encoded.tobytes()
    return message


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the bag")
    parser.add_argument("--seconds", type=float, default=75.0, help="how long (75)")
    parser.add_argument("--seed", type=int, default=700_000, help="of the street (700000)")
    arguments = parser.parse_args()
    write(arguments.out, arguments.seed, arguments.seconds)


if __name__ == "__main__":
    main()

"""A small recording of a rig whose every image, camera and pose is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from sensor_msgs.msg import CompressedImage

from anyview_ros.demo.definitions import Definitions
from anyview_ros.frames import Camera
from anyview_ros.geometry import BODY_FROM_OPTICAL, rigid
from anyview_ros.node.messages import image_message, info_message, time_message
from anyview_ros.node.simulation.rig_sources import Link
from anyview_ros.node.simulation.sim_rig import tf_message
from tests.datasets.recording import type_name
from tests.media.pictures import ramp

MS = 1_000_000
CAMERA = Camera(64, 48, 50.0, 51.0, 31.0, 24.5)
FIRST_NS = 10_000 * MS
BASE_FROM_FRONT = rigid(np.eye(3), (1.0, 0.0, 1.5)) @ BODY_FROM_OPTICAL
BASE_FROM_LEFT = rigid([[0, -1, 0], [1, 0, 0], [0, 0, 1]], (0.5, 0.4, 1.5)) @ BODY_FROM_OPTICAL

Recorded = tuple[int, str, Any]  # log time, topic, message


def world_from_base(stamp_ns: int) -> NDArray[np.float64]:
    """Ahead along x at 5 m/s, so that poses between two transforms are exact."""
    return rigid(np.eye(3), (5e-9 * stamp_ns, 0.0, 0.0))


@dataclass
class RigCameraRecording:
    """What one camera recorded; a test changes it before the bag is written."""

    name: str
    base_from_cam: NDArray[np.float64]
    stamps_ns: list[int]
    compressed: bool = False
    compression: str = "png"
    camera: Camera = CAMERA
    picture: Callable[[int, Camera], NDArray[np.uint8]] = ramp
    with_info: bool = True
    change_image: Callable[[int, Any], None] = lambda stamp_ns, message: None
    change_info: Callable[[int, Any], None] = lambda stamp_ns, message: None

    def messages(self) -> Iterable[Recorded]:
        topic = f"/{self.name}/image_raw" + ("/compressed" if self.compressed else "")
        for k, stamp in enumerate(self.stamps_ns):
            image = self._image(k, stamp)
            self.change_image(stamp, image)
            yield stamp, topic, image
            info = info_message(self.camera, stamp, f"{self.name}_optical")
            self.change_info(stamp, info)
            if self.with_info:
                yield stamp + 1, f"/{self.name}/camera_info", info

    def _image(self, k: int, stamp: int) -> Any:
        pixels = self.picture(k, self.camera)
        if not self.compressed:
            return image_message(pixels, stamp, f"{self.name}_optical")
        message = CompressedImage(format=f"rgb8; {self.compression} compressed bgr8")
        message.header.stamp = time_message(stamp)
        message.header.frame_id = f"{self.name}_optical"
        message.data = self._compressed(pixels)
        return message

    def _compressed(self, pixels: NDArray[np.uint8]) -> bytes:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        return bytes(cv2.imencode(f".{self.compression}", bgr)[1].tobytes())


def stamps(count: int, start_ns: int = FIRST_NS, period_ns: int = 100 * MS) -> list[int]:
    return [start_ns + k * period_ns for k in range(count)]


@dataclass
class RigRecording:
    """Front (raw) and left (compressed, 20 ms later), and TF every 50 ms."""

    front: RigCameraRecording = field(
        default_factory=lambda: RigCameraRecording("front", BASE_FROM_FRONT, stamps(20))
    )
    left: RigCameraRecording = field(
        default_factory=lambda: RigCameraRecording(
            "left", BASE_FROM_LEFT, stamps(20, FIRST_NS + 20 * MS), compressed=True
        )
    )
    transforms_ns: list[int] = field(
        default_factory=lambda: stamps(50, FIRST_NS - 95 * MS, 50 * MS)
    )
    storage: StoragePlugin = StoragePlugin.MCAP
    version: Literal[8, 9] = 9
    compression: CompressionMode | None = None
    extra: list[Recorded] = field(default_factory=list)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)  # topic: type, definition
    renamed: Callable[[str], str] = lambda topic: topic  # empty: the topic is left out

    def messages(self) -> list[Recorded]:
        """In the order of recording."""
        fixed = [
            Link("base_link", f"{camera.name}_optical", camera.base_from_cam)
            for camera in (self.front, self.left)
        ]
        recorded: list[Recorded] = [(0, "/tf_static", tf_message(fixed, 0))]
        for stamp in self.transforms_ns:
            moving = (Link("odom", "base_link", world_from_base(stamp)),)
            recorded.append((stamp, "/tf", tf_message(moving, stamp)))
        recorded += [*self.front.messages(), *self.left.messages()]
        named = [(time_ns, self.renamed(topic), message) for time_ns, topic, message in recorded]
        kept = [entry for entry in named if entry[1]]
        return sorted([*kept, *self.extra], key=lambda entry: entry[0])

    def write(self, path: Path) -> Path:
        definitions = Definitions()
        connections = {}
        writer = Writer(path, version=self.version, storage_plugin=self.storage)
        if self.compression is not None:
            writer.set_compression(self.compression, CompressionFormat.ZSTD)
        with writer:
            for topic, (kind, definition) in self.others.items():
                digest = "RIHS01_" + "0" * 64
                other = writer.add_connection(topic, kind, msgdef=definition, rihs01=digest)
                writer.write(other, FIRST_NS, b"\0\1\0\0abcd")
            for time_ns, topic, message in self.messages():
                if topic not in connections:
                    name = type_name(message)
                    definitions.learn(name)
                    connections[topic] = writer.add_connection(
                        topic, name, typestore=definitions.typestore
                    )
                writer.write(connections[topic], time_ns, serialize_message(message))
        return path

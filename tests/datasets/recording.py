"""A small recording of the street with one virtual camera whose every figure is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from anyview_ros.msg import SynthesisInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from anyview_ros.demo.definitions import Definitions
from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.node.messages import image_message, info_message, time_message
from anyview_ros.node.simulation.rig_sources import Link
from anyview_ros.node.simulation.sim_rig import tf_message
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.street.street_rig import STREET_RIG
from anyview_ros.worlds.world import make_world

CAMERA = Camera.from_fov(64, 36, 1.4)
STAMPS = tuple(1_000_000_000 + k * 100_000_000 for k in range(9))
SEED = 5
ERROR = 8  # of every value of every virtual image
BASE_FROM_VIRTUAL = rigid(np.eye(3), (0.0, 1.8, 0.0)) @ STREET_RIG[0].link_from_cam
LEDGER = {
    "received": 12,
    "pending_tf": 1,
    "buffered": 8,
    "retired_used": 0,
    "retired_unused": 1,
    "dropped.tf_waiting": 2,
}


@dataclass
class Recording:
    """What goes into the bag; a test changes it before it writes it.

    `virtual` is (stamp in the header, stamp of the source frame it shows).
    """

    source: list[int] = field(default_factory=lambda: list(STAMPS))
    source_infos: list[int] = field(default_factory=lambda: list(STAMPS))
    virtual: list[tuple[int, int]] = field(default_factory=lambda: [(s, s) for s in STAMPS])
    virtual_infos: list[int] = field(default_factory=lambda: list(STAMPS))
    provenance: list[tuple[int, int]] = field(default_factory=lambda: [(s, s) for s in STAMPS])
    world: dict[str, object] | None = field(
        default_factory=lambda: {"kind": "street", "seed": SEED, "fixed_frame": "odom"}
    )
    ledgers: list[dict[str, int]] = field(default_factory=lambda: [dict(LEDGER)])
    nodes: tuple[str, ...] = ("anyview",)
    base_from_virtual: NDArray[np.float64] = field(default_factory=lambda: BASE_FROM_VIRTUAL)

    def write(self, path: Path) -> Path:
        definitions = Definitions()
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            time_ns = 1_700_000_000_000_000_000
            for topic, messages in self._topics().items():
                name = type_name(messages[0])
                definitions.learn(name)
                connection = writer.add_connection(topic, name, typestore=definitions.typestore)
                for message in messages:
                    time_ns += 1_000_000
                    writer.write(connection, time_ns, serialize_message(message))
        return path

    def _topics(self) -> dict[str, Sequence[Any]]:
        front = STREET_RIG[0].link_from_cam
        links = (
            Link("base_link", "front_optical_frame", front),
            Link("base_link", "left_optical_frame", self.base_from_virtual),
        )
        topics: dict[str, Sequence[Any]] = {
            "/tf_static": [tf_message(links, 0)],
            "/tf": [tf_message((Link("odom", "base_link", base(s)),), s) for s in STAMPS],
            "/front/image_raw": [self._image(seen(s, front), s, "front") for s in self.source],
            "/front/camera_info": [self._info(s, "front") for s in self.source_infos],
            "/virtual/left/image_raw": [
                self._image(virtual_image(source), stamp, "left") for stamp, source in self.virtual
            ],
            "/virtual/left/camera_info": [self._info(s, "left") for s in self.virtual_infos],
            "/virtual/left/synthesis_info": [provenance(*pair) for pair in self.provenance],
            "/diagnostics": [
                diagnostics(ledger, node) for node in self.nodes for ledger in self.ledgers
            ],
        }
        if self.world is not None:
            topics["/sim_rig/world"] = [String(data=json.dumps(self.world))]
        return {topic: messages for topic, messages in topics.items() if messages}

    def _image(self, image: NDArray[np.uint8], stamp: int, camera: str) -> Image:
        return image_message(image, stamp, f"{camera}_optical_frame")

    def _info(self, stamp: int, camera: str) -> CameraInfo:
        return info_message(CAMERA, stamp, f"{camera}_optical_frame")


def base(stamp: int) -> NDArray[np.float64]:
    return make_world("street", SEED).world_from_link("base", stamp)


def seen(stamp: int, base_from_cam: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(36, 64, 3): what a camera on the vehicle truly sees."""
    scene = make_world("street", SEED).scene_at(stamp)
    return render(scene, CAMERA, base(stamp) @ base_from_cam)


def virtual_image(stamp: int) -> NDArray[np.uint8]:
    """The truth with every value wrong by `ERROR`."""
    truth = seen(stamp, BASE_FROM_VIRTUAL)
    return np.where(truth > 127, truth - ERROR, truth + ERROR).astype(np.uint8)


def provenance(stamp: int, source_stamp: int) -> SynthesisInfo:
    info = SynthesisInfo(camera="left", model="tiny", provider="CPUExecutionProvider", steps=4)
    info.header.stamp = time_message(stamp)
    info.header.frame_id = "left_optical_frame"
    info.sources, info.source_stamps = ["front"], [time_message(source_stamp)]
    info.queue_s, info.condition_s, info.denoise_s, info.decode_s = 0.1, 0.2, 0.3, 0.4
    info.latency_s = 1.5
    return info


def diagnostics(ledger: dict[str, int], node: str) -> DiagnosticArray:
    values = [KeyValue(key=key, value=str(count)) for key, count in ledger.items()]
    values.append(KeyValue(key="topic", value="/front/image_raw"))
    camera = DiagnosticStatus(name=f"{node}: camera front", hardware_id=node, values=values)
    other = DiagnosticStatus(name="driver: camera front", hardware_id="driver", values=values)
    return DiagnosticArray(status=[other, camera])


def type_name(message: Any) -> str:
    """`sensor_msgs/msg/Image` of an image."""
    package, folder, *_ = type(message).__module__.split(".")
    return f"{package}/{folder}/{type(message).__name__}"

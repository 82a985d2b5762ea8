"""What is added to a recording for a frame of a virtual camera, as bytes of ROS messages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from anyview_ros.augment.file_range import Content
from anyview_ros.clips.clip_sources import GatheredClip
from anyview_ros.clips.placements import Standing
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.engine.pipeline import Synthesis
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import quaternion_xyzw
from anyview_ros.installed import shared
from anyview_ros.media.provenance import SYNTHETIC, jpeg
from anyview_ros.topics import COMPRESSED, COMPRESSED_TYPE, IMAGE_TYPE, OUTPUT

Images = Literal["raw", "jpeg", "both"]
INFO, TF = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
SYNTHESIS_INFO = "anyview_ros/msg/SynthesisInfo"
JPEG_QUALITY = 95  # image_transport's
QUEUE_CLIPS = 2  # that a publisher's queue holds, as the node's
_UNSET = QosTime(0, 0)


@dataclass(frozen=True)
class AddedTopic:
    """A topic that answers go to.

    Args:
        name, message_type: of the topic.
        qos: that a publisher would offer.
    """

    name: str
    message_type: str
    qos: Qos


@dataclass(frozen=True)
class Answer:
    """One message to add.

    Args:
        time_ns: of recording: that of the source message that it answers.
        topic: to which it goes.
        content: CDR.
    """

    time_ns: int
    topic: str
    content: Content


@dataclass(frozen=True)
class Maker:
    """By what frames are made, for their provenance.

    Args:
        model, model_sha256: of the package.
        provider: of ONNX Runtime, as it calls itself.
        seed: of the noise.
    """

    model: str
    model_sha256: str
    provider: str
    seed: int


class AnswerTypes:
    """The message types of answers: those of ROS are rosbags' own, ours comes with the package."""

    def __init__(self) -> None:
        self.store = _store()

    def content(self, message_type: str, message: Any) -> memoryview:
        """Return the bytes of a message (CDR, little endian)."""
        return self.store.serialize_cdr(message, message_type, little_endian=True)

    def new(self, message_type: str, *values: Any) -> Any:
        """Return a message by the values of all its fields."""
        return self.store.types[message_type](*values)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Return a std_msgs/Header."""
        time = self.new("builtin_interfaces/msg/Time", *divmod(stamp_ns, 1_000_000_000))
        return self.new("std_msgs/msg/Header", time, frame_id)

    def image(self, image: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Any:
        """Return a sensor_msgs/Image of (H, W, 3) or (H, W)."""
        height, width = image.shape[:2]
        return self.new(
            IMAGE_TYPE,
            *(self.header(stamp_ns, frame_id), height, width),
            "rgb8" if image.ndim == 3 else "mono8",
            *(int(sys.byteorder == "big"), image.nbytes // height, image.reshape(-1)),
        )

    def info(self, camera: Camera, stamp_ns: int, frame_id: str) -> Any:
        """Return the sensor_msgs/CameraInfo of a pinhole."""
        matrix = camera.matrix
        projection = np.hstack([matrix, np.zeros((3, 1))])
        roi = self.new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        header = self.header(stamp_ns, frame_id)
        return self.new(
            INFO,
            *(header, camera.height, camera.width, "plumb_bob", np.zeros(5)),
            *(matrix.ravel(), np.eye(3).ravel(), projection.ravel(), 0, 0, roi),
        )

    def definition(self, message_type: str) -> tuple[str, str]:
        """Return the definition with all types within it (ros2msg), and its hash (RIHS01)."""
        text, _ = self.store.generate_msgdef(message_type, ros_version=2)
        return text, self.store.hash_rihs01(message_type)


class AnswerMessages:
    """Makes the messages of one virtual camera.

    Args:
        types: of messages.
        request: the camera.
        images: how its images travel.
        tf_topic: of frames that move.
        fixed_frame: parent of a camera that moves.
        maker: by what its frames are made.
        queue_frames: of its publishers, were it live.
    """

    def __init__(
        self,
        types: AnswerTypes,
        request: CameraRequest,
        images: Images,
        tf_topic: str,
        fixed_frame: str,
        maker: Maker,
        queue_frames: int,
    ) -> None:
        self._types, self._request, self._images = types, request, images
        self._tf_topic, self._fixed_frame, self._maker = tf_topic, fixed_frame, maker
        self._queue_frames = queue_frames
        self._folder = f"/{OUTPUT}/{request.name}"

    def topics(self) -> list[AddedTopic]:
        """Return the topics of this camera, but that of frames that stand."""
        kinds = {"camera_info": INFO, "synthesis_info": SYNTHESIS_INFO}
        if self._images != "jpeg":
            kinds["image_raw"] = IMAGE_TYPE
        if self._images != "raw":
            kinds[f"image_raw{COMPRESSED}"] = COMPRESSED_TYPE
        if self._request.message.uncertainty_samples:
            kinds["uncertainty"] = IMAGE_TYPE
        qos = reliable(self._queue_frames)
        found = [AddedTopic(f"{self._folder}/{name}", kind, qos) for name, kind in kinds.items()]
        if not isinstance(self._request.placement, Standing):
            found.append(AddedTopic(self._tf_topic, TF, reliable(100)))
        return found

    def answers(
        self, k: int, clip: GatheredClip, synthesis: Synthesis, time_ns: int
    ) -> list[Answer]:
        """Return the messages of frame k of a clip.

        Args:
            time_ns: when the source frame was recorded.
        """
        stamp, image = clip.stamps_ns[k], synthesis.frames[k]
        found: list[tuple[str, str, Any]] = []
        if not isinstance(self._request.placement, Standing):
            pose = clip.target.world_from_cam[k]
            message = self._transforms([(self._fixed_frame, pose, stamp)])
            found.append((self._tf_topic, TF, message))
        folder, frame = self._folder, self._request.frame_id
        if self._images != "jpeg":
            found.append(
                (f"{folder}/image_raw", IMAGE_TYPE, self._types.image(image, stamp, frame))
            )
        if self._images != "raw":
            compressed = self._compressed(image, stamp)
            found.append((f"{folder}/image_raw{COMPRESSED}", COMPRESSED_TYPE, compressed))
        info = self._types.info(clip.target.camera, stamp, frame)
        found.append((f"{folder}/camera_info", INFO, info))
        origin = self._origin(k, clip, synthesis)
        found.append((f"{folder}/synthesis_info", SYNTHESIS_INFO, origin))
        if len(synthesis.uncertainty):
            doubt = self._types.image(synthesis.uncertainty[k], stamp, frame)
            found.append((f"{folder}/uncertainty", IMAGE_TYPE, doubt))
        return [
            Answer(time_ns, topic, self._types.content(kind, message))
            for topic, kind, message in found
        ]

    def _header(self, stamp_ns: int) -> Any:
        return self._types.header(stamp_ns, self._request.frame_id)

    def _compressed(self, image: NDArray[np.uint8], stamp_ns: int) -> Any:
        file = np.frombuffer(jpeg(image, SYNTHETIC, JPEG_QUALITY), np.uint8)
        header = self._header(stamp_ns)
        return self._types.new(COMPRESSED_TYPE, header, "rgb8; jpeg compressed bgr8", file)

    def _origin(self, k: int, clip: GatheredClip, synthesis: Synthesis) -> Any:
        """Return the provenance of frame k; times that it took are 0, for they never repeat."""
        height, width = synthesis.generated_size
        stamps = [self._header(source.stamps_ns[k]).stamp for source in clip.clips]
        maker = self._maker
        return self._types.new(
            SYNTHESIS_INFO,
            *(self._header(clip.stamps_ns[k]), self._request.name, maker.model),
            *(maker.model_sha256, maker.provider, synthesis.speed, synthesis.steps, maker.seed),
            *(list(clip.names), stamps, synthesis.scene_scale, synthesis.clamped_moments),
            *(width, height, 0.0, 0.0, 0.0, 0.0, 0.0),
        )

    def _transforms(self, poses: Sequence[tuple[str, NDArray[np.float64], int]]) -> Any:
        found = [
            transform_message(self._types, parent, self._request.frame_id, pose, stamp)
            for parent, pose, stamp in poses
        ]
        return self._types.new(TF, found)


def standing_frames(
    types: AnswerTypes, requests: Sequence[CameraRequest], fixed_frame: str, stamp_ns: int
) -> memoryview | None:
    """Return one message with the frames of all cameras that stand; None if none does."""
    found = [
        transform_message(
            types,
            request.placement.pose.frame or fixed_frame,
            request.frame_id,
            request.placement.pose.frame_from_cam,
            stamp_ns,
        )
        for request in requests
        if isinstance(request.placement, Standing)
    ]
    return types.content(TF, types.new(TF, found)) if found else None


def transform_message(
    types: AnswerTypes,
    parent: str,
    child: str,
    parent_from_child: NDArray[np.float64],
    stamp_ns: int,
) -> Any:
    """Return the geometry_msgs/TransformStamped of a (4, 4) transform."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    time = types.new("builtin_interfaces/msg/Time", sec, nanosec)
    move = types.new("geometry_msgs/msg/Vector3", *map(float, parent_from_child[:3, 3]))
    turn = types.new("geometry_msgs/msg/Quaternion", *quaternion_xyzw(parent_from_child))
    return types.new(
        "geometry_msgs/msg/TransformStamped",
        types.new("std_msgs/msg/Header", time, parent),
        child,
        types.new("geometry_msgs/msg/Transform", move, turn),
    )


def reliable(depth: int, latched: bool = False) -> Qos:
    """Return the QoS that a publisher of answers would offer."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,
        durability,
        _UNSET,
        _UNSET,
        QosLiveliness.AUTOMATIC,
        _UNSET,
        False,
    )


@cache
def _store() -> Typestore:
    """Make it once: it compiles how each type is written."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(_definition(), SYNTHESIS_INFO))
    return store


def _definition() -> str:
    for file in shared("msg/SynthesisInfo.msg"):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise AnyviewError(
        "unknown_type", "msg/SynthesisInfo.msg of anyview_ros is not installed; install it again"
    )

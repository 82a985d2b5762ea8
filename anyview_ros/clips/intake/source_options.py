"""One camera of the robot, as the parameters say."""

from __future__ import annotations

from dataclasses import dataclass

from anyview_ros.clips.frame_buffer import BufferLimits
from anyview_ros.imaging.camera_info import Rectify
from anyview_ros.topics import COMPRESSED, Transport


@dataclass(frozen=True)
class SourceOptions:
    """Where the messages of a camera come from, and how they are treated.

    Args:
        name: of the camera.
        image_topic, info_topic: fully qualified; compressed images come on a topic below it.
        fixed_frame: frame in which poses are stored.
        limits: of the frame buffer.
        transport: raw or compressed.
        reliable: reliability of the image subscription; best effort matches every publisher.
        rectify: see `camera_info.declared_rectified`.
        tf_timeout_s: how long a frame waits for its pose and camera info, on a steady clock.
        clock_offset_ns: added to the stamps of its messages by the stream.
    """

    name: str
    image_topic: str
    info_topic: str
    fixed_frame: str
    limits: BufferLimits
    transport: Transport = "raw"
    reliable: bool = False
    rectify: Rectify = "auto"
    tf_timeout_s: float = 1.0
    clock_offset_ns: int = 0

    @property
    def topic(self) -> str:
        """Return the topic that is subscribed to."""
        return self.image_topic + (COMPRESSED if self.transport == "compressed" else "")

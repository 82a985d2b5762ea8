"""Read a recorded bag by topic and by stamp, without a running ROS."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.topics import COMPRESSED, COMPRESSED_TYPE, IMAGE_TYPE, OUTPUT, cameras_of

OUTPUT_FOLDER = f"/{OUTPUT}/"


@dataclass(frozen=True)
class RecordedMessage:
    """A message that begins with a header, of which nothing else has been read.

    Args:
        topic, message_type: where it was recorded.
        stamp_ns: of the header, 0 where there is none.
        frame_id: of the header.
        content: as it is in the bag.
    """

    topic: str
    message_type: str
    stamp_ns: int
    frame_id: str
    content: bytes


class Bag:
    """A rosbag2 folder (mcap or sqlite3), open while in its `with` block.

    Images stay on the disk: an index from stamp to place is all that is held of them.

    Raises:
        AnyviewError: `unreadable_bag`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: dict[str, dict[int, tuple[Connection, int]]] = {}
        try:
            # Recorders before Iron wrote no definitions into sqlite3 bags.
            usual = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader([path], default_typestore=usual)
        except (AnyReaderError, OSError, AssertionError) as error:
            raise self._unreadable(error) from None

    def __enter__(self) -> Self:
        try:
            self._reader.open()
        except (AnyReaderError, OSError) as error:
            raise self._unreadable(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def topics(self, message_type: str) -> list[str]:
        """Names of the topics of a type, sorted."""
        return sorted({c.topic for c in self._reader.connections if c.msgtype == message_type})

    def sources(self) -> dict[str, str]:
        """Image topics of the robot's cameras, by the names that the node gives them."""
        namespace = next((t.split(OUTPUT_FOLDER)[0] for t in self.virtual_cameras().values()), "/")
        every_topic = {c.topic for c in self._reader.connections}
        return cameras_of(self.topics(IMAGE_TYPE), every_topic, namespace)

    def camera_topics(self) -> dict[str, str]:
        """As `sources`, of raw or compressed images; raw where both were recorded."""
        raw = dict.fromkeys(self.topics(IMAGE_TYPE))
        compressed = {t.removesuffix(COMPRESSED): t for t in self.topics(COMPRESSED_TYPE)}
        recorded = compressed | {topic: topic for topic in raw}
        every_topic = {c.topic for c in self._reader.connections}
        found = cameras_of(recorded, every_topic, "/")
        return {name: recorded[topic] for name, topic in found.items()}

    def virtual_cameras(self) -> dict[str, str]:
        """Image topics `.../virtual/<name>/image_raw` by name."""
        below = [t.split("/") for t in self.topics(IMAGE_TYPE) if OUTPUT_FOLDER in t]
        return {parts[-2]: "/".join(parts) for parts in below if parts[-1] == "image_raw"}

    def messages(self, topic: str) -> Iterator[Any]:
        """Messages of a topic in the order they were recorded; none if there is no such topic."""
        for message, _, _ in self._read(topic):
            yield message

    def recorded(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """Messages with a header on any of the topics, in the order they were recorded."""
        connections = [c for c in self._reader.connections if c.topic in topics]
        for connection, _, raw in self._reader.messages(connections) if connections else ():
            stamp, frame_id = header_of(raw)
            yield RecordedMessage(connection.topic, connection.msgtype, stamp, frame_id, raw)

    def message(self, recorded: RecordedMessage) -> Any:
        """The whole message.

        Raises:
            AnyviewError: `invalid_message`.
        """
        try:
            return self._reader.deserialize(recorded.content, recorded.message_type)
        except (AnyReaderError, ValueError, IndexError, struct.error) as error:
            raise AnyviewError(
                "invalid_message",
                f"a message of '{recorded.topic}' is no {recorded.message_type} ({error}); the "
                "recording is damaged there",
            ) from None

    def stamps(self, topic: str) -> list[int]:
        """Header stamps in nanoseconds, in the order they were recorded."""
        return [stamp_ns(message.header.stamp) for message in self.messages(topic)]

    def image(self, topic: str, stamp: int) -> NDArray[np.uint8] | None:
        """(H, W, 3) RGB of the image with this stamp, None if it was not recorded."""
        place = self._places(topic).get(stamp)
        if place is None:
            return None
        connection, time_ns = place
        for _, _, raw in self._reader.messages([connection], time_ns, time_ns + 1):
            message: Any = self._reader.deserialize(raw, connection.msgtype)
            if stamp_ns(message.header.stamp) == stamp:
                return rgb_from_image(message)
        return None

    def _places(self, topic: str) -> dict[int, tuple[Connection, int]]:
        if topic not in self._index:
            self._index[topic] = {
                stamp_ns(message.header.stamp): (connection, time_ns)
                for message, connection, time_ns in self._read(topic)
            }
        return self._index[topic]

    def _read(self, topic: str) -> Iterator[tuple[Any, Connection, int]]:
        connections = [c for c in self._reader.connections if c.topic == topic]
        if not connections:
            return  # rosbags takes an empty list for all topics
        for connection, time_ns, raw in self._reader.messages(connections):
            yield self._reader.deserialize(raw, connection.msgtype), connection, time_ns

    def _unreadable(self, error: Exception) -> AnyviewError:
        return AnyviewError(
            "unreadable_bag",
            f"'{self._path}' cannot be read as a rosbag2 folder ({error}); give the folder that "
            "holds metadata.yaml, of a recording that was ended properly",
        )


def header_of(raw: bytes) -> tuple[int, str]:
    """Stamp in nanoseconds and frame of a serialized message; 0 and "" where there is no header.

    CDR: four bytes that tell the order of bytes, then int32, uint32, and a string with its length.
    Images are large, and reading them whole for their stamps takes as long as decoding them.
    """
    try:
        order = "<" if raw[1] & 1 else ">"
        sec, nanosec, length = struct.unpack_from(f"{order}iII", raw, 4)
    except (struct.error, IndexError):
        return 0, ""
    frame_id = bytes(raw[16 : 16 + max(length - 1, 0)]).decode(errors="replace")
    return sec * 1_000_000_000 + nanosec, frame_id


def sibling(topic: str, name: str) -> str:
    """The topic beside another: `/front/image_raw`, `camera_info` -> `/front/camera_info`."""
    return f"{topic.rsplit('/', 1)[0]}/{name}"

"""Read a recorded bag by topic and by stamp, without a running ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection

from anyview_ros.errors import AnyviewError
from anyview_ros.robot.inputs import IMAGE_TYPE, OUTPUT, cameras_of
from anyview_ros.robot.messages import rgb_from_image, stamp_ns

OUTPUT_FOLDER = f"/{OUTPUT}/"


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
            self._reader = AnyReader([path])
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

    def virtual_cameras(self) -> dict[str, str]:
        """Image topics `.../virtual/<name>/image_raw` by name."""
        topics = [t for t in self.topics(IMAGE_TYPE) if OUTPUT_FOLDER in t]
        return {topic.split("/")[-2]: topic for topic in topics}

    def messages(self, topic: str) -> Iterator[Any]:
        """Messages of a topic in the order they were recorded; none if there is no such topic."""
        for message, _, _ in self._read(topic):
            yield message

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


def sibling(topic: str, name: str) -> str:
    """The topic beside another: `/front/image_raw`, `camera_info` -> `/front/camera_info`."""
    return f"{topic.rsplit('/', 1)[0]}/{name}"

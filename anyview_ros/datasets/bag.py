"""Read a recorded bag by topic and by stamp, without a running ROS."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from anyview_ros.datasets.bag_files import EVER_NS, BagFiles
from anyview_ros.datasets.bag_messages import MessageTypes
from anyview_ros.datasets.bag_opening import open_files
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.message_fields import rgb_from_image, stamp_ns
from anyview_ros.topics import IMAGE_TYPE, OUTPUT, cameras_of

OUTPUT_FOLDER = f"/{OUTPUT}/"


@dataclass(frozen=True)
class RecordedMessage:
    """A message that begins with a header, of which nothing else has been read.

    Args:
        topic, message_type: where it was recorded.
        stamp_ns: of the header, 0 where there is none.
        frame_id: of the header.
        content: as it is in the bag.
        time_ns: when it was recorded.
    """

    topic: str
    message_type: str
    stamp_ns: int
    frame_id: str
    content: memoryview
    time_ns: int = 0


class Bag:
    """A recording, open while in its `with` block: a rosbag2 folder, an .mcap or a .db3 file.

    Images stay on the disk: an index from stamp to place is all that is held of them. What is
    damaged is left out, and named in `damage`.

    Raises:
        AnyviewError: `unreadable_bag`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._index: dict[str, dict[int, int]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._files = open_files(self.path, opening)
            self._stack = opening.pop_all()
        self._types = MessageTypes(self._files.topics)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def damage(self) -> list[str]:
        """Return what was left out so far because it could not be read, a line each."""
        return list(self._files.damage)

    def note(self, damage: str) -> None:
        """Add to `damage`."""
        self._files.note(damage)

    @property
    def foreign(self) -> dict[str, list[str]]:
        """Topics of other encodings than ROS 2's, by encoding."""
        return self._files.foreign

    @property
    def files(self) -> BagFiles:
        """Return its open files."""
        return self._files

    def topics(self, message_type: str) -> list[str]:
        """Names of the topics of a type, sorted."""
        return sorted({t.name for t in self._files.topics if t.message_type == message_type})

    def types(self) -> dict[str, str]:
        """Message type of every topic."""
        return {topic.name: topic.message_type for topic in self._files.topics}

    def sources(self) -> dict[str, str]:
        """Image topics of the robot's cameras, by the names that the node gives them."""
        namespace = next((t.split(OUTPUT_FOLDER)[0] for t in self.virtual_cameras().values()), "/")
        return cameras_of(self.topics(IMAGE_TYPE), self.types(), namespace)

    def virtual_cameras(self) -> dict[str, str]:
        """Image topics `.../virtual/<name>/image_raw` by name."""
        below = [t.split("/") for t in self.topics(IMAGE_TYPE) if OUTPUT_FOLDER in t]
        return {parts[-2]: "/".join(parts) for parts in below if parts[-1] == "image_raw"}

    def messages(self, topic: str) -> Iterator[Any]:
        """Messages of a topic in the order they were recorded; none if there is no such topic."""
        for message, _ in self._read(topic):
            yield message

    def recorded(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """Messages with a header on any of the topics, in the order they were recorded."""
        for topic, time_ns, raw in self._files.messages(topics):
            stamp, frame_id = header_of(raw)
            yield RecordedMessage(topic.name, topic.message_type, stamp, frame_id, raw, time_ns)

    def message(self, recorded: RecordedMessage) -> Any:
        """The whole message.

        Raises:
            AnyviewError: `invalid_message`.
        """
        return self._types.message(recorded.content, recorded.message_type, recorded.topic)

    def stamps(self, topic: str) -> list[int]:
        """Header stamps in nanoseconds, in the order they were recorded."""
        return [recorded.stamp_ns for recorded in self.recorded({topic})]

    def recorded_at(self, topic: str, stamp: int) -> RecordedMessage | None:
        """The message of a topic with this stamp, None if there is none."""
        time_ns = self._places(topic).get(stamp)
        if time_ns is None:
            return None
        for found, _, raw in self._files.messages({topic}, time_ns, time_ns + 1):
            if header_of(raw)[0] == stamp:
                return RecordedMessage(topic, found.message_type, *header_of(raw), raw)
        return None

    def image(self, topic: str, stamp: int) -> NDArray[np.uint8] | None:
        """(H, W, 3) RGB of the image with this stamp, None if there is none that can be read."""
        time_ns = self._places(topic).get(stamp)
        if time_ns is None:
            return None
        for message, _ in self._read(topic, time_ns, time_ns + 1):
            if stamp_ns(message.header.stamp) == stamp:
                try:
                    return rgb_from_image(message)
                except AnyviewError as error:
                    self.note(f"an image of '{topic}': {error.message}")
        return None

    def _places(self, topic: str) -> dict[int, int]:
        """Time of recording by stamp."""
        if topic not in self._index:
            contents = self._files.messages({topic})
            self._index[topic] = {header_of(c.raw)[0]: c.time_ns for c in contents}
        return self._index[topic]

    def _read(
        self, topic: str, start_ns: int = 0, stop_ns: int = EVER_NS
    ) -> Iterator[tuple[Any, int]]:
        for recorded, time_ns, raw in self._files.messages({topic}, start_ns, stop_ns):
            try:
                yield self._types.message(raw, recorded.message_type, topic), time_ns
            except AnyviewError as error:
                self.note(error.message)


def header_of(raw: bytes | memoryview) -> tuple[int, str]:
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

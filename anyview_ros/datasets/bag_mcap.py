"""An .mcap file of a recording: a damaged chunk and a topic of another encoding cost no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2.storage_mcap import Channel, ChunkInfo, McapReader, Schema

from anyview_ros.datasets.bag_topics import SCHEMAS, RecordedTopic
from anyview_ros.datasets.bag_unpacking import bound_chunks
from anyview_ros.datasets.mcap_chunks import Found, in_order, messages_in
from anyview_ros.errors import cause


class McapFile:
    """See `bag_files.File`. Raises what rosbags raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        bound_chunks()
        self._reader = McapReader(path)
        self._schemas = self._reader.schemas = _Schemas()
        self._reader.channels = _Channels()
        self._reader.open()
        self._connections: dict[RecordedTopic, list[Connection]] = {}
        for connection in self._reader.connections:
            self._connections.setdefault(self._topic(connection), []).append(connection)
        self.topics = list(self._connections)

    def _topic(self, connection: Connection) -> RecordedTopic:
        schema, text = self._schemas.definitions.get(connection.msgtype, ("", ""))
        assert isinstance(connection.ext, ConnectionExtRosbag2)
        encoding = connection.ext.serialization_format
        own = encoding == "cdr" and schema in ("", *SCHEMAS)
        foreign = "" if own else schema if schema not in ("", *SCHEMAS) else encoding
        return RecordedTopic(connection.topic, connection.msgtype, schema, text, foreign)

    def messages(
        self, topics: Collection[RecordedTopic], start_ns: int, stop_ns: int
    ) -> Iterator[tuple[RecordedTopic, int, Any]]:
        by_id = {c.id: topic for topic in topics for c in self._connections[topic]}
        if not self._reader.chunks:
            # Not `messages`, which refuses what was not recorded in order of time.
            connections = [c for topic in topics for c in self._connections[topic]]
            for c, time_ns, raw in self._reader.messages_scan(connections, start_ns, stop_ns):
                yield by_id[c.id], time_ns, raw
            return
        chunks = [
            chunk
            for chunk in self._reader.chunks
            if chunk.message_start_time < stop_ns and start_ns <= chunk.message_end_time
            if any(chunk.channel_count.get(number, 0) for number in by_id)
        ]

        def read(chunk: ChunkInfo) -> list[Found]:
            return self._sound(chunk, by_id, start_ns, stop_ns)

        for channel, time_ns, content in in_order(chunks, read):
            yield by_id[channel], time_ns, content

    def _sound(
        self, chunk: ChunkInfo, channels: Collection[int], start_ns: int, stop_ns: int
    ) -> list[Found]:
        """Messages of a chunk, none where it is damaged: it is read whole before the first."""
        assert self._reader.bio is not None
        try:
            return messages_in(chunk, channels, start_ns, stop_ns, self._reader.bio)
        except Exception as error:
            seconds = [f"{t / 1e9:.3f}" for t in chunk[:2]]
            self.damage.append(f"what was recorded from {' to '.join(seconds)} s ({cause(error)})")
            return []

    def counts(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for connection in self._reader.connections:
            found[connection.topic] += connection.msgcount
        return found

    def times_ns(self) -> tuple[int, int]:
        said = self._reader.metadata
        return (said.start_time, said.end_time - 1) if said.message_count else (0, 0)

    def close(self) -> None:
        self._reader.close()


class _Schemas(dict[int, Schema]):
    """Takes schemas that rosbags does not know for none, and keeps how all are written."""

    def __init__(self) -> None:
        super().__init__()
        self.definitions: dict[str, tuple[str, str]] = {}

    def __setitem__(self, number: int, schema: Schema) -> None:
        self.definitions[schema.name] = schema.encoding, schema.data
        super().__setitem__(number, schema._replace(encoding="", data=""))


class _Channels(dict[int, Channel]):
    """Leaves out the QoS of topics, which is YAML that may be damaged too."""

    def __setitem__(self, number: int, channel: Channel) -> None:
        super().__setitem__(number, channel._replace(metadata=b""))

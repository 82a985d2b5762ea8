"""A .db3 file of a recording. By sqlite3 itself: rosbags takes one odd topic for a damaged file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anyview_ros.datasets.bag_topics import SCHEMAS, RecordedTopic

# Reading a view computes it, and its query may have no end.
NO_TABLES = (
    "SELECT name FROM sqlite_master WHERE name IN ('topics', 'messages', 'message_definitions') "
    "AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%')"
)
TOPICS = "SELECT id, name, type, serialization_format FROM topics ORDER BY id"
DEFINITIONS = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
COUNTS = (
    "SELECT name, COUNT(*) FROM messages JOIN topics ON topics.id = messages.topic_id GROUP BY name"
)
TIMES = "SELECT COALESCE(MIN(timestamp), 0), COALESCE(MAX(timestamp), 0) FROM messages"
MESSAGES = (
    "SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({}) "
    "AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"
)


class SqliteFile:
    """See `bag_files.File`. Raises what sqlite3 raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        # immutable: also of a folder that cannot be written, in which sqlite3 would make files.
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?immutable=1",
            uri=True,
            check_same_thread=False,  # augment opens in one thread and reads on in another
        )
        self._connection.text_factory = lambda text: text.decode(errors="replace")
        if odd := [name for name, *_ in self._connection.execute(NO_TABLES)]:
            raise ValueError(f"{', '.join(map(str, odd))} is no plain table")
        definitions: dict[Any, tuple[str, str]] = {}
        with suppress(sqlite3.OperationalError):  # recorders before Iron wrote none
            for name, schema, text in self._connection.execute(DEFINITIONS):
                definitions[name] = (schema, text) if schema in SCHEMAS else ("", "")
        self._ids: dict[RecordedTopic, list[int]] = {}
        for number, name, message_type, encoding in self._connection.execute(TOPICS):
            schema, text = definitions.get(message_type, ("", ""))
            foreign = "" if encoding == "cdr" else str(encoding)
            topic = RecordedTopic(str(name), str(message_type), schema, str(text), foreign)
            self._ids.setdefault(topic, []).append(number)
        self.topics = list(self._ids)

    def messages(
        self, topics: Collection[RecordedTopic], start_ns: int, stop_ns: int
    ) -> Iterator[tuple[RecordedTopic, int, Any]]:
        by_id = {number: topic for topic in topics for number in self._ids[topic]}
        query = MESSAGES.format(",".join("?" * len(by_id)))
        for number, time_ns, content in self._connection.execute(
            query, (*by_id, start_ns, stop_ns)
        ):
            yield by_id[number], time_ns, content

    def counts(self) -> dict[str, int]:
        return dict(self._connection.execute(COUNTS))

    def times_ns(self) -> tuple[int, int]:
        first, last = self._connection.execute(TIMES).fetchone()
        return int(first), int(last)

    def close(self) -> None:
        self._connection.close()

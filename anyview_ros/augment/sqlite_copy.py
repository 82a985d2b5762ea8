"""A copy of a .db3 file with messages added: the file is copied, then rows are inserted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

from anyview_ros.augment.copying import Addition, Answers, FileSummary, TopicRecord
from anyview_ros.augment.file_range import copy_range, whole
from anyview_ros.augment.metadata import yaml_text
from anyview_ros.datasets.bag_opening import reading
from anyview_ros.errors import AnyviewError, cause

BLOCK = 1 << 26
COUNTS = "SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"


class SqliteCopy:
    """Writes one copy.

    Args:
        source: a .db3 file.
        target: is made.
        addition: what is added.
    """

    def __init__(self, source: Path, target: Path, addition: Addition) -> None:
        self._source, self._target, self._addition = source, target, addition

    def write(
        self, answers: Answers, until_ns: int, advance: Callable[[int], object]
    ) -> FileSummary:
        """Copy the file and add the answers of its time; see `McapCopy.write`."""
        left_out = self._addition.left_out
        try:
            if not left_out:
                self._copy_file(advance)
            with closing(sqlite3.connect(self._target.resolve().as_uri(), uri=True)) as connection:
                # A copy that is not whole is made anew: nothing of it is worth a journal.
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                if left_out:
                    self._copy_rows(connection)
                    advance(self._source.stat().st_size)
                numbers = self._describe(connection)
                connection.executemany(
                    "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
                    self._rows(answers, until_ns, numbers),
                )
                connection.commit()
                return self._summary(connection)
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise OSError(28, str(error)) from None  # ENOSPC
            raise AnyviewError(
                "unreadable_bag",
                f"'{self._source}' cannot be read: {cause(error)}; `sqlite3 "
                f"{quote(str(self._source))} .recover | sqlite3 saved.db3` saves what can be read",
            ) from None

    def _copy_file(self, advance: Callable[[int], object]) -> None:
        size = self._source.stat().st_size
        with self._source.open("rb") as source, self._target.open("wb") as target:
            for place in range(0, size, BLOCK):
                copy_range(source, target, BLOCK)
                advance(min(BLOCK, size - place))

    def _copy_rows(self, connection: sqlite3.Connection) -> None:
        """Copy all tables, without the rows of topics that are left out."""
        connection.execute("ATTACH ? AS source", (_read_only(self._source),))
        tables = connection.execute(
            "SELECT type, name, sql FROM source.sqlite_master WHERE sql IS NOT NULL "
            "AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        ).fetchall()
        marks = ", ".join("?" * len(self._addition.left_out))
        kept = f"FROM source.topics WHERE name NOT IN ({marks})"
        rows_of = {
            "topics": f"WHERE name NOT IN ({marks})",
            "messages": f"WHERE topic_id IN (SELECT id {kept})",
            "message_definitions": f"WHERE topic_type IN (SELECT type {kept})",
        }
        for kind, name, sql in tables:
            connection.execute(sql)
            if kind == "table":
                rows = rows_of.get(name, "")
                named = sorted(self._addition.left_out) if rows else []
                connection.execute(
                    f'INSERT INTO main."{name}" SELECT * FROM source."{name}" {rows}', named
                )
        connection.commit()
        connection.execute("DETACH source")

    def _rows(
        self, answers: Answers, until_ns: int, numbers: dict[str, int]
    ) -> Iterator[tuple[int, int, bytes | memoryview]]:
        for answer in answers.until(until_ns):
            yield numbers[answer.topic], answer.time_ns, whole(self._addition.pack(answer.content))

    def _describe(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Add the topics that are not there yet; return the numbers of all by name."""
        numbers = {name: n for n, name in connection.execute("SELECT id, name FROM topics")}
        defined = _columns(connection, "message_definitions")
        known = set()
        if defined:
            query = "SELECT topic_type FROM message_definitions"
            known = {kind for (kind,) in connection.execute(query)}
        for topic in self._addition.topics:
            if topic.name in numbers:
                continue
            text, type_hash = self._addition.definitions[topic.message_type]
            numbers[topic.name] = max(numbers.values(), default=0) + 1
            row = {
                "id": numbers[topic.name],
                "name": topic.name,
                "type": topic.message_type,
                "serialization_format": "cdr",
                "offered_qos_profiles": yaml_text(topic, self._addition.version),
                "type_description_hash": type_hash,
            }
            _insert(connection, "topics", row)
            if defined and topic.message_type not in known:
                known.add(topic.message_type)
                definition = {
                    "topic_type": topic.message_type,
                    "encoding": "ros2msg",
                    "encoded_message_definition": text,
                    "type_description_hash": type_hash,
                }
                _insert(connection, "message_definitions", definition)
        return numbers

    def _summary(self, connection: sqlite3.Connection) -> FileSummary:
        times = connection.execute("SELECT MIN(timestamp), MAX(timestamp) FROM messages").fetchone()
        found = FileSummary(self._target.name, times[0] or 0, times[1] or 0)
        there = _columns(connection, "topics")
        wanted = ("serialization_format", "offered_qos_profiles", "type_description_hash")
        fields = ", ".join(name if name in there else "''" for name in wanted)
        query = f"SELECT id, name, type, {fields} FROM topics"
        counts = dict(connection.execute(COUNTS))
        for number, name, *about in connection.execute(query):
            found.topics[name] = TopicRecord(*map(str, about))
            found.counts[name] += counts.get(number, 0)
        return found


def check(source: Path) -> None:
    """Refuse a file that cannot be copied and added to.

    Raises:
        AnyviewError: `unreadable_bag`.
    """
    with reading(source), closing(sqlite3.connect(_read_only(source), uri=True)) as file:
        file.execute(COUNTS).fetchall()


def last_time(source: Path) -> int:
    """Return when the last message of a file was recorded, in nanoseconds; 0 if it has none."""
    with closing(sqlite3.connect(_read_only(source), uri=True)) as file:
        return int(file.execute("SELECT MAX(timestamp) FROM messages").fetchone()[0] or 0)


def _read_only(source: Path) -> str:
    return f"{source.resolve().as_uri()}?immutable=1"


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Insert a row, as far as this version of the schema has its columns."""
    there = {name: value for name, value in row.items() if name in _columns(connection, table)}
    marks = ", ".join("?" * len(there))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(there)}) VALUES ({marks})", list(there.values())
    )

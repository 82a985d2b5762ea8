"""A copy of an .mcap file with messages added: what was there is copied as it is, byte for byte.

Records are copied whole, chunks still compressed, and messages are added in chunks of their own
behind those of their time. The index at the end is made anew; the format: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from lz4.frame import compress as lz4_compress  # type: ignore[import-untyped]
from rosbags.rosbag2.reader import zstd  # type: ignore[attr-defined]
from rosbags.rosbag2.storage_mcap import decompress

from anyview_ros.augment.answers import Answer
from anyview_ros.augment.copying import Addition, Answers, FileSummary, TopicRecord
from anyview_ros.augment.file_range import Content, FileRange, copy_range, crc_with, whole
from anyview_ros.augment.metadata import yaml_text
from anyview_ros.datasets.bag_opening import reading
from anyview_ros.errors import AnyviewError

MAGIC = b"\x89MCAP0\r\n"
CHUNK_BYTES = 1 << 20  # after which an added chunk is closed
PEEK = 4096  # bytes that hold what a record says of itself, but for those that are read whole
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX = range(1, 8)
_CHUNK_INDEX, _ATTACHMENT, _ATTACHMENT_INDEX, _STATISTICS, _METADATA, _METADATA_INDEX = range(8, 14)
_SUMMARY_OFFSET, _DATA_END = 14, 15
_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "lz4": lz4_compress,
    "zstd": zstd.compress,
}


@dataclass
class _Index:
    """Collect what the summary at the end of the file says, while the file is written."""

    schemas: dict[int, bytes] = field(default_factory=dict)  # records by id
    channels: dict[int, bytes] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    attachments: list[bytes] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    start_ns: int = 0
    end_ns: int = 0

    def span(self, start_ns: int, end_ns: int) -> None:
        self.start_ns = min(self.start_ns, start_ns) if self.end_ns else start_ns
        self.end_ns = max(self.end_ns, end_ns)


@dataclass
class _OpenChunk:
    """A chunk whose message indexes follow it, and are not all read yet."""

    head: bytes  # the fields that its index begins with
    tail: bytes  # and those that it ends with
    end_ns: int
    place: tuple[int, int] = (0, 0)  # of its body in the source
    indexes: dict[int, int] = field(default_factory=dict)  # offsets by channel
    index_bytes: int = 0

    def record(self) -> bytes:
        offsets = b"".join(struct.pack("<HQ", *entry) for entry in self.indexes.items())
        lengths = struct.pack("<I", len(offsets)) + offsets + struct.pack("<Q", self.index_bytes)
        return self.head + lengths + self.tail


@dataclass
class _NewChunk:
    """A chunk that is to be written; its parts are not put together, for images are large."""

    parts: list[Content] = field(default_factory=list)
    places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by channel
    size: int = 0
    crc: int = 0

    def place(self, channel: int, time_ns: int) -> None:
        """Note that a message comes next."""
        self.places.setdefault(channel, []).append((time_ns, self.size))

    def add(self, *parts: Content) -> None:
        for part in parts:
            self.parts.append(part)
            self.size += len(part)
            self.crc = crc_with(self.crc, part)

    def packed(self, compression: str) -> list[Content]:
        """Return what is stored of it."""
        if not compression:
            return self.parts
        return [_COMPRESSORS[compression](b"".join(map(whole, self.parts)))]


class McapCopy:
    """Writes one copy.

    Args:
        source: an .mcap file.
        target: is made.
        addition: what is added.
    """

    def __init__(self, source: Path, target: Path, addition: Addition) -> None:
        self._source, self._target, self._addition = source, target, addition
        self._index = _Index()
        self._compression = ""
        self._chunk: _OpenChunk | None = None
        self._numbers: dict[str, int] = {}  # of channels, by topic
        self._dropped: set[int] = set()  # channels that are left out
        self._dropped_schemas: set[int] = set()  # that only they have
        self._read = 0  # of the source

    def write(
        self, answers: Answers, until_ns: int, advance: Callable[[int], object]
    ) -> FileSummary:
        """Copy the file and add the answers of its time.

        Args:
            until_ns: of the answers that belong into this file.
            advance: called with numbers of bytes that were copied.

        Raises:
            AnyviewError: `unreadable_bag` for a file that ends before its data does.
        """
        schemas, channels = _described(self._source)
        self._index.schemas, self._index.channels = dict(schemas), dict(channels)
        if self._addition.left_out:
            self._drop()
        with self._source.open("rb") as source, self._target.open("wb") as target:
            self._target_file = target
            target.write(source.read(len(MAGIC)))
            self._copy_data(source, answers, advance)
            self._add(answers.until(until_ns))
            for name, text in self._addition.notes.items():
                self._note(name, text)
            self._record(_DATA_END, struct.pack("<I", 0))
            self._write_summary()
        return self._summary()

    def _copy_data(
        self, source: BinaryIO, answers: Answers, advance: Callable[[int], object]
    ) -> None:
        described = False
        while True:
            head = source.read(9)
            if len(head) < 9:
                raise _cut_off(self._source)
            operation, length = head[0], int.from_bytes(head[1:], "little")
            if operation != _MESSAGE_INDEX:
                self._close_chunk(answers)
            if operation in (_DATA_END, _FOOTER):
                return
            offset = self._target_file.tell()
            peek = source.read(min(length, PEEK))
            if len(peek) < min(length, PEEK):
                continue  # the next head is missing: see above
            if self._dropped and self._is_dropped(operation, peek, length, source, answers):
                advance(9 + length)
                continue
            self._target_file.write(head + peek)
            if length > len(peek):
                copy_range(source, self._target_file, length - len(peek))
            self._read = source.tell()
            self._note_record(operation, peek, offset, length)
            advance(9 + length)
            if operation == _HEADER and not described:
                described = True
                self._describe()

    def _drop(self) -> None:
        """Forget the channels that are left out, and the schemas that only they have."""
        index = self._index
        topics = {number: _channel(record)[1] for number, record in index.channels.items()}
        self._dropped = {n for n, topic in topics.items() if topic in self._addition.left_out}
        index.channels = {n: r for n, r in index.channels.items() if n not in self._dropped}
        used = {_channel(record)[0] for record in index.channels.values()}
        self._dropped_schemas = set(index.schemas) - used
        index.schemas = {n: r for n, r in index.schemas.items() if n in used}

    def _is_dropped(
        self, operation: int, peek: bytes, length: int, source: BinaryIO, answers: Answers
    ) -> bool:
        """Return whether a record is not to be copied; what is left of a chunk was written."""
        if operation == _CHUNK:
            start = source.tell()
            body = peek + source.read(length - len(peek))
            if self._has_dropped(body, answers):
                return True
            source.seek(start)
            return False
        if operation == _MESSAGE_INDEX and self._chunk is None:
            return True  # of a chunk that was written anew
        return self._is_of_dropped(operation, peek)

    def _has_dropped(self, body: bytes, answers: Answers) -> bool:
        """Write what is left of a chunk, unless all of it is."""
        try:
            records = list(_inside(body))
        except Exception:  # of a damaged chunk, of which no message can be read
            return True
        kept = [(op, record) for op, record in records if not self._is_of_dropped(op, record)]
        if len(kept) == len(records):
            return False
        chunk = _NewChunk()
        for operation, record in kept:
            if operation == _MESSAGE:
                channel, _, time_ns = struct.unpack_from("<HIQ", record)
                chunk.place(channel, time_ns)
            chunk.add(struct.pack("<BQ", operation, len(record)), record)
        self._compression, _ = _text(body, 28)
        if chunk.size:  # schemas and channels of later messages, at least
            self._write_chunk(chunk)
        self._add(answers.until(struct.unpack_from("<QQ", body)[1]))
        return True

    def _is_of_dropped(self, operation: int, body: bytes) -> bool:
        if operation == _SCHEMA:
            return _numbered(body)[0] in self._dropped_schemas
        if operation in (_CHANNEL, _MESSAGE, _MESSAGE_INDEX):
            return _numbered(body)[0] in self._dropped
        return False

    def _note_record(self, operation: int, body: bytes, offset: int, length: int) -> None:
        index = self._index
        if operation == _CHUNK:
            start, end, size, _ = struct.unpack_from("<QQQI", body)
            self._compression, place = _text(body, 28)
            packed = body[place : place + 8]
            place_of = struct.pack("<QQ", offset, 9 + length)
            tail = _packed(self._compression) + packed + struct.pack("<Q", size)
            head = struct.pack("<QQ", start, end) + place_of
            self._chunk = _OpenChunk(head, tail, end, (self._read - length, length))
            index.span(start, end)
        elif operation == _MESSAGE_INDEX and self._chunk is not None:
            channel, entries = struct.unpack_from("<HI", body)
            self._chunk.indexes[channel] = offset
            self._chunk.index_bytes += 9 + length
            index.counts[channel] += entries // 16
        elif operation == _MESSAGE:
            channel, _, time_ns = struct.unpack_from("<HIQ", body)
            index.counts[channel] += 1
            index.span(time_ns, time_ns)
        elif operation == _ATTACHMENT:
            log_ns, created_ns = struct.unpack_from("<QQ", body)
            name, place = _text(body, 16)
            kind, place = _text(body, place)
            places = struct.pack("<QQQQ", offset, 9 + length, log_ns, created_ns)
            size = body[place : place + 8]
            index.attachments.append(places + size + _packed(name) + _packed(kind))
        elif operation == _METADATA:
            name, _ = _text(body, 0)
            index.metadata.append(struct.pack("<QQ", offset, 9 + length) + _packed(name))

    def _close_chunk(self, answers: Answers) -> None:
        """Note a chunk all of whose message indexes are there; add what is of its time."""
        chunk, self._chunk = self._chunk, None
        if chunk is not None:
            if not chunk.indexes:
                self._count(chunk)
            self._index.chunks.append(chunk.record())
            self._add(answers.until(chunk.end_ns))

    def _count(self, chunk: _OpenChunk) -> None:
        """Count the messages of a chunk that has no message indexes."""
        with self._source.open("rb") as file:
            file.seek(chunk.place[0])
            try:
                records = list(_inside(file.read(chunk.place[1])))
            except Exception:  # of a damaged chunk, of which no message can be read
                return
        for operation, body in records:
            if operation == _MESSAGE:
                self._index.counts[struct.unpack_from("<H", body)[0]] += 1

    def _describe(self) -> None:
        """Write schemas and channels of the topics that are not there yet."""
        known = {_channel(record)[1]: number for number, record in self._index.channels.items()}
        schemas = {_text(record, 2)[0]: n for n, record in self._index.schemas.items()}
        for topic in self._addition.topics:
            kind = topic.message_type
            if topic.name in known:
                self._numbers[topic.name] = known[topic.name]
                continue
            text, type_hash = self._addition.definitions[kind]
            if kind not in schemas:
                schemas[kind] = number = _next(self._index.schemas, self._dropped_schemas)
                parts = _packed(kind) + _packed("ros2msg") + _packed(text)
                self._index.schemas[number] = struct.pack("<H", number) + parts
                self._record(_SCHEMA, self._index.schemas[number])
            number = _next(self._index.channels, self._dropped)
            qos = yaml_text(topic, self._addition.version)
            about = {"offered_qos_profiles": qos, "topic_type_hash": type_hash}
            pairs = b"".join(_packed(key) + _packed(value) for key, value in about.items())
            self._index.channels[number] = (
                struct.pack("<HH", number, schemas[kind])
                + _packed(topic.name)
                + _packed("cdr")
                + struct.pack("<I", len(pairs))
                + pairs
            )
            self._record(_CHANNEL, self._index.channels[number])
            self._numbers[topic.name] = number

    def _add(self, answers: Iterator[Answer]) -> None:
        chunk = _NewChunk()
        for answer in answers:
            channel, time_ns = self._numbers[answer.topic], answer.time_ns
            content = self._addition.pack(answer.content)
            chunk.place(channel, time_ns)
            head = struct.pack("<BQHIQQ", _MESSAGE, 22 + len(content), channel, 0, time_ns, time_ns)
            chunk.add(head, content)
            if chunk.size > CHUNK_BYTES:
                self._write_chunk(chunk)
                chunk = _NewChunk()
        if chunk.size:
            self._write_chunk(chunk)

    def _write_chunk(self, new: _NewChunk) -> None:
        times = [time_ns for entries in new.places.values() for time_ns, _ in entries]
        start, end = min(times, default=0), max(times, default=0)
        offset = self._target_file.tell()
        packed = new.packed(self._compression)
        packed_size = sum(map(len, packed))
        compression = _packed(self._compression)
        sizes = struct.pack("<QQQI", start, end, new.size, new.crc)
        length = self._record(_CHUNK, sizes, compression, struct.pack("<Q", packed_size), *packed)
        head = struct.pack("<QQQQ", start, end, offset, length)
        tail = compression + struct.pack("<QQ", packed_size, new.size)
        chunk = _OpenChunk(head, tail, end)
        for channel, entries in new.places.items():
            chunk.indexes[channel] = self._target_file.tell()
            listed = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            body = struct.pack("<HI", channel, len(listed)) + listed
            chunk.index_bytes += self._record(_MESSAGE_INDEX, body)
            self._index.counts[channel] += len(entries)
        self._index.chunks.append(chunk.record())
        if times:
            self._index.span(start, end)

    def _note(self, name: str, text: str) -> None:
        offset, pair = self._target_file.tell(), _packed(name) + _packed(text)
        length = self._record(_METADATA, _packed(name) + struct.pack("<I", len(pair)) + pair)
        self._index.metadata.append(struct.pack("<QQ", offset, length) + _packed(name))

    def _write_summary(self) -> None:
        index, file = self._index, self._target_file
        groups = {
            _SCHEMA: list(index.schemas.values()),
            _CHANNEL: list(index.channels.values()),
            _STATISTICS: [self._statistics()],
            _CHUNK_INDEX: index.chunks,
            _ATTACHMENT_INDEX: index.attachments,
            _METADATA_INDEX: index.metadata,
        }
        begin, offsets = file.tell(), []
        for operation, records in groups.items():
            start = file.tell()
            for record in records:
                self._record(operation, record)
            if records:
                offsets.append(struct.pack("<BQQ", operation, start, file.tell() - start))
        summary_offsets = file.tell()
        for offset in offsets:
            self._record(_SUMMARY_OFFSET, offset)
        self._record(_FOOTER, struct.pack("<QQI", begin, summary_offsets, 0))
        file.write(MAGIC)

    def _statistics(self) -> bytes:
        index = self._index
        counts = b"".join(struct.pack("<HQ", *entry) for entry in sorted(index.counts.items()))
        numbers = (
            *(len(index.schemas), len(index.channels), len(index.attachments)),
            *(len(index.metadata), len(index.chunks)),
        )
        head = struct.pack("<QHIIII", sum(index.counts.values()), *numbers)
        times = struct.pack("<QQ", index.start_ns, index.end_ns)
        return head + times + struct.pack("<I", len(counts)) + counts

    def _record(self, operation: int, *parts: Content) -> int:
        """Write a record, part after part; return how long it is."""
        length = sum(map(len, parts))
        self._target_file.write(struct.pack("<BQ", operation, length))
        for part in parts:
            if isinstance(part, FileRange):
                part.copy(self._target_file)
            else:
                self._target_file.write(part)
        return 9 + length

    def _summary(self) -> FileSummary:
        index = self._index
        found = FileSummary(self._target.name, index.start_ns, index.end_ns)
        schemas = {number: _text(record, 2)[0] for number, record in index.schemas.items()}
        for number, record in index.channels.items():
            schema, topic, encoding, about = _channel(record)
            found.counts[topic] += index.counts[number]
            qos, type_hash = about.get("offered_qos_profiles", ""), about.get("topic_type_hash", "")
            found.topics[topic] = TopicRecord(schemas.get(schema, ""), encoding, qos, type_hash)
        return found


def last_time(source: Path) -> int:
    """Return when the last message of a file was recorded, in nanoseconds; 0 if it has none."""
    newest = 0
    for operation, body, _ in _records(source):
        if operation == _CHUNK:
            newest = max(newest, struct.unpack_from("<QQ", body)[1])
        elif operation == _MESSAGE:
            newest = max(newest, struct.unpack_from("<HIQ", body)[2])
    return newest


def check(source: Path) -> None:
    """Refuse a file that cannot be copied, even if its messages can be read by its index.

    Raises:
        AnyviewError: `unreadable_bag`.
    """
    with reading(source):
        _described(source)


def _cut_off(source: Path) -> AnyviewError:
    return AnyviewError(
        "unreadable_bag",
        f"'{source}' cannot be read: it is damaged in its middle, or ends there; `mcap recover "
        f"{quote(str(source))} --output saved.mcap` helps",
    )


def _described(source: Path) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Return the records of all schemas and channels, which may lie in chunks, by their ids."""
    found: dict[int, dict[int, bytes]] = {_SCHEMA: {}, _CHANNEL: {}}
    counted: set[int] = set()
    chunks: list[tuple[int, int]] = []
    for operation, body, place in _records(source):
        if operation in found:
            found[operation].setdefault(*_numbered(body))
        elif operation == _CHUNK:
            chunks.append(place)
        elif operation == _MESSAGE_INDEX:
            counted.add(struct.unpack_from("<H", body)[0])
    if counted <= set(found[_CHANNEL]) and found[_CHANNEL]:
        return found[_SCHEMA], found[_CHANNEL]
    with source.open("rb") as file:
        for start, length in chunks:
            file.seek(start)
            for operation, body in _inside(file.read(length)):
                if operation in found:
                    found[operation].setdefault(*_numbered(body))
    return found[_SCHEMA], found[_CHANNEL]


def _records(source: Path) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
    """Yield operation, beginning and place of every record outside of chunks, the summary's too.

    Raises:
        AnyviewError: `unreadable_bag` where they do not follow one another to the end of the data.
    """
    with source.open("rb") as file:
        size = file.seek(0, 2)
        place, is_whole = len(MAGIC), False
        while place + 9 <= size - len(MAGIC):
            file.seek(place)
            head = file.read(9)
            operation, length = head[0], int.from_bytes(head[1:], "little")
            if length > size - place - 9:
                break
            is_whole = is_whole or operation in (_DATA_END, _FOOTER)
            large = operation in (_CHUNK, _MESSAGE, _ATTACHMENT, _MESSAGE_INDEX)
            yield operation, file.read(min(length, 64 if large else length)), (place + 9, length)
            if operation == _FOOTER:
                return
            place += 9 + length
        if not is_whole:
            raise _cut_off(source)


def _inside(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield operation and body of the records of a chunk."""
    size, crc = struct.unpack_from("<QI", chunk, 16)
    compression, place = _text(chunk, 28)
    raw = bytes(decompress(chunk[place + 8 :], compression, size, crc))
    place = 0
    while place + 9 <= len(raw):
        operation, length = raw[place], int.from_bytes(raw[place + 1 : place + 9], "little")
        yield operation, raw[place + 9 : place + 9 + length]
        place += 9 + length


def _next(*numbers: Collection[int]) -> int:
    return max((0, *chain(*numbers))) + 1


def _numbered(body: bytes) -> tuple[int, bytes]:
    return struct.unpack_from("<H", body)[0], body


def _channel(record: bytes) -> tuple[int, str, str, dict[str, str]]:
    """Return schema, topic, encoding and metadata of a channel."""
    (schema,) = struct.unpack_from("<H", record, 2)
    topic, place = _text(record, 4)
    encoding, place = _text(record, place)
    end = place + 4 + struct.unpack_from("<I", record, place)[0]
    place, about = place + 4, {}
    while place < end:
        key, place = _text(record, place)
        about[key], place = _text(record, place)
    return schema, topic, encoding, about


def _text(body: bytes, place: int) -> tuple[str, int]:
    """Return the text at a place, and where it ends."""
    (length,) = struct.unpack_from("<I", body, place)
    end = place + 4 + length
    return body[place + 4 : end].decode(errors="replace"), end


def _packed(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw

"""The messages in the chunks of an .mcap file, in the order of recording, without a copy of each.

rosbags copies every message twice on its way out of a chunk, and holds something of every chunk of
a file from the first message on: of images that is most of the work, of a long file much memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import heappop, heappush
from struct import Struct
from typing import BinaryIO, NamedTuple

from rosbags.rosbag2.storage_mcap import ChunkInfo, decompress, read_exact

MESSAGE = 5
LARGE_SHARE = 4  # a message that is no such part of its chunk is copied out of it
_HEAD, _MESSAGE_HEAD, _CRC = Struct("<BQ"), Struct("<HIQQ"), Struct("<I")
_CRC_PLACE, _BODY_PLACE = 9 + 24, 9 + 40  # in a chunk's record; the second, and its compression


class Found(NamedTuple):
    """A message of a chunk: number of its channel, time of recording, bytes."""

    channel: int
    time_ns: int
    content: bytes | memoryview


def messages_in(
    chunk: ChunkInfo, channels: Collection[int], start_ns: int, stop_ns: int, file: BinaryIO
) -> list[Found]:
    """Return the messages of a chunk on some channels, start <= time < stop, in order of time.

    Large ones are views of the chunk. Small ones are not, for one that is kept would keep it all.
    Raises anything of a damaged chunk.
    """
    file.seek(chunk.chunk_start_offset + _CRC_PLACE)
    (crc,) = _CRC.unpack(read_exact(file, _CRC.size))
    file.seek(chunk.chunk_start_offset + _BODY_PLACE + len(chunk.compression))
    packed = read_exact(file, chunk.compressed_size)
    raw = memoryview(decompress(packed, chunk.compression, chunk.uncompressed_size, crc))
    found, place = list[Found](), 0
    while place < len(raw):
        operation, length = _HEAD.unpack_from(raw, place)
        begin, place = place + _HEAD.size, place + _HEAD.size + length
        if place > len(raw):
            raise ValueError(f"a record of {length} bytes reaches beyond its chunk")
        if operation != MESSAGE:
            continue
        channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(raw[begin:place])
        if channel in channels and start_ns <= time_ns < stop_ns:
            content = raw[begin + _MESSAGE_HEAD.size : place]
            is_large = LARGE_SHARE * len(content) >= len(raw)
            found.append(Found(channel, time_ns, content if is_large else bytes(content)))
    return sorted(found, key=lambda message: message.time_ns)


def in_order(
    chunks: Sequence[ChunkInfo], read: Callable[[ChunkInfo], list[Found]]
) -> Iterator[Found]:
    """Yield the messages of chunks in order of time, and of their chunk's place in the file.

    A chunk is read when its time has come, and let go after its last message.

    Args:
        read: returns the messages of one, in order of time.
    """
    ahead = sorted(chunks, key=lambda chunk: chunk.message_start_time, reverse=True)
    begun: list[tuple[int, int, list[Found]]] = []  # time of the next, place, what is left
    while ahead or begun:
        while ahead and (not begun or ahead[-1].message_start_time <= begun[0][0]):
            chunk = ahead.pop()
            if messages := read(chunk)[::-1]:
                heappush(begun, (messages[-1].time_ns, chunk.chunk_start_offset, messages))
        if begun:
            _, place, messages = heappop(begun)
            yield messages.pop()
            if messages:
                heappush(begun, (messages[-1].time_ns, place, messages))

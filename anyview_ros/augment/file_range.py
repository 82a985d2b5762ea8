"""Bytes that go from file to file without passing through this process."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

BLOCK = 1 << 20
POLYNOMIAL = 0xEDB88320  # of CRC-32; its highest power is the lowest bit, as in all below
ONE, BYTE = 1 << 31, 1 << 23  # x^0, x^8


@dataclass(frozen=True)
class FileRange:
    """Stand for bytes of a file.

    Args:
        file: open for reading; nothing waits to be written to it.
        place, length: of the bytes.
        crc: their CRC-32.
    """

    file: BinaryIO
    place: int
    length: int
    crc: int

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """Return the bytes."""
        self.file.seek(self.place)
        return self.file.read(self.length)

    def copy(self, target: BinaryIO) -> None:
        """Copy the bytes to where a file is written."""
        self.file.seek(self.place)
        copy_range(self.file, target, self.length)


Content = bytes | memoryview | FileRange


def whole(content: Content) -> bytes | memoryview:
    """Return the bytes of a content."""
    return content.read() if isinstance(content, FileRange) else content


def copy_range(source: BinaryIO, target: BinaryIO, length: int) -> None:
    """Copy bytes from where one file is read to where the other is written.

    By the kernel where it can: the bytes then do not pass through this process, and on some file
    systems not even through the disk. Ends early where the source does.
    """
    target.flush()
    place = source.tell()
    end = place + length
    with suppress(OSError):  # between file systems, or of none that has it
        while place < end:
            count = os.copy_file_range(source.fileno(), target.fileno(), end - place, place)
            if not count:
                break
            place += count
    source.seek(place)
    while place < end and (block := source.read(min(end - place, BLOCK))):
        target.write(block)
        place += len(block)


def crc_with(crc: int, content: Content) -> int:
    """Return the CRC-32 of bytes and a content behind them, by that of the bytes."""
    if isinstance(content, FileRange):  # as zlib's crc32_combine, which Python does not have
        return _product(crc, _power(content.length)) ^ content.crc
    return zlib.crc32(content, crc)


@cache
def _power(length: int) -> int:
    """Return x^(8 * length) modulo the polynomial: what so many bytes do to the CRC before them."""
    found, square = ONE, BYTE
    while length:
        if length & 1:
            found = _product(found, square)
        square, length = _product(square, square), length >> 1
    return found


def _product(first: int, second: int) -> int:
    """Return the product modulo the polynomial."""
    found = 0
    for power in range(31, -1, -1):
        found ^= second * (first >> power & 1)
        second = second >> 1 ^ POLYNOMIAL * (second & 1)
    return found

"""The answers of one virtual camera on disk, clip by clip: what was made is not made again.

Appended to and synchronised clip by clip; a clip that was cut off by the end of its process is as
if it had never been made.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from anyview_ros.augment.answers import Answer
from anyview_ros.augment.file_range import FileRange, whole

LARGE = 1 << 14  # bytes of an answer from which on it is not read, but copied from file to file
_HEAD = struct.Struct("<4sQIQ")  # mark, length of the body, CRC-32 of its index, length of that
_MARK = b"CLIP"


class Spool:
    """Clips that were made of one camera, in order.

    Args:
        folder: where its files lie.
        name: of the camera.

    Attributes:
        clips: that are there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._path = folder / f"{name}.clips"
        self._path.touch()
        ends = list(_ends(self._path))
        self.clips = len(ends)
        os.truncate(self._path, ends[-1] if ends else 0)
        self._file = self._path.open("a+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, answers: Sequence[Answer], frames: NDArray[np.uint8]) -> None:
        """Add a clip.

        Args:
            answers: in the order of recording.
            frames: (T, H, W, 3) as made: those of the newest clip are kept, for the next one.
        """
        newest = self._frames(self.clips)
        # Unbuffered: numpy copies what it writes to a file that is read and buffered.
        with newest.open("r+b" if newest.is_file() else "wb", buffering=0) as file:
            np.save(file, frames)
            file.truncate()
            _synchronise(file.fileno())
        contents = [whole(answer.content) for answer in answers]
        index = [
            [answer.time_ns, answer.topic, len(content), zlib.crc32(content)]
            for answer, content in zip(answers, contents, strict=True)
        ]
        head = json.dumps(index).encode()
        length = len(head) + sum(map(len, contents))
        self._file.write(_HEAD.pack(_MARK, length, zlib.crc32(head), len(head)) + head)
        self._file.writelines(contents)
        self._file.flush()
        _synchronise(self._file.fileno())
        self.clips += 1

    def frames(self) -> NDArray[np.uint8]:
        """Return those of the newest clip."""
        found: NDArray[np.uint8] = np.load(self._frames(self.clips - 1), allow_pickle=False)
        return found

    def answers(self) -> Iterator[Answer]:
        """Yield all answers, in the order of recording; large ones are ranges of the open file."""
        with self._path.open("rb") as file:
            for _ in range(self.clips):
                *_, index_length = _HEAD.unpack(file.read(_HEAD.size))
                for time_ns, topic, length, crc in json.loads(file.read(index_length)):
                    if length < LARGE:
                        yield Answer(time_ns, topic, file.read(length))
                        continue
                    yield Answer(time_ns, topic, FileRange(self._file, file.tell(), length, crc))
                    file.seek(length, os.SEEK_CUR)

    def _frames(self, clip: int) -> Path:
        """Return where a clip's frames are: in two files by turns, so that those before stay."""
        return self._folder / f"{self._name}.{clip % 2}.npy"


def _ends(path: Path) -> Iterator[int]:
    """Yield where every whole clip ends in the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            mark, length, crc, index_length = _HEAD.unpack(head)
            if mark != _MARK or length > size - file.tell() or index_length > length:
                return
            index = file.read(index_length)
            if zlib.crc32(index) != crc:
                return
            if any(zlib.crc32(file.read(size)) != crc for *_, size, crc in json.loads(index)):
                return
            yield file.tell()


def _synchronise(number: int) -> None:
    os.fdatasync(number)

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

_HEAD = struct.Struct("<4sQIQ")  # mark, length of the body, its CRC-32, length of its index
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
        self._file = self._path.open("ab")

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
        index = [[a.time_ns, a.topic, len(a.content)] for a in answers]
        head = json.dumps(index).encode()
        crc = zlib.crc32(head)
        for answer in answers:
            crc = zlib.crc32(answer.content, crc)
        length = len(head) + sum(len(answer.content) for answer in answers)
        self._file.write(_HEAD.pack(_MARK, length, crc, len(head)) + head)
        for answer in answers:
            self._file.write(answer.content)
        self._file.flush()
        _synchronise(self._file.fileno())
        self.clips += 1

    def frames(self) -> NDArray[np.uint8]:
        """Return those of the newest clip."""
        found: NDArray[np.uint8] = np.load(self._frames(self.clips - 1), allow_pickle=False)
        return found

    def answers(self) -> Iterator[Answer]:
        """Yield all answers, in the order of recording; one is held at a time."""
        with self._path.open("rb") as file:
            for _ in range(self.clips):
                *_, index_length = _HEAD.unpack(file.read(_HEAD.size))
                for time_ns, topic, length in json.loads(file.read(index_length)):
                    yield Answer(time_ns, topic, file.read(length))

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
            body = file.read(length)
            if zlib.crc32(body) != crc:
                return
            yield file.tell()


def _synchronise(number: int) -> None:
    os.fdatasync(number)

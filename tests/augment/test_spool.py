"""Answers on disk: what was made is read back, and what was cut off never was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.augment.answers import Answer
from anyview_ros.augment.file_range import FileRange, whole
from anyview_ros.augment.spool import LARGE, Spool

CLIPS = 3


def frames(clip: int) -> NDArray[np.uint8]:
    return np.full((5 - clip, 4, 6, 3), clip, np.uint8)


def answers(clip: int) -> list[Answer]:
    """A small one and a large one."""
    return [
        Answer(10 * clip + k, f"/topic_{k}", bytes([clip, k]) * size)
        for k, size in enumerate((50, LARGE))
    ]


def read(spool: Spool) -> list[Answer]:
    return [Answer(a.time_ns, a.topic, whole(a.content)) for a in spool.answers()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Spool(tmp_path, "raised") as spool:
        for clip in range(CLIPS):
            spool.append(answers(clip), frames(clip))
    return tmp_path


def test_it_gives_back_what_it_took(folder: Path) -> None:
    with Spool(folder, "raised") as spool:
        assert spool.clips == CLIPS
        assert read(spool) == [answer for k in range(CLIPS) for answer in answers(k)]
        np.testing.assert_array_equal(spool.frames(), frames(CLIPS - 1))


def test_large_answers_are_not_read_with_the_others(folder: Path) -> None:
    with Spool(folder, "raised") as spool:
        ranges = [isinstance(answer.content, FileRange) for answer in spool.answers()]
    assert ranges == [False, True] * CLIPS


def test_the_newest_frames_stay_while_the_next_are_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(file: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, Spool(folder, "raised") as spool:
        patch.setattr("anyview_ros.augment.spool.os.fdatasync", killed)
        with pytest.raises(KeyboardInterrupt):
            spool.append(answers(CLIPS), frames(CLIPS))
    with Spool(folder, "raised") as spool:
        assert spool.clips == CLIPS
        np.testing.assert_array_equal(spool.frames(), frames(CLIPS - 1))


@pytest.mark.parametrize("cut", [1, 60, 200])
def test_a_clip_that_is_not_whole_is_dropped(cut: int, folder: Path) -> None:
    file = folder / "raised.clips"
    file.write_bytes(file.read_bytes()[:-cut])
    with Spool(folder, "raised") as spool:
        assert spool.clips == CLIPS - 1
        assert read(spool) == [answer for k in range(CLIPS - 1) for answer in answers(k)]


@pytest.mark.parametrize("place", [30, 200, -1])  # of the index, a small answer, a large one
def test_from_a_clip_that_is_damaged_on_none_counts(place: int, folder: Path) -> None:
    file = folder / "raised.clips"
    raw, last = bytearray(file.read_bytes()), file.read_bytes().rindex(b"CLIP")
    raw[last + place if place > 0 else place] ^= 1
    file.write_bytes(raw)
    with Spool(folder, "raised") as spool:
        assert spool.clips == CLIPS - 1

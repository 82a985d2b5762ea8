"""A file is there whole or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anyview_ros.whole_file import whole_file


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_takes_its_place_at_the_end(tmp_path: Path, shared: bool) -> None:
    path = tmp_path / "new" / "a.json"
    for text in ("one", "two"):
        with whole_file(path, shared) as partial:
            partial.write_text(text)
            assert partial.suffix == ".json"
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_on_an_error_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("before")

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path, both = tmp_path / "a.npy", threading.Barrier(2)

    def write(text: str) -> None:
        with whole_file(path, shared=True) as partial:
            both.wait(timeout=10)
            partial.write_text(text)
            both.wait(timeout=10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("one" * 999, "two")))
    assert path.read_text() in ("one" * 999, "two")
    assert list(tmp_path.iterdir()) == [path]

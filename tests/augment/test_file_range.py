"""Bytes that are copied without being read: where they lie, and what stands for them."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.augment.file_range import FileRange, crc_with


def test_a_range_is_read_and_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel, and where it cannot."""
    content = bytes(range(256)) * 9000
    (tmp_path / "source").write_bytes(content)
    for name in ("kernel", "process"):
        if name == "process":
            monkeypatch.setattr("os.copy_file_range", refused)
        with (tmp_path / "source").open("rb") as file, (tmp_path / name).open("wb") as target:
            part = FileRange(file, 77, len(content) - 100, 0)
            target.write(b"before")
            part.copy(target)
            target.write(b"behind")
            assert part.read() == content[77:-23]
        assert (tmp_path / name).read_bytes() == b"before" + content[77:-23] + b"behind"


def refused(*given: object) -> int:
    raise OSError(18, "Invalid cross-device link")


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 3))
def test_a_checksum_goes_on_over_a_range_that_is_not_read(
    before: bytes, content: bytes, times: int
) -> None:
    part = content * 97**times
    with Path(__file__).open("rb") as unread:
        found = crc_with(zlib.crc32(before), FileRange(unread, 0, len(part), zlib.crc32(part)))
    assert found == zlib.crc32(before + part) == crc_with(zlib.crc32(before), part)

"""The tutorials are followed, step by step, from an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.rig_bag import RigRecording
from tests.tutorials.pages import TUTORIALS, blocks, follow, shape

WITH_NODES = ("first-camera.md",)  # in domains of their own
PAGES = [
    pytest.param(file.name, marks=[pytest.mark.graph] if file.name in WITH_NODES else [])
    for file in sorted(TUTORIALS.glob("*.md"))
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_can_be_followed(page: str, tmp_path: Path) -> None:
    RigRecording().write(tmp_path / "drive")  # the reader's own
    follow(page, tmp_path)


def test_what_is_seen_is_compared_but_for_numbers() -> None:
    assert shape("a 1.5 s\n...\n\n  b  2\n") == shape("a 30 s\nb 0.001")
    assert shape("a 1") != shape("b 1")
    assert any(block.kind == "text" for block in blocks("your-bag.md"))

"""Every command block of docs/install.md that needs nothing special is run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOC = ROOT / "docs" / "install.md"
KNOWN_NEEDS = (
    "a sourced ROS 2",
    "a sourced ROS 2 and an NVIDIA GPU",
    "an NVIDIA GPU",
    "docker",
    "root",
    "some minutes",
)
BLOCK = re.compile(r"(?:<!-- needs: (?P<needs>[^>]+) -->\n)?```(?:ba)?sh\n(?P<text>.*?)```", re.S)
# What this process has from the environment that the tests run in.
OWN = ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
LAUNCHER = ROOT / "scripts" / "launcher.py"


class Block(NamedTuple):
    needs: str
    text: str


def blocks() -> list[Block]:
    matches = BLOCK.finditer(DOC.read_text(encoding="utf-8"))
    return [Block(match["needs"] or "", match["text"]) for match in matches]


def runnable() -> list[str]:
    return [block.text for block in blocks() if not block.needs]


def test_blocks_are_marked_with_needs_that_we_know() -> None:
    assert {block.needs for block in blocks()} - {""} == set(KNOWN_NEEDS)
    assert len(runnable()) >= 3


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, without what was built in it, alone in a folder."""
    copy = tmp_path / "checkout"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.mark.timeout(900)
@pytest.mark.parametrize("text", runnable(), ids=lambda text: text.split("\n")[0][:40])
def test_block_runs(text: str, checkout: Path) -> None:
    folder = checkout
    if text.startswith(("./anyview", ".venv/")):
        folder = ROOT  # which has the .venv that these commands would spend minutes on
        if not (ROOT / ".venv" / "anyview" / "package").is_file():
            pytest.skip("./anyview has not made .venv in this checkout")
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_messages_in_the_table_are_those_of_the_launcher() -> None:
    said = LAUNCHER.read_text() + (ROOT / "anyview").read_text()
    table = DOC.read_text().partition("## When something is in the way")[2]
    messages = re.findall(r"^\| `([^`]+)`", table, re.M)
    ours = [message.removesuffix(" ...") for message in messages if ".so" not in message]
    assert len(ours) >= 7
    for message in ours:
        assert message in said, message


def test_uninstall_knows_every_place_where_something_is_stored() -> None:
    table = DOC.read_text().partition("## What is stored where")[2].partition("\n\n\n")[0]
    rows = re.findall(r"^\| .*$", table.partition("## When")[0], re.M)
    places = re.findall(r"`((?:~|/tmp|/dev|out|\.venv)[^`]*)`", "\n".join(rows))
    assert len(places) > 8
    page = (DOC.parent / "upgrade.md").read_text()
    for place in places:
        assert place.removesuffix("<uid>").removesuffix("/models") in page, place

"""Every command block of docs/install.md that needs nothing special is run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from anyview_ros.cli.commands import COMMANDS, parser_of
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package

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


def test_places_of_results_are_those_of_the_commands() -> None:
    """By default; a command without a default is told where."""
    table = DOC.read_text().partition("## What is stored where")[2].partition("## When")[0]
    rows = dict(re.findall(r"^\| ([^|]*) \| ([^|]*) \|", table, re.M))
    (results,) = (row for place, row in rows.items() if "`out/`" in place)
    for name in COMMANDS:
        (default,) = {
            str(action.default)
            for action in parser_of(name)._actions
            if "--out" in action.option_strings
        } or {""}
        assert (f"`{name}`" in results) == (default.startswith("out/") or name == "bench"), name
    (made,) = (row for place, row in rows.items() if "`models/`" in place)
    assert "`export`" in made
    source = (ROOT / "anyview_ros" / "cli" / "export.py").read_text()
    assert source.count('args.out or Path("models")') == 2


def test_figures_of_the_readme_are_those_that_were_measured() -> None:
    """The newest whole table of clips by stage; sources, and what a machine needs."""
    readme = (ROOT / "README.md").read_text()
    measured = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    table = measured.partition("\nWith scores in place of a softmax")[2].partition("\nWith ")[0]
    (said,) = re.findall(r"^\| time \| (.*) \|$", readme, re.M)
    for size in ("160x96", "640x384", "160x96, 2"):
        (row,) = re.findall(rf"^\| {size} \| (.*) \|$", table, re.M)
        whole_s = float(row.split(" | ")[2].strip("*").split()[0])
        assert f"{whole_s:.2f} s at {size.partition(',')[0]}" in said, size
    most = load_package(find_package(DEFAULT_MODEL)).contract.max_sources
    assert f"from one to {('two', 'three', 'four', 'five')[most - 2]} cameras" in (
        ROOT / "CHANGELOG.rst"
    ).read_text().replace("\n  ", " ")
    assert "C and C++ compiler" in LAUNCHER.read_text()
    for needed in ("C and C++ compiler", "headers"):
        assert needed in readme.partition("## On a robot")[0]

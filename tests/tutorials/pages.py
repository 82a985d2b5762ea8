"""Pages of docs/tutorials, followed as a reader does: files, commands, and what is seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"(?:`(?P<file>[\w.]+)`:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?")
UNTIL_INTERRUPTED = "Ctrl-C ends it"  # what a command says that goes on until then
LIMIT_S = 600


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        file: that it is the content of; empty = none.
        kind: sh, text, yaml, ...
    """

    file: str
    kind: str
    text: str


def blocks(page: str) -> list[Block]:
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    return [Block(m["file"] or "", m["kind"], m["text"]) for m in BLOCK.finditer(text)]


def follow(page: str, folder: Path) -> None:
    """Do what a page says, in a folder that stands for the checkout; fails where it is not seen.

    Of text blocks each line must have been printed by the commands before, but for its numbers, and
    for folders before it.
    """
    environment = set_up(folder)
    printed = ""
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.kind == "sh":
            printed = "".join(run(line, folder, environment) for line in lines(block.text))
        elif block.kind == "text":
            missing = [line for line in shape(block.text) if not seen(line, printed)]
            assert not missing, f"{page}: {missing} is not in:\n{printed}"
        else:
            raise AssertionError(f"{page}: a block of {block.kind} that nothing is done with")


def set_up(folder: Path) -> Mapping[str, str]:
    """The launcher and its Python in a folder, and the environment of its user."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for file, words in (("anyview", " -m anyview_ros.cli"), (".venv/bin/python", "")):
        (folder / file).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (folder / file).chmod(0o755)
    home = {"XDG_DATA_HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    return {**os.environ, **home, "PYTHONPATH": str(ROOT)}


def lines(text: str) -> Iterator[str]:
    """Commands, each with its continuations."""
    yield from text.replace("\\\n", " ").strip().splitlines()


def run(line: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints; it must succeed. One that goes on is interrupted when it says so."""
    command = ["bash", "-c", f"exec {line}"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = ""
        for printed_line in process.stdout:
            printed += printed_line
            if UNTIL_INTERRUPTED in printed_line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, f"{line}\n{printed}"
    return printed


def seen(line: str, printed: str) -> bool:
    """Whether a line as of `shape` was printed, or is the end of a path and what follows it."""
    return any(each == line or each.endswith(f"/{line}") for each in shape(printed))


def shape(text: str) -> list[str]:
    """Lines without their numbers and spaces; those of three dots are left out."""
    plain = (" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines())
    return [line for line in plain if line not in ("", "...")]

"""The generated pages are current, and whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyview_ros.cli.commands import COMMANDS, whole_parser
from anyview_ros.cli.parser import actions_of
from anyview_ros.errors import RETRIES
from tests.pages import DOCS, PAGES
from tests.pages.errors import codes

ERRORS = (DOCS / "errors.md").read_text()


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_is_current(file: Path) -> None:
    assert file.read_text() == PAGES[file](), "run python -m tests.pages"


def test_every_code_of_the_source_stands_there_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+)`", ERRORS, re.M)) == codes()
    assert len(codes()) > 150


def test_codes_that_may_go_away_have_a_star() -> None:
    assert set(re.findall(r"^\| `(\w+)` \\\*", ERRORS, re.M)) == set(RETRIES)


def test_options_of_remedies_are_options() -> None:
    options = {option for action in actions_of(whole_parser()) for option in action.option_strings}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ERRORS)) <= options


def test_every_command_has_its_arguments() -> None:
    text = (DOCS / "commands.md").read_text()
    for name in COMMANDS:
        assert f"### `anyview {name}`" in text
    for action in actions_of(whole_parser()):
        for option in action.option_strings:
            assert option in ("-h", "--help") or f"{option}" in text


def test_the_index_leads_to_the_pages() -> None:
    index = (DOCS / "index.md").read_text()
    assert all(f"({file.name})" in index for file in PAGES)

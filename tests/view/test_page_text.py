"""What others may write on a page of ours: text, and nothing that acts."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyview_ros.errors import AnyviewError
from anyview_ros.view.page_text import error_text, plain_text

HOSTILE = '/<iframe srcdoc="<img src=x onerror=alert(1)>">'


@given(st.text())
def test_no_character_means_anything(text: str) -> None:
    shown = plain_text(text)
    assert shown.replace("\\", "").split() == text.replace("\\", "").split()
    for k, character in enumerate(shown):
        before = len(shown[:k]) - len(shown[:k].rstrip("\\"))
        if character in string.punctuation and character != "\\":
            assert before % 2 == 1, shown


@pytest.mark.parametrize("name", [HOSTILE, "![x](/etc/passwd.png)", "`a`\n\n# b", "https://a.b"])
def test_it_is_shown_as_it_is(name: str) -> None:
    """By a parser of CommonMark, in which pages of viser are written."""
    parser = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    (block,) = [t for t in parser.MarkdownIt("commonmark").parse(plain_text(name)) if t.children]
    assert {token.type for token in block.children} <= {"text", "text_special"}
    assert "".join(token.content for token in block.children) == " ".join(name.split())


def test_an_error_has_its_code_in_bold() -> None:
    assert error_text(AnyviewError("no_images", "<b>")) == r"**no_images**: \<b\>"

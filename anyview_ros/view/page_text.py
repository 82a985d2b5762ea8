"""Texts of others on a page of ours."""

from __future__ import annotations

import re

from anyview_ros.errors import AnyviewError

SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")  # all that Markdown lets a backslash take its meaning


def plain_text(text: str) -> str:
    """Return Markdown that shows a text as it is, in one line.

    Names of topics, frames and cameras are of whoever publishes or recorded them, and a page shows
    HTML that is in Markdown: a script in it would act with the rights of who looks at the page.
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def error_text(error: AnyviewError) -> str:
    """Return an error as Markdown, its code first."""
    return f"**{error.code}**: {plain_text(error.message)}"

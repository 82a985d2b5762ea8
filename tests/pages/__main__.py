"""`python -m tests.pages` writes the generated pages of docs/ anew, from the checkout's root."""

from __future__ import annotations

from tests.pages import PAGES

for file, page in PAGES.items():
    file.write_text(page())

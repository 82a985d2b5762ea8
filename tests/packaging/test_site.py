"""The documents build as a site without a warning: no link between them leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "."]
    done = subprocess.run([*command, str(built)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return built


def test_every_document_is_reached_from_the_index(site: Path) -> None:
    index = (site / "docs" / "index.html").read_text()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if page.stem not in {"index", "status"}:
            name = page.relative_to(ROOT / "docs").with_suffix(".html")
            assert f'href="{name}"' in index, page.name


def test_links_to_files_lead_somewhere() -> None:
    """Of the documents and of README, also to code, which is no part of the site."""
    pages = [
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "QUALITY_DECLARATION.md")
    ]
    for page in (*pages, *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"

"""Python 3.14 of ROS 2 Lyrical, by what can be checked without it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / name for name in ("anyview_ros", "launch", "scripts")]
# Modules of Python 3.11 that are gone in 3.14: PEP 594 and PEP 632, and what 3.12 to 3.14 removed.
GONE = {
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils"),
    *("imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes"),
    *("smtpd", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
}


def test_sources_keep_to_the_grammar_of_3_14() -> None:
    """B012 is what PEP 765 warns of: leaving a `finally` by return, break or continue."""
    command = [sys.executable, "-m", "ruff", "check", "--target-version", "py314"]
    checked = subprocess.run(
        [*command, "--isolated", "--no-cache", "--select", "E9,F,B012", *map(str, SOURCES)],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_no_source_imports_what_3_14_lacks() -> None:
    for file in (file for folder in SOURCES for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            assert not GONE & {module.partition(".")[0] for module in modules}, file

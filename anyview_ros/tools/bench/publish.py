"""Scores and a picture, written into the package that they are about."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyview_ros.contract import MANIFEST, ModelPackage, sha256_of, write_manifest

SHEET = "sheet.png"  # in a package


def publish(package: ModelPackage, scores: dict[str, Any], sheet: Path) -> None:
    """Put the contact sheet and the scores into a package, and seal it."""
    shutil.copyfile(sheet, package.path / SHEET)
    seal(package, scores)


def seal(package: ModelPackage, scores: dict[str, Any]) -> None:
    """Write the manifest again, with scores and the hash of every file that is there now."""
    files = sorted(f for f in package.path.iterdir() if f.is_file() and f.name != MANIFEST)
    hashes = {file.name: sha256_of(file) for file in files}
    write_manifest(package.path, replace(package.contract, files=hashes, scores=scores))

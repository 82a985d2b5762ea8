"""What names a package in a run, and the hashes in its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anyview_ros.packages import MANIFEST, ModelPackage, sha256_of, write_manifest
from anyview_ros.signatures import remove_signature
from anyview_ros.whole_file import whole_file

CARD, SHEET = "README.md", "sheet.png"  # what people read


def identity(package: ModelPackage) -> str:
    """Return the sha256 of what figures depend on: everything but the card, its picture and the
    scores."""
    fields = asdict(package.contract)
    fields["files"] = {k: v for k, v in fields["files"].items() if k not in (CARD, SHEET)}
    del fields["scores"]
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def seal(package: ModelPackage, scores: Mapping[str, Any]) -> str:
    """Write the manifest again, with scores and the hashes of a card and a picture as they are now.

    All other hashes stay those of the package that was loaded: the scores are of its files, and of
    none that was put there since.

    Returns what became of the signature, in words; empty where there was none.
    """
    files = {**package.contract.files, **_hashes_for_people(package.path)}
    write_manifest(package.path, replace(package.contract, files=files, scores=scores))
    return remove_signature(package.path, package.contract.name)


def seal_card(path: Path) -> str:
    """Take a card and a picture that were edited into the manifest, and nothing else.

    Returns what became of the signature, as `seal` does.
    """
    before = json.loads((path / MANIFEST).read_text())
    files = {**before["files"], **_hashes_for_people(path)}
    if files == before["files"]:
        return ""
    with whole_file(path / MANIFEST) as file:
        file.write_text(json.dumps({**before, "files": files}, indent=2) + "\n")
    return remove_signature(path, path.name)


def _hashes_for_people(path: Path) -> dict[str, str]:
    """Return the sha256 of the card and of its picture, of those that are there."""
    return {file.name: sha256_of(file) for file in (path / CARD, path / SHEET) if file.is_file()}

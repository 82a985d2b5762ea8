"""What names a package in a run, and the hashes in its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anyview_ros.packages import MANIFEST, ModelPackage, sha256_of, write_manifest
from anyview_ros.signatures import SIGNATURE, remove_signature
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
    """Write the manifest again, with scores and the hash of every file that is there now.

    Returns what became of the signature, in words; empty where there was none.
    """
    left_out = (MANIFEST, SIGNATURE)
    files = sorted(f for f in package.path.iterdir() if f.is_file() and f.name not in left_out)
    hashes = {file.name: sha256_of(file) for file in files}
    write_manifest(package.path, replace(package.contract, files=hashes, scores=scores))
    return remove_signature(package.path, package.contract.name)


def seal_card(path: Path) -> str:
    """Take a card and a picture that were edited into the manifest, and nothing else.

    Returns what became of the signature, as `seal` does.
    """
    before = json.loads((path / MANIFEST).read_text())
    there = [file for file in (path / CARD, path / SHEET) if file.is_file()]
    files = {**before["files"], **{file.name: sha256_of(file) for file in there}}
    if files == before["files"]:
        return ""
    with whole_file(path / MANIFEST) as file:
        file.write_text(json.dumps({**before, "files": files}, indent=2) + "\n")
    return remove_signature(path, path.name)

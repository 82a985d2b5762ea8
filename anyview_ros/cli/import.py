"""`anyview import --dit F --tokenizer F --text F --accept-license`: the released weights, ours."""

# ruff: noqa: N999  the word of the command; it is imported by name, see __main__

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from anyview_ros.errors import AnyviewError
from anyview_ros.packages import search_path

if TYPE_CHECKING:
    from anyview_ros.model.joint.imported import Import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dit", type=Path, required=True, help="anyview_dvs_2b.pt")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.pth")
    parser.add_argument("--text", type=Path, required=True, help="default_text_emb.pt")
    parser.add_argument("--name", default="anyview-2b", help="name of the imported weights")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for them; if not given, the one in which models are found by name",
    )
    parser.add_argument(
        "--accept-license",
        action="store_true",
        help="accept the licence of the weights, which is shown",
    )
    parser.add_argument(
        "--any-size",
        action="store_true",
        help="also take networks of other sizes than the released ones, such as test fakes",
    )


def run(args: argparse.Namespace) -> int:
    from anyview_ros.model.joint.checkpoint import require_file
    from anyview_ros.model.joint.imported import LICENCES, import_release
    from anyview_ros.model.joint.release import (
        AUTOENCODER,
        NETWORK,
        NOTICE,
        RELEASE,
        TEXT,
        require_acceptance,
    )

    files = {NETWORK: args.dit, AUTOENCODER: args.tokenizer, TEXT: args.text}
    for path in files.values():
        require_file(path)
    print(NOTICE)
    require_acceptance(args.accept_license)
    imported = import_release(files, args.out or search_path()[0], args.name, args.any_size)
    for file, origin in zip(RELEASE, imported.origins.values(), strict=True):
        verdict = "the published file" if origin.published else f"not published, {file.sha256}..."
        print(f"{origin.name}: sha256 {origin.sha256} ({verdict})")
    print(f"{imported.folder}: imported; licences in {LICENCES}")
    print(f"next: anyview export {quote(_weights(imported))} --frames 41 --size 16:9")
    return 0


def _weights(imported: Import) -> str:
    """Return what export finds them by: their name where it leads to them, else their folder."""
    from anyview_ros.model.joint.package import find_import

    name = imported.folder.name
    try:
        is_found = find_import(name).folder.resolve() == imported.folder.resolve()
    except AnyviewError:
        is_found = False
    return name if is_found else str(imported.folder)
